//! Changing and removing templates.

use std::collections::BTreeMap;

use super::host::{OwnVm, TemplateHost, is_missing};
use crate::facts::TemplateState;
use crate::nodes::error::NodeError;
use crate::nodes::templates::{TemplateChange, TemplateDone, TemplateRemoval};
use crate::proxmox::{VmChange, VmRefusal};

/// Gives templates other names, tags and notes. All are looked at before the first one is
/// changed.
pub(in crate::nodes::api) async fn change(
    host: &TemplateHost<'_>,
    changes: &[TemplateChange],
) -> Result<TemplateDone, NodeError> {
    let mut found = Vec::new();
    for change in changes {
        match host.ours(change.vmid, &change.mark).await? {
            Ok(own) => found.push(own),
            Err(outdated) => return Ok(outdated),
        }
    }
    for (at, (change, own)) in changes.iter().zip(found).enumerate() {
        let held = host.shared.hold_vm(&host.known, change.vmid).await;
        let Some(wanted) = wanted(change, &own) else {
            continue;
        };
        let (api, name) = (host.api().clone(), host.known.name.clone());
        let vmid = change.vmid;
        let start = async move { api.change_vm(&name, vmid.get(), &wanted).await };
        if let Err(failed) = host.run(held, start).await {
            let is_other = matches!(
                failed.error.vm_refusal(),
                Some(VmRefusal::Changed(_) | VmRefusal::Missing(_))
            );
            // Once one is changed, the others are a failure that can be repeated.
            if is_other && at == 0 {
                let what = format!("the configuration of VM {vmid} was changed meanwhile");
                return Ok(TemplateDone::Outdated(what));
            }
            return Err(host.task_failed("changing the template", failed));
        }
    }
    Ok(TemplateDone::Done)
}

/// What is to be changed; `None` where nothing is.
fn wanted(change: &TemplateChange, own: &OwnVm) -> Option<VmChange> {
    let mut set = BTreeMap::new();
    let mut delete = Vec::new();
    if own.config.name() != change.name {
        set.insert("name".to_owned(), change.name.clone());
    }
    let notes = change.becomes.in_place_of(own.config.description());
    if own.config.description() != notes {
        set.insert("description".to_owned(), notes);
    }
    let tags = change.tags.split(';').filter(|tag| !tag.is_empty());
    if own.config.tags() != tags.collect() {
        match change.tags.is_empty() {
            true => delete.push("tags".to_owned()),
            false => drop(set.insert("tags".to_owned(), change.tags.clone())),
        }
    }
    let is_something = !set.is_empty() || !delete.is_empty();
    is_something.then(|| VmChange {
        set,
        delete,
        digest: Some(own.digest.clone()),
    })
}

/// Removes a template, or what is left of one that was being made.
pub(in crate::nodes::api) async fn remove(
    host: &TemplateHost<'_>,
    removal: &TemplateRemoval,
) -> Result<TemplateDone, NodeError> {
    let vmid = removal.vmid;
    let held = host.shared.hold_vm(&host.known, vmid).await;
    if host.config(vmid).await?.is_none() {
        return Ok(TemplateDone::Done);
    }
    let own = match host.ours(vmid, &removal.mark).await? {
        Ok(own) => own,
        Err(outdated) => return Ok(outdated),
    };
    // What somebody made of it may be in use.
    if !own.config.is_template() && own.mark.state != TemplateState::New {
        let what = format!("VM {vmid} is no template any more");
        return Ok(TemplateDone::Outdated(what));
    }
    let (api, name) = (host.api().clone(), host.known.name.clone());
    let start = async move { api.destroy_vm(&name, vmid.get()).await.map(Some) };
    match host.run(held, start).await {
        Ok(()) => Ok(TemplateDone::Done),
        Err(failed) if is_missing(&failed.error) => Ok(TemplateDone::Done),
        Err(failed) => Err(host.task_failed("removing the template", failed)),
    }
}
