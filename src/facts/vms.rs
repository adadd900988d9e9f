//! The virtual machines of a node, as far as templates are concerned.

use std::collections::{BTreeMap, BTreeSet};

use super::failure_kind::FailureKind;
use super::template_mark::TemplateMark;
use crate::model::VmId;

/// What is known of the virtual machines of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeVms {
    /// The node, or another one of its cluster, listed them.
    Known(VmInventory),
    /// The node does not answer.
    Unreachable {
        /// One sentence for the user.
        why: String,
        /// What kind of trouble it is, where only an operator can end it.
        lasting: Option<FailureKind>,
    },
    /// The node answers, and its virtual machines are not known.
    Unknown {
        /// Why, as a clause.
        why: String,
    },
}

/// The virtual machines of a node and the VMIDs of its cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmInventory {
    /// The node's own name in its cluster.
    pub host: String,
    /// The cluster; `None` for a node that is in none.
    pub cluster: Option<String>,
    /// Every VMID that is taken in the cluster, by virtual machines and containers.
    pub taken: BTreeMap<VmId, VmSeat>,
    /// The virtual machines of this node whose notes hold a mark of ours, of any owner.
    pub marked: BTreeMap<VmId, VmConfig>,
    /// The linked clones in the cluster, by the template that holds their data; `None`
    /// while nobody looked.
    pub clones: Option<BTreeMap<VmId, BTreeSet<VmId>>>,
    /// Why looking for linked clones failed.
    pub clones_unknown: Option<String>,
}

/// Who has a VMID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmSeat {
    /// The name in the cluster of the node that it is on.
    pub host: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// True for a template.
    pub is_template: bool,
}

/// The configuration of a virtual machine: each key with its value as Proxmox VE gives
/// it, without pending changes and snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmConfig(pub BTreeMap<String, String>);

impl VmConfig {
    /// A value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The notes, decoded; empty without any.
    pub fn description(&self) -> &str {
        self.get("description").unwrap_or_default()
    }

    /// Its name; empty without one.
    pub fn name(&self) -> &str {
        self.get("name").unwrap_or_default()
    }

    /// The mark in its notes, if it is the mark of the virtual machine with this number:
    /// who clones a template gets its notes as well.
    pub fn mark_of(&self, vmid: VmId) -> Option<TemplateMark> {
        let (mark, _) = TemplateMark::find(self.description())?;
        (mark.vmid == vmid).then_some(mark)
    }

    /// The line with the mark.
    pub fn mark_line(&self) -> Option<&str> {
        TemplateMark::find(self.description()).map(|(_, line)| line)
    }

    /// True if it has become a template.
    pub fn is_template(&self) -> bool {
        self.get("template") == Some("1")
    }

    /// True if it must not be removed.
    pub fn is_protected(&self) -> bool {
        self.get("protection") == Some("1")
    }

    /// What works on it, such as `create`.
    pub fn lock(&self) -> Option<&str> {
        self.get("lock")
    }

    /// Its tags.
    pub fn tags(&self) -> BTreeSet<&str> {
        let tags = self.get("tags").unwrap_or_default();
        let tags = tags.split([';', ',', ' ']);
        tags.filter(|tag| !tag.is_empty()).collect()
    }
}
