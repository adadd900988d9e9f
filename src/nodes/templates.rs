//! What is asked of nodes about template VMs.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use super::error::NodeError;
use crate::facts::{NodeVms, TemplateMark};
use crate::model::{Dir, FileName, Node, StorageName, VmId};

/// Everything that is asked of nodes about template VMs.
///
/// Whatever changes something reads the present configuration first, and changes nothing
/// unless the notes hold the mark that was observed: a virtual machine of others is never
/// touched. The methods are those of a place without virtual machines.
pub trait Templates: Send + Sync + 'static {
    /// The virtual machines of the node and the VMIDs of its cluster. Failing is a state,
    /// not an error: unknown is not empty.
    fn vms(&self, node: &Node) -> impl Future<Output = NodeVms> + Send {
        let why = format!("{} has no virtual machines", node.id);
        async { NodeVms::Unknown { why } }
    }

    /// The linked clones of some templates, anywhere in the cluster. A template without
    /// any is in the answer, too.
    ///
    /// # Errors
    /// Where one configuration of the cluster cannot be read.
    fn clones(
        &self,
        node: &Node,
        templates: &BTreeSet<VmId>,
    ) -> impl Future<Output = Result<BTreeMap<VmId, BTreeSet<VmId>>, NodeError>> + Send {
        let _ = templates;
        std::future::ready(Err(none(node)))
    }

    /// Makes a virtual machine with a disk from an image that is on the node, makes it a
    /// template, and compares what the node says of it.
    ///
    /// # Errors
    /// Where the node refuses; what is left has the mark.
    fn create_template(
        &self,
        node: &Node,
        creation: &TemplateCreation,
    ) -> impl Future<Output = Result<TemplateDone, NodeError>> + Send {
        let _ = creation;
        std::future::ready(Err(none(node)))
    }

    /// Gives templates other names, tags and notes, one after the other.
    ///
    /// # Errors
    /// Where the node refuses; those before are changed.
    fn change_templates(
        &self,
        node: &Node,
        changes: &[TemplateChange],
    ) -> impl Future<Output = Result<TemplateDone, NodeError>> + Send {
        let _ = changes;
        std::future::ready(Err(none(node)))
    }

    /// Removes a template, or what is left of one that was being made, with its disks.
    /// That it is gone already is fine.
    ///
    /// # Errors
    /// Where the node refuses: it is protected, locked, or linked clones need its data.
    fn remove_template(
        &self,
        node: &Node,
        removal: &TemplateRemoval,
    ) -> impl Future<Output = Result<TemplateDone, NodeError>> + Send {
        let _ = removal;
        std::future::ready(Err(none(node)))
    }
}

/// A place without virtual machines, such as a directory of this machine.
fn none(node: &Node) -> NodeError {
    NodeError::Refused {
        node: node.id.clone(),
        what: "a template",
        message: "it has no virtual machines".to_owned(),
    }
}

/// How it went with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateDone {
    /// As asked.
    Done,
    /// What is there is not what was observed, and nothing was changed; a clause.
    Outdated(String),
}

/// A template to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateCreation {
    /// Its number.
    pub vmid: VmId,
    /// Its name until it is complete.
    pub name: String,
    /// Its tags until it is complete, separated by `;`.
    pub tags: String,
    /// Its notes, with the mark.
    pub description: String,
    /// The directory of the image on the node.
    pub dir: Dir,
    /// The name of the image there.
    pub file: FileName,
    /// The storage for its disks.
    pub storage: StorageName,
    /// The disk that is made from the image, such as `scsi0`.
    pub disk: String,
    /// Options of that disk, such as `discard=on`; empty for none.
    pub disk_options: String,
    /// Everything else, with values as Proxmox VE takes them.
    pub config: BTreeMap<String, String>,
}

/// A template to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateChange {
    /// Its number.
    pub vmid: VmId,
    /// The line with the mark that its notes must hold.
    pub mark: String,
    /// Its name from now on.
    pub name: String,
    /// Its tags from now on, separated by `;`; empty for none.
    pub tags: String,
    /// The mark from now on. What people wrote around the one before stays, also what they
    /// wrote since it was observed.
    pub becomes: TemplateMark,
}

/// A template to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRemoval {
    /// Its number.
    pub vmid: VmId,
    /// The line with the mark that its notes must hold.
    pub mark: String,
}
