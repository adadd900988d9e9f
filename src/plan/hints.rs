//! Remarks that change nothing: what will be delivered and not be seen.
//!
//! Proxmox lists files by their ending and by the kind of the directory, so a
//! delivery can be right in every byte and still not appear in its interface.

use std::collections::BTreeSet;

use super::desired::Desired;
use super::step::Hint;
use crate::model::{Format, PushTarget};

/// The remarks on what is wanted, sorted and each once.
pub(super) fn hints(desired: &Desired) -> Vec<Hint> {
    let mut hints = BTreeSet::new();
    for (target, files) in &desired.placed {
        if !target.dir.as_str().ends_with("/template/iso") {
            continue;
        }
        for placed in files.values() {
            let Some(text) = invisible(placed.artifact.format, target) else {
                continue;
            };
            let about = placed.wanted_by.iter().cloned();
            hints.extend(about.map(|about| Hint {
                about,
                text: text.clone(),
            }));
        }
    }
    hints.into_iter().collect()
}

/// Proxmox lists only `.iso` and `.img` in an ISO directory.
fn invisible(format: Format, target: &PushTarget) -> Option<String> {
    match format {
        Format::Iso => None,
        Format::Raw | Format::Qcow2 => Some(format!(
            "Proxmox does not show .{format} files in {}; set import_dir to a storage's import directory",
            target.dir
        )),
        Format::RawXz | Format::RawZst | Format::RawGz => Some(format!(
            "Proxmox cannot use .{format} files in {}; set push.prefer_decompressed to deliver the image itself",
            target.dir
        )),
    }
}
