//! `POST` and `PUT /nodes/{node}/qemu/{vmid}/config`: the one with a task, the other
//! without.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::acl::KnownToken;
use super::super::answer::Denied;
use super::super::schema::Asked;
use super::super::tasks::{self, Worker};
use super::super::vms;
use super::super::world::PveWorld;
use super::drives::is_drive;
use super::work::{LOST, alone, step};
use super::{allowed, import, options};

const KIND: &str = "qmconfig";

/// A change that was checked.
#[derive(Debug, Clone)]
struct ConfigChange {
    node: String,
    vmid: u32,
    set: BTreeMap<String, String>,
    delete: Vec<String>,
    digest: Option<String>,
}

fn read(world: &PveWorld, token: &KnownToken, asked: &Asked) -> Result<ConfigChange, Denied> {
    let vm = vms::find(world, asked)?;
    let mut set = options::of(asked);
    options::check(&set)?;
    if set.is_empty() && asked.get("delete").is_none() {
        return Err(Denied::died("no options specified"));
    }
    options::normalise(&mut set);
    allowed::demand_options(world, token, vm.id, &set)?;
    let delete = asked.get("delete").unwrap_or_default();
    let delete = delete.split([',', ';', ' ']).filter(|key| !key.is_empty());
    let change = ConfigChange {
        node: vm.node,
        vmid: vm.id,
        set,
        delete: delete.map(str::to_owned).collect(),
        digest: asked.get("digest").map(str::to_owned),
    };
    // Early, and again once it is alone.
    change.check(world).map_err(Denied::died)?;
    Ok(change)
}

impl ConfigChange {
    fn check(&self, world: &PveWorld) -> Result<(), String> {
        let vm = world.guests.vm(self.vmid).ok_or_else(|| {
            format!(
                "Configuration file 'nodes/{}/qemu-server/{}.conf' does not exist",
                self.node, self.vmid
            )
        })?;
        let is_same = |digest: &String| *digest == vms::digest(&vm);
        if !self.digest.as_ref().is_none_or(is_same) {
            return Err("checksum mismatch (file change by other user?)".to_owned());
        }
        match vm.config.get("lock") {
            Some(lock) => Err(format!("VM is locked ({lock})")),
            None => Ok(()),
        }
    }

    /// Makes disks, then changes everything at once.
    async fn apply(
        &self,
        world: &Arc<PveWorld>,
        token: &KnownToken,
        worker: Option<&Worker>,
    ) -> Result<(), String> {
        let _alone = alone(world, self.vmid).await?;
        self.check(world)?;
        let mut made = Vec::new();
        let result = self.make(world, token, worker, &mut made).await;
        let set = match result {
            Ok(set) => set,
            Err(why) => {
                if why != LOST {
                    world.guests.remove_disks(&self.node, &made);
                }
                return Err(why);
            }
        };
        world.guests.change_vm(self.vmid, |vm| {
            vm.config.extend(set);
            for key in &self.delete {
                vm.config.remove(key);
            }
        });
        Ok(())
    }

    async fn make(
        &self,
        world: &Arc<PveWorld>,
        token: &KnownToken,
        worker: Option<&Worker>,
        made: &mut Vec<String>,
    ) -> Result<BTreeMap<String, String>, String> {
        let old = world
            .guests
            .vm(self.vmid)
            .map(|vm| vm.config)
            .unwrap_or_default();
        let mut set = self.set.clone();
        if let Some(new) = set.get("tags") {
            let tags = old.get("tags").map(String::as_str).unwrap_or_default();
            options::check_tags(world, token, tags, new)?;
        }
        if let Some(order) = set.get("boot").and_then(|boot| boot.strip_prefix("order=")) {
            for device in order.split(';') {
                if !old.contains_key(device) && !set.contains_key(device) {
                    return Err(format!(
                        "invalid bootorder: device '{device}' does not exist'"
                    ));
                }
            }
        }
        for (key, value) in set.iter_mut().filter(|(key, _)| is_drive(key)) {
            allowed::demand_drive(world, token, self.vmid, value)?;
            let (drive, disk) = import::make(world, &self.node, self.vmid, key, value)?;
            if let Some(disk) = disk {
                made.push(disk.volid.clone());
                world.guests.add_disk(disk);
            }
            *value = drive.print();
        }
        if let Some(worker) = worker {
            // A disk is copied for as long as this takes.
            step(world, worker, &self.node, KIND).await?;
        }
        Ok(set)
    }
}

/// With a task.
pub(in super::super) fn start(
    world: &Arc<PveWorld>,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    let change = read(world, token, asked)?;
    let (own, known) = (Arc::clone(world), token.clone());
    let id = change.vmid.to_string();
    let node = change.node.clone();
    let about = (KIND, id.as_str());
    let (upid, _) = tasks::start(&world.tasks, token, &node, about, |worker| async move {
        change.apply(&own, &known, Some(&worker)).await
    });
    Ok(json!(upid))
}

/// At once.
pub(in super::super) async fn apply(
    world: &Arc<PveWorld>,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    let change = read(world, token, asked)?;
    let applied = change.apply(world, token, None).await;
    applied.map(|()| Value::Null).map_err(Denied::died)
}
