//! What the cluster tells of itself. Lists come backwards: the real ones come in no
//! order, and nobody may depend on one.

use serde_json::{Value, json};
use sha2::Digest;

use super::acl::KnownToken;
use super::answer::Denied;
use super::options::StubStorage;
use super::schema::Asked;
use super::world::PveWorld;

pub(super) fn version(world: &PveWorld) -> Value {
    let version = &world.options.version;
    let release: Vec<&str> = version.split('.').take(2).collect();
    json!({ "version": version, "release": release.join("."), "repoid": "5c9e4ea0" })
}

pub(super) fn nodes(world: &PveWorld, token: &KnownToken) -> Value {
    let nodes = world.nodes();
    let nodes = nodes.iter().rev().map(|node| {
        let is_offline = world.is_offline(node);
        let mut entry = json!({
            "node": node,
            "id": format!("node/{node}"),
            "type": "node",
            "status": if is_offline { "offline" } else { "online" },
            "ssl_fingerprint": certificate(world, node).0,
        });
        if !is_offline && world.may(token, &format!("/nodes/{node}"), "Sys.Audit") {
            entry["maxcpu"] = json!(4);
            entry["maxmem"] = json!(16_u64 << 30);
        }
        entry
    });
    nodes.collect()
}

pub(super) fn node_status() -> Value {
    let rootfs = json!({ "total": 64_u64 << 30, "used": 8_u64 << 30, "avail": 56_u64 << 30 });
    json!({ "rootfs": rootfs, "uptime": 4711, "cpu": 0.01 })
}

pub(super) fn cluster_status(world: &PveWorld, asked_node: &str) -> Value {
    let nodes = &world.nodes();
    let mut entries: Vec<Value> = (1..)
        .zip(nodes)
        .map(|(id, node)| {
            json!({
                "type": "node",
                "id": format!("node/{node}"),
                "name": node,
                "nodeid": id,
                "ip": format!("192.0.2.{id}"),
                "online": u8::from(!world.is_offline(node)),
                "local": u8::from(node == asked_node),
            })
        })
        .collect();
    if nodes.len() > 1 {
        let online = nodes.iter().filter(|node| !world.is_offline(node)).count();
        entries.push(json!({
            "type": "cluster",
            "id": "cluster",
            "name": "stub",
            "nodes": nodes.len(),
            "quorate": u8::from(online * 2 > nodes.len()),
            "version": 2,
        }));
    }
    entries.reverse();
    Value::from(entries)
}

fn certificate(world: &PveWorld, node: &str) -> (String, i64, Vec<String>, bool) {
    match world.options.certificates.get(node) {
        Some(known) => (
            known.fingerprint.clone(),
            known.not_after,
            known.names.clone(),
            known.is_custom,
        ),
        None => (
            fingerprint(node.as_bytes()),
            1_900_000_000,
            vec![node.to_owned()],
            false,
        ),
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    let digest = sha2::Sha256::digest(bytes);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

pub(super) fn certificates(world: &PveWorld, asked: &Asked) -> Value {
    let node = asked.node().unwrap_or_default();
    let (served, not_after, san, is_custom) = certificate(world, node);
    let entry = |filename: &str, fingerprint: String| {
        json!({
            "filename": filename,
            "fingerprint": fingerprint,
            "notafter": not_after,
            "notbefore": 1_500_000_000,
            "san": san,
            "subject": format!("/CN={node}"),
        })
    };
    let own = match is_custom {
        true => fingerprint(b"the cluster's own"),
        false => served.clone(),
    };
    let mut entries = vec![
        entry("pve-ssl.pem", own),
        entry("pve-root-ca.pem", fingerprint(b"the authority")),
    ];
    if is_custom {
        entries.push(entry("pveproxy-ssl.pem", served));
    }
    Value::from(entries)
}

pub(super) fn permissions(
    world: &PveWorld,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    if asked.get("userid").is_some_and(|user| user != token.id) {
        world.demand(token, "/access", &["Sys.Audit"])?;
    }
    let as_numbers = |privileges: super::acl::Privileges| -> Value {
        let each = privileges.into_iter();
        Value::Object(
            each.map(|(name, below)| (name, json!(u8::from(below))))
                .collect(),
        )
    };
    Ok(match asked.get("path") {
        Some(path) => json!({ path: as_numbers(world.privileges(token, path)) }),
        None => {
            let all = world.all_privileges(token).into_iter();
            Value::Object(all.map(|(path, found)| (path, as_numbers(found))).collect())
        }
    })
}

/// The storages that the token may see; the others are left out.
fn seen(world: &PveWorld, token: &KnownToken) -> Vec<StubStorage> {
    let mut storages = world.storages();
    storages.retain(|storage| {
        let path = format!("/storage/{}", storage.name);
        ["Datastore.Audit", "Datastore.AllocateSpace"]
            .iter()
            .any(|one| world.may(token, &path, one))
    });
    storages.reverse();
    storages
}

fn words<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let mut words: Vec<&str> = words.into_iter().map(String::as_str).collect();
    words.reverse();
    words.join(",")
}

pub(super) fn storages(world: &PveWorld, token: &KnownToken) -> Value {
    let entries = seen(world, token).into_iter().map(|storage| {
        let mut entry = json!({
            "storage": storage.name,
            "type": storage.kind,
            "path": storage.path,
            "content": words(&storage.content),
            "digest": "0123456789012345678901234567890123456789",
        });
        if storage.shared {
            entry["shared"] = json!(1);
        }
        if storage.disabled {
            entry["disable"] = json!(1);
        }
        if !storage.nodes.is_empty() {
            entry["nodes"] = json!(words(&storage.nodes));
        }
        entry
    });
    entries.collect()
}

fn status(storage: &StubStorage) -> Value {
    let (total, used) = match storage.active {
        true => (64_u64 << 30, 8_u64 << 30),
        false => (0, 0),
    };
    json!({
        "type": storage.kind,
        "content": words(&storage.content),
        "active": u8::from(storage.active),
        "enabled": u8::from(!storage.disabled),
        "shared": u8::from(storage.shared),
        "total": total,
        "used": used,
        "avail": total - used,
    })
}

pub(super) fn node_storages(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Value {
    let node = asked.node().unwrap_or_default();
    let wanted: Vec<&str> = asked.get("content").unwrap_or("").split(',').collect();
    let fits = |storage: &StubStorage| {
        let has_content = wanted == [""] || wanted.iter().any(|w| storage.content.contains(*w));
        let is_enabled = asked.get("enabled") != Some("1") || !storage.disabled;
        let is_here = storage.nodes.is_empty() || storage.nodes.iter().any(|one| one == node);
        let is_named = asked.get("storage").is_none_or(|name| name == storage.name);
        has_content && is_enabled && is_here && is_named
    };
    let found = seen(world, token).into_iter().filter(fits).map(|storage| {
        let mut entry = status(&storage);
        entry["storage"] = json!(storage.name);
        entry
    });
    found.collect()
}

pub(super) fn storage_status(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let node = asked.node().unwrap_or_default();
    Ok(status(&world.usable(node, asked.second())?))
}
