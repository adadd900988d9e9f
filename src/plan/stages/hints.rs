//! Remarks that change nothing: what will be delivered and not be seen.
//!
//! Proxmox lists files by their ending and by the kind of the directory, so a
//! delivery can be right in every byte and still not appear in its interface.

use std::collections::BTreeSet;

use crate::model::{Dir, Format, PositionRef};
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::Hint;

/// Adds the remarks on what is wanted, sorted and each once.
pub(in crate::plan) fn hints(input: &StageInput<'_>, draft: &mut PlanDraft) {
    // Nodes call their directories alike, so a position has few remarks for many
    // deliveries: they are counted before they are put into words.
    let mut remarks: BTreeSet<(&PositionRef, Format, &Dir)> = BTreeSet::new();
    for (target, files) in &input.desired.placed {
        if !target.dir.as_str().ends_with("/template/iso") {
            continue;
        }
        for placed in files.values() {
            let format = placed.artifact.format;
            if format != Format::Iso {
                let about = placed.wanted_by.iter();
                remarks.extend(about.map(|about| (about, format, &target.dir)));
            }
        }
    }
    let in_words = remarks.into_iter().filter_map(|(about, format, dir)| {
        Some(Hint {
            about: about.clone(),
            text: invisible(format, dir)?,
        })
    });
    let mut hints: Vec<Hint> = in_words.collect();
    hints.sort();
    hints.dedup();
    draft.plan.hints = hints;
}

/// Proxmox lists only `.iso` and `.img` in an ISO directory.
fn invisible(format: Format, dir: &Dir) -> Option<String> {
    match format {
        Format::Iso => None,
        Format::Raw | Format::Qcow2 => Some(format!(
            "Proxmox does not list .{format} files in {dir}; set import_dir to a storage's import directory"
        )),
        Format::RawXz | Format::RawZst | Format::RawGz => Some(format!(
            "Proxmox cannot use .{format} files in {dir}; set push.prefer_decompressed to deliver the raw image"
        )),
    }
}
