//! Raw images that a node has as they are, from before it stored them as qcow2.
//!
//! What is there is right and verified, so it stays until another version is wanted:
//! bringing the same image once more in another form would change nothing for its users.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::Desired;
use crate::facts::{DirState, NodeState};
use crate::model::{Dir, FileName, NodeId, PushTarget, StoredForm};

/// Wants the raw file where it is there and what it is to become is not.
pub fn keep_raw(desired: &mut Desired, nodes: &BTreeMap<NodeId, NodeState>) {
    let kept = kept(desired, nodes);
    if kept.is_empty() {
        return;
    }
    let shared = desired.shared.clone();
    let is_kept = |target: &PushTarget, file: &FileName| {
        let place = place(&shared, target);
        kept.contains(&(place, target.dir.clone(), file.clone()))
    };
    for (target, files) in &mut desired.placed {
        let renamed: Vec<FileName> = files
            .iter()
            .filter(|(file, placed)| !placed.form.is_same() && is_kept(target, file))
            .map(|(file, _)| file.clone())
            .collect();
        for file in renamed {
            let (Some(raw), Some(mut placed)) = (raw_name(&file), files.remove(&file)) else {
                continue;
            };
            placed.form = StoredForm::Same;
            files.insert(raw, placed);
        }
    }
    let resolved = desired.positions.iter_mut();
    let resolved = resolved.filter_map(|want| want.outcome.as_mut().ok());
    let images = resolved.flat_map(|resolved| &mut resolved.targets);
    // What templates are made from.
    let templates = desired.templates.values_mut();
    let sources = templates.flat_map(|wanted| wanted.nodes.values_mut());
    for (target, file) in images.chain(sources) {
        if is_kept(target, file)
            && let Some(raw) = raw_name(file)
        {
            *file = raw;
        }
    }
}

/// Where a file is: nodes of a shared storage see the same one.
type KeptPlace = (String, Dir, FileName);

fn place(shared: &BTreeMap<NodeId, BTreeMap<Dir, String>>, target: &PushTarget) -> String {
    let storage = shared
        .get(&target.node)
        .and_then(|dirs| dirs.get(&target.dir));
    storage.cloned().unwrap_or_else(|| target.node.to_string())
}

fn kept(desired: &Desired, nodes: &BTreeMap<NodeId, NodeState>) -> BTreeSet<KeptPlace> {
    let mut kept = BTreeSet::new();
    for (target, files) in &desired.placed {
        let Some(NodeState::Listed { dirs, .. }) = nodes.get(&target.node) else {
            continue;
        };
        let Some(dir) = dirs.get(&target.dir) else {
            continue;
        };
        for (file, placed) in files {
            let is_there = placed.is_our_name
                && placed.form == StoredForm::Qcow2
                && raw_name(file).is_some_and(|raw| {
                    let entry = dir.record.get(&raw);
                    let is_it = entry.is_some_and(|entry| entry.artifact == placed.artifact);
                    is_it && !files.contains_key(&raw) && is_whole(dir, &raw)
                });
            if is_there && !dir.files.contains_key(file.as_str()) {
                let place = place(&desired.shared, target);
                kept.insert((place, target.dir.clone(), file.clone()));
            }
        }
    }
    kept
}

/// The file is as it was recorded.
fn is_whole(dir: &DirState, file: &FileName) -> bool {
    let found = dir.files.get(file.as_str());
    let entry = dir.record.get(file);
    found
        .zip(entry)
        .is_some_and(|(found, entry)| entry.describes(found))
}

/// The name that the same image had as it is.
fn raw_name(file: &FileName) -> Option<FileName> {
    file.as_str().strip_suffix(".qcow2")?.parse().ok()
}
