//! Virtual machines: lists, and configurations.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::Digest;

use super::acl::KnownToken;
use super::answer::Denied;
use super::options::StubVm;
use super::schema::Asked;
use super::world::PveWorld;

/// Options that are numbers in answers.
const NUMBERS: [&str; 7] = [
    "cores",
    "sockets",
    "balloon",
    "template",
    "protection",
    "onboot",
    "numa",
];

/// Those that the token may see; the others are left out. Name and kind are from when
/// nodes last told of them, tags and lock are of now.
pub(super) fn resources(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Value {
    if asked.get("type").is_some_and(|kind| kind != "vm") {
        return json!([]);
    }
    let statistics = world.guests.statistics();
    let mut vms = world.guests.vms();
    vms.retain(|vm| world.may(token, &format!("/vms/{}", vm.id), "VM.Audit"));
    vms.sort_by_key(|vm| std::cmp::Reverse(vm.id));
    let entries = vms.into_iter().map(|vm| {
        let kind = if vm.is_container { "lxc" } else { "qemu" };
        let mut entry = json!({
            "id": format!("{kind}/{}", vm.id),
            "vmid": vm.id,
            "node": vm.node,
            "type": kind,
            "status": "unknown",
        });
        if let Some((name, is_template)) = statistics.get(&vm.id) {
            entry["status"] = json!(if vm.is_running { "running" } else { "stopped" });
            entry["template"] = json!(u8::from(*is_template));
            let unnamed = format!("VM {}", vm.id);
            entry["name"] = json!(name.as_ref().unwrap_or(&unnamed));
        }
        for key in ["tags", "lock"] {
            if let Some(value) = vm.config.get(key) {
                entry[key] = json!(value);
            }
        }
        entry
    });
    entries.collect()
}

/// Those of one node, as their configurations are now.
pub(super) fn of_node(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Value {
    let node = asked.node().unwrap_or_default();
    let mut vms = world.guests.vms();
    vms.retain(|vm| {
        let is_seen = world.may(token, &format!("/vms/{}", vm.id), "VM.Audit");
        is_seen && vm.node == node && !vm.is_container
    });
    vms.reverse();
    let entries = vms.into_iter().map(|vm| {
        let unnamed = format!("VM {}", vm.id);
        let mut entry = json!({
            "vmid": vm.id,
            "name": vm.config.get("name").unwrap_or(&unnamed),
            "status": if vm.is_running { "running" } else { "stopped" },
        });
        if vm.is_template() {
            entry["template"] = json!(1);
        }
        for key in ["tags", "lock"] {
            if let Some(value) = vm.config.get(key) {
                entry[key] = json!(value);
            }
        }
        entry
    });
    entries.collect()
}

/// A VMID that is free, or whether a certain one is, for everybody.
pub(super) fn next_id(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let is_taken = |number: u32| world.guests.vm(number).is_some();
    let Some(text) = asked.get("vmid") else {
        let free = (100..).find(|number| !is_taken(*number));
        return Ok(json!(free.unwrap_or_default().to_string()));
    };
    match text.parse() {
        Ok(number) if is_taken(number) => {
            let text = format!("VM {number} already exists");
            Err(Denied::parameter("vmid", &text))
        }
        _ => Ok(json!(text)),
    }
}

pub(super) fn find(world: &PveWorld, asked: &Asked) -> Result<StubVm, Denied> {
    let (node, id) = (asked.node().unwrap_or_default(), asked.second());
    let found = id.parse().ok().and_then(|id| world.guests.vm(id));
    let found = found.filter(|vm| vm.node == node && !vm.is_container);
    found.ok_or_else(|| {
        Denied::died(format!(
            "Configuration file 'nodes/{node}/qemu-server/{id}.conf' does not exist"
        ))
    })
}

/// Changes with every change of a configuration, whoever makes it.
pub(super) fn digest(vm: &StubVm) -> String {
    let text = format!("{:?} {:?} {:?}", vm.config, vm.pending, vm.snapshots);
    let digest = sha2::Sha256::digest(text.as_bytes());
    let pairs = digest.iter().take(20).map(|byte| format!("{byte:02x}"));
    pairs.collect()
}

pub(super) fn pending(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let vm = find(world, asked)?;
    let mut entries: Vec<Value> = Vec::new();
    for (key, value) in &vm.config {
        let mut entry = json!({ "key": key, "value": shown(key, value) });
        if let Some(next) = vm.pending.get(key) {
            entry["pending"] = json!(next);
        }
        entries.push(entry);
    }
    let new = vm
        .pending
        .iter()
        .filter(|(key, _)| !vm.config.contains_key(*key));
    entries.extend(new.map(|(key, next)| json!({ "key": key, "pending": next })));
    entries.push(json!({ "key": "digest", "value": digest(&vm) }));
    entries.reverse();
    Ok(Value::from(entries))
}

pub(super) fn snapshots(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let vm = find(world, asked)?;
    let named = vm
        .snapshots
        .keys()
        .map(|name| json!({ "name": name, "snaptime": 1 }));
    let current = json!({ "name": "current", "description": "You are here!", "running": 0 });
    Ok(named.chain([current]).collect())
}

/// A value as Perl has it.
fn shown(key: &str, value: &str) -> Value {
    let number = value.parse::<u64>().ok();
    match number.filter(|_| NUMBERS.contains(&key)) {
        Some(number) => json!(number),
        None => json!(value),
    }
}

pub(super) fn config(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let vm = find(world, asked)?;
    let as_object = |config: &BTreeMap<String, String>| -> Value {
        let pairs = config
            .iter()
            .map(|(key, value)| (key.clone(), shown(key, value)));
        let digest = ("digest".to_owned(), json!(digest(&vm)));
        Value::Object(pairs.chain([digest]).collect())
    };
    match asked.get("snapshot") {
        Some(name) => match vm.snapshots.get(name) {
            Some(config) => Ok(as_object(config)),
            None => Err(Denied::died(format!("snapshot '{name}' does not exist"))),
        },
        None if asked.get("current") == Some("1") => Ok(as_object(&vm.config)),
        None => {
            let mut config = vm.config.clone();
            config.extend(vm.pending.clone());
            Ok(as_object(&config))
        }
    }
}
