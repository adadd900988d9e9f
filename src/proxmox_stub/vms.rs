//! Virtual machines: a list, and configurations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::acl::KnownToken;
use super::answer::Denied;
use super::options::StubVm;
use super::schema::Asked;
use super::world::PveWorld;

/// Those that the token may see; the others are left out.
pub(super) fn resources(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Value {
    if asked.get("type").is_some_and(|kind| kind != "vm") {
        return json!([]);
    }
    let mut vms = world.vms();
    vms.retain(|vm| world.may(token, &format!("/vms/{}", vm.id), "VM.Audit"));
    vms.sort_by_key(|vm| std::cmp::Reverse(vm.id));
    let entries = vms.into_iter().map(|vm| {
        json!({
            "id": format!("qemu/{}", vm.id),
            "vmid": vm.id,
            "node": vm.node,
            "type": "qemu",
            "status": "stopped",
            "template": u8::from(vm.is_template),
        })
    });
    entries.collect()
}

fn find(world: &PveWorld, asked: &Asked) -> Result<StubVm, Denied> {
    let (node, id) = (asked.node().unwrap_or_default(), asked.second());
    let is_it = |vm: &StubVm| vm.node == node && vm.id.to_string() == id;
    let found = world.vms().into_iter().find(is_it);
    found.ok_or_else(|| {
        Denied::died(format!(
            "Configuration file 'nodes/{node}/qemu-server/{id}.conf' does not exist"
        ))
    })
}

pub(super) fn pending(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let vm = find(world, asked)?;
    let mut entries: Vec<Value> = Vec::new();
    for (key, value) in &vm.config {
        let mut entry = json!({ "key": key, "value": value });
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
    entries.push(json!({ "key": "memory", "value": 2048 }));
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

pub(super) fn config(world: &PveWorld, asked: &Asked) -> Result<Value, Denied> {
    let vm = find(world, asked)?;
    let as_object = |config: &BTreeMap<String, String>| -> Value {
        let pairs = config
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)));
        Value::Object(pairs.collect())
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
