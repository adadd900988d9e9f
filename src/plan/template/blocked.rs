//! Why a template is not made, changed or removed.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::VmId;

/// Why a template is not made, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum TemplateBlock {
    /// The virtual machines of the node are not known.
    VmsUnknown {
        /// Why.
        why: String,
    },
    /// A virtual machine that is not ours has the name.
    ForeignName {
        /// Which one.
        vmid: VmId,
        /// The name.
        name: String,
    },
    /// Somebody else has the VMID that the order names.
    VmIdTaken {
        /// Which one.
        vmid: VmId,
        /// Who has it, as a clause.
        by: String,
    },
    /// No VMID is free.
    NoFreeVmId {
        /// Among these.
        ids: String,
    },
    /// Something works on it.
    Locked {
        /// Which one.
        vmid: VmId,
        /// What Proxmox VE calls it.
        lock: String,
    },
    /// It is protected against removal.
    Protected {
        /// Which one.
        vmid: VmId,
    },
    /// Which linked clones it has is not known.
    ClonesUnknown {
        /// Which one.
        vmid: VmId,
        /// Why; `None` while nobody asked.
        why: Option<String>,
    },
    /// The storage for its disks cannot be used.
    TargetUnfit {
        /// Why, as a sentence.
        why: String,
    },
}

impl TemplateBlock {
    /// True if waiting alone does not help.
    pub(in crate::plan) const fn needs_operator(&self) -> bool {
        match self {
            Self::VmsUnknown { .. }
            | Self::ForeignName { .. }
            | Self::VmIdTaken { .. }
            | Self::NoFreeVmId { .. }
            | Self::TargetUnfit { .. } => true,
            Self::Locked { .. } | Self::Protected { .. } | Self::ClonesUnknown { .. } => false,
        }
    }

    /// False if it is as it should be: nobody waits for it.
    pub(in crate::plan) const fn is_trouble(&self) -> bool {
        !matches!(self, Self::Protected { .. })
    }
}

impl fmt::Display for TemplateBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VmsUnknown { why } => write!(f, "the VMs of the node are unknown: {why}"),
            Self::ForeignName { vmid, name } => write!(
                f,
                "VM {vmid} has the name {name} and is not managed here; \
                 hint: rename it, or choose another `template.name`"
            ),
            Self::VmIdTaken { vmid, by } => write!(
                f,
                "VMID {vmid} is taken: {by}; hint: choose another `template.vmid`"
            ),
            Self::NoFreeVmId { ids } => write!(
                f,
                "none of the VMIDs {ids} is free; hint: set a larger `template.vmid_range`, \
                 or a smaller `template.keep`"
            ),
            Self::Locked { vmid, lock } => write!(
                f,
                "VM {vmid} is locked ({lock}); \
                 hint: if no task works on it, run `qm unlock {vmid}` on the node"
            ),
            Self::Protected { vmid } => write!(f, "VM {vmid} is protected against removal"),
            Self::ClonesUnknown { vmid, why: None } => {
                write!(f, "the linked clones of VM {vmid} are unknown")
            }
            Self::ClonesUnknown {
                vmid,
                why: Some(why),
            } => write!(f, "the linked clones of VM {vmid} are unknown: {why}"),
            Self::TargetUnfit { why } => f.write_str(why),
        }
    }
}
