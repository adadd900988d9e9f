//! Linked clones, as the configurations of virtual machines show them.
//!
//! A disk that depends on the disk of a template names it in its volume:
//!
//! | storage | volume |
//! |---|---|
//! | directory, NFS, CIFS, BTRFS | `local:9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2` |
//! | ZFS, RBD | `tank:base-9000-disk-0/vm-105-disk-0` |
//! | LVM thin | `local-lvm:vm-105-disk-0`: nothing, and the clone does not need the template |

use std::collections::{BTreeMap, BTreeSet};

use super::api::PveApi;
use super::error::PveError;

/// The template whose disk a drive was cloned from, where its volume tells.
pub fn base_of(drive: &str) -> Option<u32> {
    let volume = drive.split(',').next().unwrap_or_default();
    let volume = volume.strip_prefix("file=").unwrap_or(volume);
    let (_, name) = volume.split_once(':')?;
    let parts: Vec<&str> = name.split('/').collect();
    // The last part is the disk itself, whether it is a base as well or not.
    let (_, before) = parts.split_last()?;
    let base = before.iter().rev().find_map(|part| {
        let rest = part
            .strip_prefix("base-")
            .or_else(|| part.strip_prefix("basevol-"))?;
        rest.split_once('-')
    });
    base.and_then(|(vmid, _)| vmid.parse().ok())
}

impl PveApi {
    /// Which virtual machines of the cluster have disks that depend on these templates:
    /// in their configuration, in a change that waits for the next start, in snapshots and
    /// in unused disks. Templates without clones have an empty set.
    ///
    /// # Errors
    /// As for every call, also where a node with virtual machines is off: then it is not
    /// known. The privilege VM.Audit on `/vms` has to be there, or clones may be hidden.
    pub async fn linked_clones(
        &self,
        templates: &BTreeSet<u32>,
    ) -> Result<BTreeMap<u32, BTreeSet<u32>>, PveError> {
        let mut clones: BTreeMap<u32, BTreeSet<u32>> = templates
            .iter()
            .map(|&template| (template, BTreeSet::new()))
            .collect();
        for vm in self.vms().await? {
            let Ok(vmid) = u32::try_from(vm.vmid) else {
                continue;
            };
            // A container is no clone of a virtual machine.
            if vm.kind != "qemu" {
                continue;
            }
            self.for_each_value(&vm, |_, _, value| {
                if let Some(base) = base_of(value)
                    && base != vmid
                    && let Some(found) = clones.get_mut(&base)
                {
                    found.insert(vmid);
                }
            })
            .await?;
        }
        Ok(clones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_names_its_template_on_storages_that_depend_on_it() {
        for (drive, base) in [
            (
                "local:9000/base-9000-disk-0.qcow2/105/vm-105-disk-0.qcow2,size=2G",
                Some(9000),
            ),
            (
                "file=nfs:9000/base-9000-disk-0.raw/105/vm-105-disk-0.qcow2",
                Some(9000),
            ),
            ("tank:base-9000-disk-0/vm-105-disk-0,iothread=1", Some(9000)),
            ("ceph:base-9000-disk-1/base-105-disk-0", Some(9000)),
            ("tank:basevol-9000-disk-0/subvol-105-disk-0", Some(9000)),
            // A template's own disks, and what has no base.
            ("local:9000/base-9000-disk-0.qcow2,size=2G", None),
            ("tank:base-9000-disk-0", None),
            ("local-lvm:vm-105-disk-0,size=2G", None),
            ("local:105/vm-105-disk-0.qcow2", None),
            ("none,media=cdrom", None),
            ("/dev/disk/by-id/base-9000-x/y", None),
            ("virtio=BC:24:11:00:00:01,bridge=vmbr0", None),
        ] {
            assert_eq!(base_of(drive), base, "{drive}");
        }
    }
}
