//! Who uses an image: virtual machines that have it in a drive, in a snapshot, in a
//! change that waits for the next start, or in the arguments of qemu.
//!
//! Virtual machines that the token may not see are missing in every list, so the answer
//! is unknown unless the token has VM.Audit on all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::VmSummary;
use super::api::PveApi;
use super::error::PveError;

/// An image that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImagePlace {
    /// Its ID, such as `local:iso/talos.iso`.
    pub volid: String,
    /// Its path on a node, which the arguments of qemu may name.
    pub path: Option<String>,
}

/// One use of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageUse {
    /// The number of the virtual machine.
    pub vmid: u64,
    /// The node that it is on.
    pub node: String,
    /// The key of its configuration, such as `ide2`.
    pub key: String,
    /// The snapshot, where it is in one.
    pub snapshot: Option<String>,
}

/// Who uses images, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageUses {
    /// The uses of each image that is in use, by ID.
    Known(BTreeMap<String, BTreeSet<ImageUse>>),
    /// It cannot be known, for these reasons: no image may be treated as unused.
    Unknown(Vec<String>),
}

type Uses = BTreeMap<String, BTreeSet<ImageUse>>;

impl PveApi {
    /// Looks for images in the configurations of all virtual machines.
    ///
    /// # Errors
    /// Where the token's privileges or the list of virtual machines cannot be had. What
    /// is missing of a single one makes the answer unknown.
    pub async fn image_uses(&self, images: &[ImagePlace]) -> Result<ImageUses, PveError> {
        let vms = "/vms".to_owned();
        let granted = self.granted(&BTreeSet::from([vms.clone()])).await?;
        if !granted.has(&vms, "VM.Audit") {
            return Ok(ImageUses::Unknown(vec![format!(
                "the API token {} has no VM.Audit on /vms, so virtual machines may be hidden",
                self.token()
            )]));
        }
        let mut uses = Uses::new();
        let mut reasons = Vec::new();
        for vm in self.vms().await? {
            if vm.kind != "qemu" {
                continue;
            }
            let visit = |snapshot: Option<&str>, key: &str, text: &str| {
                note(&vm, snapshot, key, text, images, &mut uses);
            };
            if let Err(error) = self.for_each_value(&vm, visit).await {
                let why = crate::error::chain(&error);
                reasons.push(format!("the configuration of VM {}: {why}", vm.vmid));
            }
        }
        Ok(match reasons.is_empty() {
            true => ImageUses::Known(uses),
            false => ImageUses::Unknown(reasons),
        })
    }
}

fn note(
    vm: &VmSummary,
    snapshot: Option<&str>,
    key: &str,
    text: &str,
    images: &[ImagePlace],
    uses: &mut Uses,
) {
    for image in images {
        let in_args = || {
            let path = image.path.as_deref().filter(|_| key == "args");
            path.is_some_and(|path| mentions(text, path))
        };
        if mentions(text, &image.volid) || in_args() {
            let found = ImageUse {
                vmid: vm.vmid,
                node: vm.node.clone(),
                key: key.to_owned(),
                snapshot: snapshot.map(str::to_owned),
            };
            uses.entry(image.volid.clone()).or_default().insert(found);
        }
    }
}

/// True if a name stands in a text and is not a piece of a longer one.
fn mentions(text: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || "._+~-/:".contains(c);
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_whole() {
        let volid = "local:iso/a.iso";
        for text in [
            "local:iso/a.iso",
            "local:iso/a.iso,media=cdrom,size=1M",
            "file=local:iso/a.iso,media=cdrom",
            "tank:0,import-from=local:iso/a.iso",
        ] {
            assert!(mentions(text, volid), "{text}");
        }
        for text in [
            "local:iso/a.iso.bak",
            "my-local:iso/a.iso",
            "local:iso/b.iso",
        ] {
            assert!(!mentions(text, volid), "{text}");
        }
        let path = "/var/lib/vz/import/a.raw";
        assert!(mentions(
            "-drive file=/var/lib/vz/import/a.raw,if=none",
            path
        ));
        assert!(!mentions(
            "-drive file=/mnt/var/lib/vz/import/a.raw.old",
            path
        ));
    }
}
