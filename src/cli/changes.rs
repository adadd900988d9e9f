//! What a run would change in the manifests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::conclude::manifest::Manifest;
use crate::model::OrderId;
use crate::store;

/// What a manifest would change.
#[derive(Serialize, JsonSchema)]
pub(super) struct ManifestChange {
    /// The order.
    pub(super) order: String,
    /// The file.
    path: String,
    /// The change, as a unified diff.
    pub(super) diff: String,
}

/// A line for each manifest that would change.
pub(super) fn counts(changes: &[ManifestChange]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut text = "\nManifests (-v shows the changes)\n".to_owned();
    for change in changes {
        let lines = |sign: char, head: &str| {
            let lines = change.diff.lines();
            let lines = lines.filter(|line| line.starts_with(sign) && !line.starts_with(head));
            lines.count()
        };
        let (added, removed) = (lines('+', "+++ "), lines('-', "--- "));
        let path = &change.path;
        text.push_str(&format!(
            "  {path}: {added} lines added, {removed} removed\n"
        ));
    }
    text
}

/// What each manifest would change in its file, where it would change anything.
///
/// # Errors
/// When a file is there and cannot be read.
pub(super) fn of(
    manifests: &BTreeMap<OrderId, (PathBuf, Manifest)>,
) -> anyhow::Result<Vec<ManifestChange>> {
    let mut changes = Vec::new();
    for (order, (path, new)) in manifests {
        let diff = store::manifest::diff(path, new)?;
        if !diff.is_empty() {
            changes.push(ManifestChange {
                order: order.to_string(),
                path: path.display().to_string(),
                diff,
            });
        }
    }
    Ok(changes)
}
