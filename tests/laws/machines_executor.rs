//! A toy executor for templates. It refuses what Proxmox VE would refuse.

use std::collections::BTreeMap;

use talos_order::facts::{
    NodeState, NodeVms, Observed, TemplateMark, TemplateState, VmConfig, VmInventory, VmSeat,
};
use talos_order::model::{NodeId, VmId};
use talos_order::plan::{Action, CreateTemplate, Step, SwitchTemplate};

use crate::machines::numbering;

/// Does one step; `seen` looks at the world after every single change.
pub fn execute(step: &Step, world: &mut Observed, seen: &mut dyn FnMut(&Observed)) {
    match &step.action {
        Action::CreateTemplate(create) => make(create, world),
        Action::SwitchTemplate(switch) => {
            for (node, vmid, name, tags, state) in changes(switch) {
                let config = inventory(world, node).marked.get_mut(&vmid);
                let config = config.unwrap_or_else(|| panic!("{vmid} is not there"));
                assert!(config.lock().is_none(), "{vmid} is locked");
                let mark = config.mark_of(vmid).expect("our mark");
                let mark = TemplateMark { state, ..mark };
                let notes = mark.in_place_of(config.description());
                let mut set = |key: &str, value: &str| {
                    config.0.insert(key.to_owned(), value.to_owned());
                };
                set("name", &name);
                set("tags", &tags);
                set("description", &notes);
                let seat = VmSeat {
                    host: node.to_string(),
                    name: Some(name),
                    is_template: true,
                };
                seats(world, node, vmid, Some(&seat));
                seen(world);
            }
        }
        Action::RemoveTemplate { node, vmid, .. } => {
            let vms = inventory(world, node);
            let config = vms.marked.remove(vmid);
            let config = config.unwrap_or_else(|| panic!("{vmid} is not there"));
            assert!(config.lock().is_none() && !config.is_protected(), "{vmid}");
            seats(world, node, *vmid, None);
        }
        _ => return,
    }
    seen(world);
}

type Change<'a> = (&'a NodeId, VmId, String, String, TemplateState);

/// The changes of a switch, in the order in which they are made.
fn changes(switch: &SwitchTemplate) -> Vec<Change<'_>> {
    let first = (
        &switch.node,
        switch.vmid,
        switch.name.to_string(),
        switch.tags.join(";"),
        TemplateState::Current,
    );
    let retired = switch.retired.iter().map(|retired| {
        let name = switch.name.of_retired(retired.vmid);
        let tags = "talos-order-retired".to_owned();
        (
            &retired.node,
            retired.vmid,
            name,
            tags,
            TemplateState::Retired,
        )
    });
    std::iter::once(first).chain(retired).collect()
}

fn inventory<'a>(world: &'a mut Observed, node: &NodeId) -> &'a mut VmInventory {
    match world.vms.get_mut(node) {
        Some(NodeVms::Known(vms)) => vms,
        other => panic!("the machines of {node} are {other:?}"),
    }
}

/// Notes who has a number, wherever it counts.
fn seats(world: &mut Observed, node: &NodeId, vmid: VmId, seat: Option<&VmSeat>) {
    let of = numbering(node, inventory(world, node));
    for (other, vms) in &mut world.vms {
        let NodeVms::Known(vms) = vms else { continue };
        if numbering(other, vms) == of {
            match seat {
                Some(seat) => vms.taken.insert(vmid, seat.clone()),
                None => vms.taken.remove(&vmid),
            };
        }
    }
}

fn make(create: &CreateTemplate, world: &mut Observed) {
    let (node, vmid) = (&create.node, create.vmid);
    // Of a shared storage any node may have the image.
    let images = world.nodes.values().filter_map(|state| match state {
        NodeState::Listed { dirs, .. } => dirs.get(&create.image.dir)?.record.get(&create.file),
        NodeState::Unreachable { .. } => None,
    });
    let mut images = images.filter(|image| image.artifact == create.artifact);
    let image = match &world.nodes[&create.delivered.node] {
        NodeState::Listed { dirs, .. } => {
            let dir = dirs.get(&create.delivered.dir);
            dir.and_then(|dir| dir.record.get(&create.file))
        }
        NodeState::Unreachable { .. } => None,
    };
    let image = image.or_else(|| images.next()).expect("the image");
    assert_eq!(image.artifact, create.artifact, "the image on {node}");
    assert!(create.sha256.is_none_or(|known| known == image.sha256));
    let mark = TemplateMark {
        owner: "us".to_owned(),
        vmid,
        template: create.name.clone(),
        orders: Default::default(),
        artifact: create.artifact.clone(),
        sha256: image.sha256,
        deletion: create.deletion,
        state: TemplateState::New,
        made_at: world.now,
    };
    let mut values: BTreeMap<String, String> = create.config.clone();
    for (key, value) in &mut values {
        let mut parts: Vec<String> = value.split(',').map(str::to_owned).collect();
        if key.starts_with("net") {
            parts[0] = format!("{}=BC:24:11:2C:A0:01", parts[0]);
        }
        if key.starts_with("efidisk") {
            parts[0] = format!("{}:base-{vmid}-disk-0", create.storage);
            parts.retain(|part| part != "pre-enrolled-keys=0");
            parts.push("size=4M".to_owned());
        }
        *value = parts.join(",");
    }
    let disk = format!(
        "{}:base-{vmid}-disk-1,{},size=4G",
        create.storage, create.disk_options
    );
    let mut set = |key: &str, value: String| values.insert(key.to_owned(), value);
    set(&create.disk, disk);
    set("name", create.name.of_new());
    set("tags", "talos-order-new".to_owned());
    set("template", "1".to_owned());
    set("description", mark.notes());
    let vms = inventory(world, node);
    assert!(!vms.taken.contains_key(&vmid), "{vmid} is taken");
    vms.marked.insert(vmid, VmConfig(values));
    if let Some(clones) = &mut vms.clones {
        clones.insert(vmid, Default::default());
    }
    let seat = VmSeat {
        host: node.to_string(),
        name: Some(create.name.of_new()),
        is_template: true,
    };
    seats(world, node, vmid, Some(&seat));
}
