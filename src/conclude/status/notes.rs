//! What else the user should know of a run.

use crate::conclude::report::Report;
use crate::facts::VersionKnowledge;

/// What went on with something old, because newer could not be had, and that the run was
/// not for everything.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = notes_on_versions(report);
    let notices = report.look.plan.notices.iter();
    notes.extend(notices.map(ToString::to_string));
    let not_selected = report.look.plan.not_selected();
    if not_selected > 0 {
        notes.push(format!(
            "the last run was for some orders or nodes only; steps not selected: {not_selected}"
        ));
    }
    notes
}

fn notes_on_versions(report: &Report) -> Vec<String> {
    match &report.look.observed.catalog.versions {
        VersionKnowledge::Known {
            fetched_at,
            failures,
            source,
            ..
        } => failures
            .iter()
            .map(|failure| {
                let source = source.as_str();
                format!("using the versions that {source} listed at {fetched_at:.0}: {failure}")
            })
            .collect(),
        VersionKnowledge::Unknown { failures } => failures
            .iter()
            .map(|failure| format!("versions unknown: {failure}"))
            .collect(),
        VersionKnowledge::NotNeeded => Vec::new(),
    }
}
