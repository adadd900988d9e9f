//! Template VMs of a node over ssh: `qm` does the work, and each call of it is preceded by
//! a look at the configuration.
//!
//! Whose a virtual machine is, is decided here, from the configuration that the node
//! sends. The script that then changes something is told the digest of that
//! configuration, and changes nothing if it finds another, or a later leader of the site than
//! the one that it works for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::as_asked::deviation;
use super::error::NodeError;
use super::mandate::Mandate;
use super::protocol::answer::ScriptAnswer;
use super::protocol::script::NodeScript;
use super::protocol::{vm_config, vms as listed};
use super::session::node_session::NodeSession;
use super::templates::{TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval};
use crate::facts::{NodeVms, TemplateState, VmConfig};
use crate::io::process::printable;
use crate::model::VmId;

/// How long `qm` may work on one template: it copies an image to a storage that may be
/// slow, and waits for other tasks. The script says all the while that it is alive.
const WORK: Duration = Duration::from_secs(3 * 60 * 60);

/// The virtual machines of the node and the VMIDs of its cluster.
pub(super) async fn vms(session: &NodeSession<'_>) -> NodeVms {
    look(session)
        .await
        .unwrap_or_else(|error| NodeVms::Unreachable {
            why: error.sentence(),
            lasting: error.lasting(),
        })
}

/// The linked clones of some templates.
pub(super) async fn clones(
    session: &NodeSession<'_>,
    templates: &BTreeSet<VmId>,
) -> Result<BTreeMap<VmId, BTreeSet<VmId>>, NodeError> {
    let unknown = |message| refused(session, "looking for linked clones", message);
    let mut found = match look(session).await? {
        NodeVms::Known(inventory) => inventory
            .clones
            .ok_or_else(|| unknown("nobody looked".to_owned()))?,
        NodeVms::Unreachable { why, .. } | NodeVms::Unknown { why } => return Err(unknown(why)),
    };
    let of = |&id| (id, found.remove(&id).unwrap_or_default());
    Ok(templates.iter().map(of).collect())
}

async fn look(session: &NodeSession<'_>) -> Result<NodeVms, NodeError> {
    if session.ssh_host().is_none() {
        let why = "it is a directory of this machine".to_owned();
        return Ok(NodeVms::Unknown { why });
    }
    let args = [session.vm_configs()];
    let timeout = session.config.look;
    session
        .ask(NodeScript::Vms, &args, timeout, listed::read)
        .await
}

/// Makes a template, and compares what the node says of it.
pub(super) async fn create(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    creation: &TemplateCreation,
) -> Result<TemplateDone, NodeError> {
    let _queued = queue(session).await;
    let image = creation.dir.join(&creation.file);
    let (machine, disks) = options(creation, &image);
    let count = machine.len().to_string();
    let mut more = vec![image.as_str(), &creation.disk, &count];
    more.extend(machine.iter().chain(&disks).map(String::as_str));
    let asked = VmOnNode::new(session, mandate, creation.vmid);
    let made = asked.ask(NodeScript::CreateTemplate, &more);
    let config = match made.await? {
        Seen::Here { config, .. } => config,
        other => return Ok(TemplateDone::Outdated(other.clause(creation.vmid))),
    };
    match deviation(creation, &config) {
        None => Ok(TemplateDone::Done),
        Some(message) => Err(refused(
            session,
            "making the virtual machine a template",
            message,
        )),
    }
}

/// Waits for the work of this process on other machines of the node: a script waits for
/// that of others for a moment only, and an image may take longer.
async fn queue(session: &NodeSession<'_>) -> Option<OwnedMutexGuard<()>> {
    let configs = session.vm_configs().parse().ok()?;
    Some(session.enter(&configs).await)
}

/// The options that make the machine, and those that give it its disks. They are apart
/// because Proxmox VE writes the configuration, with the mark, only when the disks are
/// there: see `create_template.sh`.
fn options(creation: &TemplateCreation, image: &str) -> (Vec<String>, Vec<String>) {
    let mut machine = vec![
        "--name".to_owned(),
        creation.name.clone(),
        "--description".to_owned(),
        creation.description.clone(),
    ];
    if !creation.tags.is_empty() {
        machine.extend(["--tags".to_owned(), creation.tags.clone()]);
    }
    let mut disk = format!("{}:0,import-from={image}", creation.storage);
    if !creation.disk_options.is_empty() {
        disk.push(',');
        disk.push_str(&creation.disk_options);
    }
    let mut disks = vec![format!("--{}", creation.disk), disk];
    // Without any other order it starts from the disk that it is about. What is given
    // refers to disks.
    let boot = ("boot".to_owned(), format!("order={}", creation.disk));
    let has_boot = creation.config.contains_key("boot");
    let boot = (!has_boot).then_some((&boot.0, &boot.1));
    for (key, value) in creation.config.iter().chain(boot) {
        let options = match key == "boot" || is_disk(key) {
            true => &mut disks,
            false => &mut machine,
        };
        options.extend([format!("--{key}"), value.clone()]);
    }
    (machine, disks)
}

/// True for a key whose value names a volume.
fn is_disk(key: &str) -> bool {
    let kind = key.trim_end_matches(|c: char| c.is_ascii_digit());
    kind != key
        && matches!(
            kind,
            "ide" | "sata" | "scsi" | "virtio" | "efidisk" | "tpmstate"
        )
}

/// Gives templates other names, tags and notes.
pub(super) async fn change(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    changes: &[TemplateChange],
) -> Result<TemplateDone, NodeError> {
    let _queued = queue(session).await;
    for change in changes {
        let vm = VmOnNode::new(session, mandate, change.vmid);
        let asked = vm.ask(NodeScript::VmConfig, &[]).await?;
        let (config, digest) = match marked(asked, change.vmid, &change.mark) {
            Ok(seen) => seen,
            Err(outdated) => return Ok(outdated),
        };
        refuse_locked(session, "changing the template", change.vmid, &config)?;
        let notes = change.becomes.in_place_of(config.description());
        let mut more = vec![digest.as_str(), "--name", &change.name];
        more.extend(["--description", &notes]);
        match change.tags.as_str() {
            // An option without a value would be one that Proxmox VE cannot read again.
            "" if config.tags().is_empty() => {}
            "" => more.extend(["--delete", "tags"]),
            tags => more.extend(["--tags", tags]),
        }
        let asked = vm.ask(NodeScript::ChangeTemplate, &more);
        if let other @ (Seen::Gone | Seen::Elsewhere(_) | Seen::Changed) = asked.await? {
            return Ok(TemplateDone::Outdated(other.clause(change.vmid)));
        }
    }
    Ok(TemplateDone::Done)
}

/// Removes a template, or what is left of one that was being made.
pub(super) async fn remove(
    session: &NodeSession<'_>,
    mandate: &Mandate,
    removal: &TemplateRemoval,
) -> Result<TemplateDone, NodeError> {
    const WHAT: &str = "removing the template";
    let _queued = queue(session).await;
    let vmid = removal.vmid;
    let vm = VmOnNode::new(session, mandate, vmid);
    let asked = vm.ask(NodeScript::VmConfig, &[]).await?;
    if asked == Seen::Gone {
        return Ok(TemplateDone::Done);
    }
    let (config, digest) = match marked(asked, vmid, &removal.mark) {
        Ok(seen) => seen,
        Err(outdated) => return Ok(outdated),
    };
    let mark = config.mark_of(vmid);
    if !config.is_template() && mark.is_none_or(|mark| mark.state != TemplateState::New) {
        return Ok(TemplateDone::Outdated(format!(
            "{vmid} is no template any more"
        )));
    }
    refuse_locked(session, WHAT, vmid, &config)?;
    if config.is_protected() {
        return Err(refused(session, WHAT, format!("{vmid} is protected")));
    }
    let asked = [digest.as_str()];
    match vm.ask(NodeScript::RemoveTemplate, &asked).await? {
        Seen::Gone => Ok(TemplateDone::Done),
        other => Ok(TemplateDone::Outdated(other.clause(vmid))),
    }
}

fn refuse_locked(
    session: &NodeSession<'_>,
    what: &'static str,
    vmid: VmId,
    config: &VmConfig,
) -> Result<(), NodeError> {
    let Some(lock) = config.lock() else {
        return Ok(());
    };
    let lock = printable(lock.as_bytes());
    let message = format!("{vmid} is locked ({lock}): a task of Proxmox VE works on it, or did so");
    Err(refused(session, what, message))
}

fn refused(session: &NodeSession<'_>, what: &'static str, message: String) -> NodeError {
    NodeError::Refused {
        node: session.node.id.clone(),
        what,
        message,
    }
}

/// The configuration of a machine whose notes hold the mark, and its digest; otherwise
/// what is there instead.
fn marked(seen: Seen, vmid: VmId, mark: &str) -> Result<(VmConfig, String), TemplateDone> {
    match seen {
        // A copy of a template has its notes, with the mark, and is somebody else's.
        Seen::Here { config, digest } => match (config.mark_line(), config.mark_of(vmid)) {
            (Some(line), Some(_)) if line == mark => Ok((config, digest)),
            (_, Some(_)) => Err(TemplateDone::Outdated(format!(
                "the notes of {vmid} hold another mark than before"
            ))),
            (Some(_), None) => Err(TemplateDone::Outdated(format!(
                "the notes of {vmid} hold the mark of another template, so it is a copy"
            ))),
            (None, None) => Err(TemplateDone::Outdated(format!(
                "the notes of {vmid} hold no mark of talos-order"
            ))),
        },
        other => Err(TemplateDone::Outdated(other.clause(vmid))),
    }
}

/// What a script found under a VMID.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Here { config: VmConfig, digest: String },
    Gone,
    Elsewhere(String),
    Taken(String),
    Changed,
}

impl Seen {
    fn read(answer: &ScriptAnswer<'_>) -> Option<Self> {
        let host = |tag: &str| answer.first(tag).map(printable);
        if let Some(host) = host("taken") {
            return Some(Self::Taken(host));
        }
        if let Some(host) = host("elsewhere") {
            return Some(Self::Elsewhere(host));
        }
        if answer.first("gone").is_some() {
            return Some(Self::Gone);
        }
        if answer.first("changed").is_some() {
            return Some(Self::Changed);
        }
        Some(Self::Here {
            config: vm_config::parse(answer.first("config")?),
            digest: answer.digest("digest")?.to_string(),
        })
    }

    fn clause(&self, vmid: VmId) -> String {
        match self {
            Self::Here { .. } => format!("{vmid} is there"),
            Self::Gone => format!("{vmid} is gone"),
            Self::Elsewhere(host) => format!("{vmid} is on {host} now"),
            Self::Taken(host) => format!("{vmid} was taken meanwhile, on {host}"),
            Self::Changed => format!("the configuration of {vmid} changed meanwhile"),
        }
    }
}

/// A virtual machine of a node, and for whom it is asked for and changed.
struct VmOnNode<'a> {
    session: &'a NodeSession<'a>,
    mandate: &'a Mandate,
    vmid: VmId,
}

impl<'a> VmOnNode<'a> {
    fn new(session: &'a NodeSession<'a>, mandate: &'a Mandate, vmid: VmId) -> Self {
        Self {
            session,
            mandate,
            vmid,
        }
    }

    /// Runs a script; `more` are its arguments behind those of `machine.sh`.
    async fn ask(&self, script: NodeScript, more: &[&str]) -> Result<Seen, NodeError> {
        let session = self.session;
        if session.ssh_host().is_none() {
            let message = "it is a directory of this machine".to_owned();
            return Err(refused(session, "looking at virtual machines", message));
        }
        let vmid = self.vmid.to_string();
        let fence = self.mandate.words(&session.config.owner);
        let epochs = session.config.machine_epochs.as_str();
        let mut args = vec![session.vm_configs(), &vmid, &fence, epochs];
        args.extend(more);
        let timeout = match script {
            NodeScript::VmConfig => session.config.look,
            _ => WORK,
        };
        let read = |answer: &ScriptAnswer<'_>| match self.mandate.read(&session.node.id, answer)? {
            Ok(()) => Seen::read(answer).map(Ok),
            Err(error) => Some(Err(error)),
        };
        // Boxed, since operations hold several of these at once.
        Box::pin(session.ask(script, &args, timeout, read)).await?
    }
}
