//! `DELETE /nodes/{node}/qemu/{vmid}`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::acl::KnownToken;
use super::super::answer::Denied;
use super::super::options::StubVm;
use super::super::schema::Asked;
use super::super::tasks;
use super::super::vms;
use super::super::world::PveWorld;
use super::disks::{depends_on, owner};
use super::drives::{Drive, is_drive};
use super::work::{alone, step};

const KIND: &str = "qmdestroy";

fn check_early(vm: &StubVm) -> Result<(), String> {
    match vm.config.get("protection").map(String::as_str) {
        Some("1") => Err(format!(
            "can't remove VM {} - protection mode enabled",
            vm.id
        )),
        _ if vm.is_running => Err(format!("VM {} is running - destroy failed", vm.id)),
        _ => Ok(()),
    }
}

/// The disks of a machine that its configuration names.
fn disks(vm: &StubVm) -> Vec<String> {
    let drives = vm.config.iter().filter(|(key, _)| is_drive(key));
    let files = drives.filter_map(|(_, value)| Some(Drive::parse(value)?.file));
    files
        .filter(|file| owner(file).is_some_and(|(number, _)| number == vm.id))
        .collect()
}

fn check_clones(world: &PveWorld, vm: &StubVm) -> Result<(), String> {
    if !vm.is_template() {
        return Ok(());
    }
    for disk in disks(vm) {
        let is_used = |other: &StubVm| {
            let mut drives = other.config.values();
            other.id != vm.id && drives.any(|drive| depends_on(drive, &disk))
        };
        if world.guests.vms().iter().any(is_used) {
            return Err(format!(
                "base volume '{disk}' is still in use by linked cloned"
            ));
        }
    }
    Ok(())
}

pub(in super::super) fn destroy(
    world: &Arc<PveWorld>,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    let vm = vms::find(world, asked)?;
    check_early(&vm).map_err(Denied::died)?;
    let with_others = asked.get("destroy-unreferenced-disks") == Some("1");
    let own = Arc::clone(world);
    let (id, node) = (vm.id.to_string(), vm.node.clone());
    let about = (KIND, id.as_str());
    let (upid, _) = tasks::start(&world.tasks, token, &node, about, |worker| async move {
        let _alone = alone(&own, vm.id).await?;
        let Some(now) = own.guests.vm(vm.id) else {
            return Err(format!(
                "Configuration file 'nodes/{}/qemu-server/{}.conf' does not exist",
                vm.node, vm.id
            ));
        };
        check_early(&now)?;
        if let Some(lock) = now.config.get("lock") {
            return Err(format!("VM is locked ({lock})"));
        }
        check_clones(&own, &now)?;
        step(&own, &worker, &vm.node, KIND).await?;
        let mut gone = disks(&now);
        if with_others {
            let all = own.guests.disks().into_iter().map(|disk| disk.volid);
            gone.extend(all.filter(|volid| owner(volid).is_some_and(|(n, _)| n == vm.id)));
        }
        own.guests.remove_disks(&vm.node, &gone);
        own.guests.remove_vm(vm.id);
        // Nobody keeps a privilege on what may be another one tomorrow.
        own.remove_entries(&format!("/vms/{}", vm.id));
        Ok(())
    });
    Ok(json!(upid))
}
