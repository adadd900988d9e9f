//! Why Proxmox VE refuses something that is about one virtual machine, read from its
//! texts: calls and tasks fail with the same ones.

use crate::model::visible;

/// Why Proxmox VE refuses something that is about one virtual machine. Each holds the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VmRefusal {
    /// A virtual machine or container has this VMID, on this or another node.
    #[error("the VMID is taken: {0}")]
    Exists(String),
    /// There is no such virtual machine on the node.
    #[error("it does not exist on this node: {0}")]
    Missing(String),
    /// It is locked in its configuration, for example for a backup.
    #[error("it is locked: {0}")]
    Locked(String),
    /// A task works on it at this moment.
    #[error("a task works on it: {0}")]
    Busy(String),
    /// Its option `protection` is set.
    #[error("it is protected: {0}")]
    Protected(String),
    /// Linked clones use a disk of it.
    #[error("linked clones use it: {0}")]
    Clones(String),
    /// Its configuration is another than when it was read.
    #[error("its configuration was changed meanwhile: {0}")]
    Changed(String),
    /// It runs.
    #[error("it runs: {0}")]
    Running(String),
    /// The image is on a storage, or of a content type, that disks are not made from.
    #[error("the image cannot be imported: {0}")]
    Source(String),
    /// The storage for its disks does not hold disks.
    #[error("the storage for its disks does not hold disks: {0}")]
    NoImages(String),
}

impl VmRefusal {
    /// What a text says; `None` for every text that is not known.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let make = match () {
            () if has(&["already exists on node", "config file already exists"]) => Self::Exists,
            // Of `GET /cluster/nextid`.
            () if text.starts_with("VM ") && text.ends_with("already exists") => Self::Exists,
            () if text.starts_with("Configuration file") && has(&["does not exist"]) => {
                Self::Missing
            }
            () if has(&["VM is locked (", "CT is locked ("]) => Self::Locked,
            () if has(&["can't lock file"]) => Self::Busy,
            () if has(&["protection mode enabled"]) => Self::Protected,
            () if has(&["is still in use by linked clone"]) => Self::Clones,
            () if has(&["checksum mismatch (file change by other user"]) => Self::Changed,
            () if has(&["detected modified configuration"]) => Self::Changed,
            () if has(&["is running - destroy failed", "if VM is running"]) => Self::Running,
            () if has(&["cannot import from", "needs to be 'images' or 'import'"]) => Self::Source,
            () if has(&["does not support vm images"]) => Self::NoImages,
            () => return None,
        };
        Some(make(visible(text).into_owned()))
    }

    /// True if the same call may succeed later without anyone doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked(_) | Self::Busy(_) | Self::Changed(_))
    }

    /// A hint for the user.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Locked(_) => {
                "wait for the backup or migration that holds the lock; where no task runs any \
                 more, `qm unlock VMID` on the node removes it"
            }
            Self::Protected(_) => "`qm set VMID --protection 0` on the node allows removing it",
            Self::Clones(_) => {
                "remove the linked clones first, or move their disks to make them independent"
            }
            Self::Exists(_) => "choose another VMID, or remove the virtual machine that has it",
            Self::Source(_) => {
                "the image has to be on a storage with the content type import: `pvesm set NAME \
                 --content LIST` sets the list"
            }
            Self::NoImages(_) => {
                "`pvesm set NAME --content LIST` sets the list of content types, which needs images"
            }
            Self::Missing(_) | Self::Busy(_) | Self::Changed(_) | Self::Running(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_proxmox_are_known() {
        let kind = |text: &str| VmRefusal::read(text).map(|found| format!("{found:?}"));
        for (text, name) in [
            (
                "unable to create VM 9000 - VM 9000 already exists on node 'pve-02'\n",
                "Exists",
            ),
            (
                "unable to create VM 9000 - CT 9000 already exists on node 'pve-02'",
                "Exists",
            ),
            (
                "unable to create VM 9000: config file already exists",
                "Exists",
            ),
            ("VM 9000 already exists", "Exists"),
            (
                "Configuration file 'nodes/pve-01/qemu-server/9000.conf' does not exist\n",
                "Missing",
            ),
            ("VM is locked (create)", "Locked"),
            (
                "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout",
                "Busy",
            ),
            ("can't remove VM 105 - protection mode enabled", "Protected"),
            (
                "base volume 'local-lvm:base-105-disk-0' is still in use by linked cloned",
                "Clones",
            ),
            ("checksum mismatch (file change by other user?)", "Changed"),
            ("VM 105 is running - destroy failed", "Running"),
            (
                "local:iso/a.iso has wrong type 'iso' - needs to be 'images' or 'import'",
                "Source",
            ),
            (
                "unable to create VM 9000 - cannot import from 'local:import/a.raw' - no such file",
                "Source",
            ),
            ("storage 'iso' does not support vm images", "NoImages"),
        ] {
            let found = kind(text);
            assert!(
                found.as_ref().is_some_and(|found| found.starts_with(name)),
                "{text}: {found:?}"
            );
        }
        // That of a download is about a file.
        assert_eq!(kind("checksum mismatch: got 'aa' != expect 'bb'"), None);
        assert_eq!(kind("storage 'tank' does not exist"), None);
    }
}
