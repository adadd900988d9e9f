//! `POST /nodes/{node}/qemu`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::acl::KnownToken;
use super::super::answer::Denied;
use super::super::options::StubVm;
use super::super::schema::Asked;
use super::super::tasks::{self, Worker};
use super::super::world::PveWorld;
use super::drives::is_drive;
use super::work::{LOST, alone, step};
use super::{allowed, import, options};

const KIND: &str = "qmcreate";

pub(in super::super) fn create(
    world: &Arc<PveWorld>,
    token: &KnownToken,
    asked: &Asked,
) -> Result<Value, Denied> {
    let node = asked.node().unwrap_or_default().to_owned();
    let number = asked.get("vmid").and_then(|text| text.parse::<u32>().ok());
    let vmid = number.filter(|number| (100..=999_999_999).contains(number));
    let Some(vmid) = vmid else {
        let text = "invalid format - value does not look like a valid VM ID";
        return Err(Denied::parameter("vmid", text));
    };
    let mut options = options::of(asked);
    options::check(&options)?;
    // Without the path and the privilege, in contrast to all others.
    if !world.may(token, &format!("/vms/{vmid}"), "VM.Allocate") {
        return Err(Denied::Told(403, "Permission check failed".to_owned()));
    }
    allowed::demand_options(world, token, vmid, &options)?;
    options::normalise(&mut options);
    let locked = StubVm {
        id: vmid,
        node: node.clone(),
        config: BTreeMap::from([("lock".to_owned(), "create".to_owned())]),
        ..StubVm::default()
    };
    // Nothing but the lock: neither a name nor notes, until everything is there.
    world.guests.add_vm(locked).map_err(|taken| {
        let kind = if taken.is_container { "CT" } else { "VM" };
        Denied::died(format!(
            "unable to create VM {vmid} - {kind} {vmid} already exists on node '{}'",
            taken.node
        ))
    })?;
    let (own, known) = (Arc::clone(world), token.clone());
    let place = node.clone();
    let about = (KIND, vmid.to_string());
    let about = (about.0, about.1.as_str());
    let (upid, _) = tasks::start(&world.tasks, token, &node, about, |worker| async move {
        let made = make(&own, &known, &worker, &place, vmid, options).await;
        made.map_err(|why| {
            if why == LOST {
                return why;
            }
            own.guests.remove_vm(vmid);
            format!("unable to create VM {vmid} - {why}")
        })
    });
    Ok(json!(upid))
}

async fn make(
    world: &Arc<PveWorld>,
    token: &KnownToken,
    worker: &Worker,
    node: &str,
    vmid: u32,
    mut options: BTreeMap<String, String>,
) -> Result<(), String> {
    let _alone = alone(world, vmid).await?;
    let mut made = Vec::new();
    let result = async {
        let drives: Vec<String> = options.keys().filter(|k| is_drive(k)).cloned().collect();
        for key in drives {
            let value = options[&key].clone();
            let (drive, disk) = import::make(world, node, vmid, &key, &value)?;
            if let Some(disk) = disk {
                made.push(disk.volid.clone());
                world.guests.add_disk(disk);
            }
            let drive = drive.print();
            worker.log(format!("{key}: successfully created disk '{drive}'"));
            options.insert(key, drive);
        }
        // A disk is copied for as long as this takes.
        step(world, worker, node, KIND).await?;
        let tags = options.get("tags").cloned().unwrap_or_default();
        options::check_tags(world, token, "", &tags)
    }
    .await;
    if let Err(why) = result {
        if why != LOST {
            world.guests.remove_disks(node, &made);
        }
        return Err(why);
    }
    let defaults = [
        ("boot", boot(&options)),
        ("meta", "creation-qemu=10.1.2,ctime=1785931200".to_owned()),
        (
            "smbios1",
            format!("uuid=00000000-0000-4000-8000-{:012x}", fastrand::u32(..)),
        ),
        (
            "vmgenid",
            format!("00000000-0000-4000-8000-{:012x}", fastrand::u32(..)),
        ),
    ];
    for (key, value) in defaults {
        options.entry(key.to_owned()).or_insert(value);
    }
    world.guests.change_vm(vmid, |vm| vm.config = options);
    Ok(())
}

/// The default: the first disk, drives for CDs, the network.
fn boot(options: &BTreeMap<String, String>) -> String {
    let cd = |value: &str| value.contains("media=cdrom");
    let is_disk = |key: &str| is_drive(key) && !matches!(key, "efidisk0" | "tpmstate0");
    let disk = options
        .iter()
        .find(|(key, value)| is_disk(key) && !cd(value));
    let cds = options
        .iter()
        .filter(|(key, value)| is_disk(key) && cd(value));
    let net = options.iter().find(|(key, _)| key.starts_with("net"));
    let order: Vec<&str> = disk
        .into_iter()
        .chain(cds)
        .chain(net)
        .map(|(key, _)| key.as_str())
        .collect();
    format!("order={}", order.join(";"))
}
