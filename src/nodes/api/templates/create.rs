//! Making a template.
//!
//! First a virtual machine without disks, which has its notes at once; then its disks, which
//! takes minutes; then it becomes a template. Made in one call, it would have nothing but a
//! lock for all that time, and what a node leaves that goes off meanwhile would be
//! nobody's.

use std::collections::BTreeMap;

use super::host::TemplateHost;
use crate::model::ImageContent;
use crate::nodes::api::error::ApiError;
use crate::nodes::api::place::HeldFile;
use crate::nodes::api::tasks::FailedTask;
use crate::nodes::as_asked::{deviation, is_drive};
use crate::nodes::error::NodeError;
use crate::nodes::templates::{TemplateCreation, TemplateDone};
use crate::proxmox::rights::{NeededRights, TemplateNeed};
use crate::proxmox::{VmChange, VmRefusal};

type VmOptions = BTreeMap<String, String>;

/// Makes a template, and compares what the node says of it.
pub(in crate::nodes::api) async fn create(
    host: &TemplateHost<'_>,
    creation: &TemplateCreation,
) -> Result<TemplateDone, NodeError> {
    let vmid = creation.vmid;
    let held = host.shared.hold_vm(&host.known, vmid).await;
    let (storage, volume) = image(host, creation).await?;
    let is_free = host.api().vmid_is_free(vmid.get()).await;
    let taken = || {
        host.shared.vms.forget(&host.known.cluster);
        Ok(TemplateDone::Outdated(format!(
            "VMID {vmid} was taken meanwhile"
        )))
    };
    if !is_free.map_err(|error| host.failed("looking for the VMID", error))? {
        return taken();
    }
    ensure_rights(host, creation, storage).await?;
    let (machine, disks) = options(creation, &volume);
    if let Err(failed) = make(host, &held, creation, machine).await {
        if matches!(failed.error.vm_refusal(), Some(VmRefusal::Exists(_))) {
            return taken();
        }
        return Err(host.task_failed("creating the virtual machine", failed));
    }
    let completed = complete(host, &held, creation, disks).await;
    if let Err(error) = completed {
        discard(host, &held, creation, &error).await;
        return Err(error);
    }
    let found = host.config(vmid).await?;
    let what = match &found {
        Some((config, _)) => deviation(creation, config),
        None => Some("it is gone".to_owned()),
    };
    match what {
        None => Ok(TemplateDone::Done),
        Some(what) => {
            let vm = host.shown(vmid);
            Err(NodeError::Api(ApiError::Deviates { vm, what }))
        }
    }
}

/// Storage and volume of the image.
async fn image(
    host: &TemplateHost<'_>,
    creation: &TemplateCreation,
) -> Result<(String, String), NodeError> {
    let dir = &creation.dir;
    let place = host.shared.find_place(&host.node, &host.known, dir).await;
    let place = place.map_err(|error| host.failed("asking for the storages", error))?;
    let Some(place) = place else {
        let what = format!("{}:{dir}", host.node);
        return Err(NodeError::Api(ApiError::NotConfigured { what }));
    };
    if place.place.content != ImageContent::Import {
        let place = place.shown(&creation.file);
        return Err(NodeError::Api(ApiError::NotAnImport { place }));
    }
    Ok((place.place.storage.clone(), place.volume(&creation.file)))
}

/// Fails before anything is made, and names everything that is missing: Proxmox VE names one
/// privilege after the other, and the most important one not at all.
async fn ensure_rights(
    host: &TemplateHost<'_>,
    creation: &TemplateCreation,
    image: String,
) -> Result<(), NodeError> {
    let need = TemplateNeed {
        storage: creation.storage.to_string(),
        images: vec![image],
        // In which zone a bridge is, the token may not see. The first call names it.
        bridges: Vec::new(),
    };
    let needed = NeededRights::of_template(creation.vmid.get(), &need);
    let granted = host.api().granted(&needed.paths()).await;
    let granted = granted.map_err(|error| host.failed("asking for privileges", error))?;
    let token = host.api().token();
    let own = format!("/vms/{}", creation.vmid);
    let missing = granted.missing(&needed, token).into_iter().map(|right| {
        let path = if right.path == own {
            "/vms"
        } else {
            &right.path
        };
        format!("{} on {path}", right.privileges.join(", "))
    });
    let missing: Vec<String> = missing.collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(NodeError::Api(ApiError::TemplateRights {
            node: host.node.clone(),
            token: token.to_owned(),
            missing,
        })),
    }
}

/// The options of a machine without disks, and those that give it some.
fn options(creation: &TemplateCreation, volume: &str) -> (VmOptions, VmOptions) {
    let has_disks = |key: &String| is_drive(key) || key == "boot";
    let (mut disks, mut machine): (VmOptions, VmOptions) = creation
        .config
        .clone()
        .into_iter()
        .partition(|(key, _)| has_disks(key));
    machine.insert("name".to_owned(), creation.name.clone());
    machine.insert("description".to_owned(), creation.description.clone());
    if !creation.tags.is_empty() {
        machine.insert("tags".to_owned(), creation.tags.clone());
    }
    let mut disk = format!("{}:0,import-from={volume}", creation.storage);
    if !creation.disk_options.is_empty() {
        disk.push(',');
        disk.push_str(&creation.disk_options);
    }
    disks.insert(creation.disk.clone(), disk);
    // What a machine without disks would get starts from the network.
    let boot = format!("order={}", creation.disk);
    disks.entry("boot".to_owned()).or_insert(boot);
    (machine, disks)
}

async fn make(
    host: &TemplateHost<'_>,
    held: &HeldFile,
    creation: &TemplateCreation,
    machine: VmOptions,
) -> Result<(), FailedTask> {
    let (api, name) = (host.api().clone(), host.known.name.clone());
    let vmid = creation.vmid.get();
    let start = async move { api.create_vm(&name, vmid, &machine).await.map(Some) };
    host.run(held.clone(), start).await
}

/// Gives the machine that was made its disks, and makes it a template.
async fn complete(
    host: &TemplateHost<'_>,
    held: &HeldFile,
    creation: &TemplateCreation,
    disks: VmOptions,
) -> Result<(), NodeError> {
    let vmid = creation.vmid;
    let digest = own_digest(host, creation).await?;
    let change = VmChange {
        set: disks,
        delete: Vec::new(),
        digest: Some(digest),
    };
    let (api, name) = (host.api().clone(), host.known.name.clone());
    let start = async move { api.change_vm(&name, vmid.get(), &change).await };
    let changed = host.run(held.clone(), start).await;
    changed.map_err(|failed| host.task_failed("making the disks", failed))?;
    // The disks took their time.
    own_digest(host, creation).await?;
    let (api, name) = (host.api().clone(), host.known.name.clone());
    let start = async move { api.convert_to_template(&name, vmid.get()).await };
    let converted = host.run(held.clone(), start).await;
    converted.map_err(|failed| host.task_failed("making it a template", failed))
}

/// The digest of the machine that was made, if it still is that one.
async fn own_digest(
    host: &TemplateHost<'_>,
    creation: &TemplateCreation,
) -> Result<String, NodeError> {
    let found = host.config(creation.vmid).await?;
    match found {
        Some((config, digest)) if config.description() == creation.description.trim_end() => {
            Ok(digest)
        }
        _ => Err(NodeError::Api(ApiError::Deviates {
            vm: host.shown(creation.vmid),
            what: "somebody changed it while it was made".to_owned(),
        })),
    }
}

/// Removes what was made a moment ago and has held nothing, as Proxmox VE does when making
/// one fails. What stays has the mark of one that is not complete.
async fn discard(
    host: &TemplateHost<'_>,
    held: &HeldFile,
    creation: &TemplateCreation,
    why: &NodeError,
) {
    // A task that cannot be followed any more may still be at work.
    let is_lost = matches!(why, NodeError::Unreachable { .. });
    if is_lost || own_digest(host, creation).await.is_err() {
        return;
    }
    let (api, name) = (host.api().clone(), host.known.name.clone());
    let vmid = creation.vmid.get();
    let start = async move { api.destroy_vm(&name, vmid).await.map(Some) };
    if let Err(failed) = host.run(held.clone(), start).await {
        let error = crate::error::chain(&failed.error);
        tracing::info!(%error, "{} stays until the next run", host.shown(creation.vmid));
    }
}
