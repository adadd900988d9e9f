//! The wants of all positions, merged: each file once, with everyone who wants it.

use std::collections::BTreeMap;

use super::draft::{DraftPosition, NamedFiles};
use crate::model::{ArtifactId, Deletion, FileName, NodeId, PushMethod, PushTarget, StoredForm};
use crate::plan::desired::{Desired, Origin, Placed, Want};
use crate::plan::wanted::WantedBy;

/// Of two orders that want one file, the one that lets it stay wins.
pub(super) fn stricter(one: Option<Deletion>, other: Option<Deletion>) -> Option<Deletion> {
    match (one, other) {
        (Some(Deletion::Orphan), _) | (_, Some(Deletion::Orphan)) => Some(Deletion::Orphan),
        (None, _) | (_, None) => None,
        (Some(Deletion::Delete), Some(Deletion::Delete)) => Some(Deletion::Delete),
    }
}

/// Of two orders that want one file sent, the one that names a way wins; of two
/// ways the one that needs no other file there.
fn plainer(one: Option<PushMethod>, other: Option<PushMethod>) -> Option<PushMethod> {
    let rank = |method: &Option<PushMethod>| match method {
        Some(PushMethod::Stream) => 0,
        Some(PushMethod::Rsync) => 1,
        Some(PushMethod::Auto) => 2,
        None => 3,
    };
    std::cmp::min_by_key(one, other, rank)
}

/// Adds what a position wants in the cache.
pub(super) fn want(desired: &mut Desired, draft: &DraftPosition<'_>, named: &NamedFiles) {
    let mut add = |artifact: &ArtifactId, file: &FileName, origin: Origin, pinned| {
        let entry = desired
            .artifacts
            .entry(artifact.clone())
            .or_insert_with(|| Want {
                file: file.clone(),
                origin: origin.clone(),
                pinned,
                wanted_by: WantedBy::default(),
            });
        entry.pinned = entry.pinned.or(pinned);
        entry.wanted_by.extend([draft.reference.clone()]);
        // A raw image that is also unpacked from a compressed one costs no bytes
        // of its own; among several compressed forms the first by name serves. A
        // pinned one is downloaded: only of a download the digest is promised.
        let better = match (&origin, &entry.origin) {
            (Origin::Unpack { .. }, Origin::Download { .. }) => entry.pinned.is_none(),
            (Origin::Unpack { from }, Origin::Unpack { from: known }) => from < known,
            (Origin::Download { .. }, _) => pinned.is_some(),
        };
        if better {
            entry.origin = origin.clone();
        }
    };
    let resolved = &named.resolved;
    let download = Origin::Download {
        url: resolved.url.clone(),
    };
    let pinned = draft.position.pinned;
    add(&resolved.download, &named.download, download, pinned);
    if let (Some(raw), Some(file)) = (&resolved.unpacked, &named.unpacked) {
        let unpack = Origin::Unpack {
            from: resolved.download.clone(),
        };
        add(raw, file, unpack, None);
    }
}

/// What is wanted where. The positions are taken in the order of their names on the
/// nodes: then each directory's list comes about sorted, and who wants the same file
/// comes one after the other.
pub(super) fn placed(
    drafts: &[DraftPosition<'_>],
    is_qcow2: impl Fn(&NodeId) -> bool,
) -> BTreeMap<PushTarget, BTreeMap<FileName, Placed>> {
    let mut by_name: Vec<(&FileName, &DraftPosition<'_>, &NamedFiles)> = drafts
        .iter()
        .filter_map(|draft| Some((draft, draft.outcome.as_ref().ok()?)))
        .flat_map(|(draft, named)| named.on_nodes().map(move |name| (name, draft, named)))
        .collect();
    // Stable: of several positions the first decides whose name it is.
    by_name.sort_by_key(|(name, ..)| *name);
    let mut lists: BTreeMap<&PushTarget, Vec<(FileName, Placed)>> = BTreeMap::new();
    for (name, draft, named) in by_name {
        let own = WantedBy::one(draft.reference.clone());
        let mut joined = Joined::default();
        let targets = named.resolved.targets.iter();
        for (target, file) in targets.filter(|(_, file)| file == name) {
            let is_converted = named.converted.is_some() && is_qcow2(&target.node);
            let list = lists.entry(target).or_default();
            match list.last_mut() {
                Some((last, placed)) if last == file => {
                    placed.deletion = stricter(placed.deletion, draft.deletion);
                    placed.method = plainer(placed.method, draft.position.push_method);
                    placed.wanted_by = joined.with(&placed.wanted_by, &own);
                }
                _ => {
                    let placed = Placed {
                        artifact: named.resolved.delivered.clone(),
                        form: match is_converted {
                            true => StoredForm::Qcow2,
                            false => StoredForm::Same,
                        },
                        is_our_name: draft.position.filename.is_none(),
                        deletion: draft.deletion,
                        method: draft.position.push_method,
                        wanted_by: own.clone(),
                    };
                    list.push((file.clone(), placed));
                }
            }
        }
    }
    let lists = lists.into_iter();
    lists
        .map(|(target, files)| (target.clone(), files.into_iter().collect()))
        .collect()
}

/// Adds one position to sets that are mostly the same one: the last answer is kept,
/// so that nodes that share a set go on sharing one.
#[derive(Default)]
struct Joined {
    last: Option<(WantedBy, WantedBy)>,
}

impl Joined {
    fn with(&mut self, before: &WantedBy, own: &WantedBy) -> WantedBy {
        match &self.last {
            Some((known, joined)) if known.is_shared_with(before) => joined.clone(),
            _ => {
                let mut joined = before.clone();
                joined.extend(own.iter().cloned());
                self.last = Some((before.clone(), joined.clone()));
                joined
            }
        }
    }
}
