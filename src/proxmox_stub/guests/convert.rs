//! `POST /nodes/{node}/qemu/{vmid}/template`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::acl::KnownToken;
use super::super::answer::Denied;
use super::super::options::StubVm;
use super::super::schema::Asked;
use super::super::tasks;
use super::super::vms;
use super::super::world::PveWorld;
use super::disks::base_of;
use super::drives::{Drive, is_drive};
use super::work::{alone, step};

const KIND: &str = "qmtemplate";

fn check(vm: &StubVm) -> Result<(), String> {
    if let Some(lock) = vm.config.get("lock") {
        return Err(format!("VM is locked ({lock})"));
    }
    if !vm.snapshots.is_empty() {
        return Err("unable to create template, because VM contains snapshots".to_owned());
    }
    if vm.is_template() {
        return Err("you can't convert a template to a template".to_owned());
    }
    Ok(())
}

pub(in super::super) async fn convert(
    world: &Arc<PveWorld>,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    let vm = vms::find(world, asked)?;
    check(&vm).map_err(Denied::died)?;
    let own = Arc::clone(world);
    let (id, node) = (vm.id.to_string(), vm.node.clone());
    let about = (KIND, id.as_str());
    let (upid, running) = tasks::start(&world.tasks, token, &node, about, |worker| async move {
        let _alone = alone(&own, vm.id).await?;
        let now = own.guests.vm(vm.id).ok_or("it is gone")?;
        check(&now)?;
        // First it is a template, then its disks are.
        own.guests.change_vm(vm.id, |vm| {
            vm.config.insert("template".to_owned(), "1".to_owned());
        });
        step(&own, &worker, &vm.node, KIND).await?;
        for (key, value) in now.config.iter().filter(|(key, _)| is_drive(key)) {
            let Some(drive) = Drive::parse(value).filter(|drive| !drive.is_cdrom()) else {
                continue;
            };
            let file = base_of(&drive.file);
            own.guests.rename_disk(&vm.node, &drive.file, &file);
            let drive = Drive { file, ..drive }.print();
            own.guests.change_vm(vm.id, |vm| {
                vm.config.insert(key.clone(), drive);
            });
        }
        Ok(())
    });
    if world.options.converts_without_task {
        // It has its result in the log of the node only.
        let _ = running.await;
        return Ok(Value::Null);
    }
    Ok(json!(upid))
}
