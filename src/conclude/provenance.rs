//! Where an image comes from, and where it went: the chain from the factory's URL to the
//! file on each node, with the digest of each link.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::report::Report;
use crate::facts::{Fact, Meta, NodeState, Outcome, RecordEntry};
use crate::model::{ArtifactId, FileName, OrderId, PositionRef, PushTarget, Sha256, StoredForm};
use crate::plan::{Origin, Want};

/// An image with its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChain {
    /// What it is.
    pub artifact: ArtifactId,
    /// The file in the cache that it was unpacked from, where it was.
    pub unpacked_from: Option<FileName>,
    /// The URL of the download.
    pub url: String,
    /// What is recorded beside the file in the cache.
    pub meta: Option<Meta>,
    /// The file in the cache is as recorded.
    pub is_whole: bool,
    /// Why it is not, where somebody looked.
    pub fault: Option<String>,
    /// The digest that orders pin.
    pub pinned: Option<Sha256>,
    /// The positions that want it.
    pub wanted_by: BTreeSet<PositionRef>,
    /// The orders that want it on a node, or in the cache.
    pub orders: BTreeSet<OrderId>,
    /// Its copies, there or wanted, by node and directory.
    pub copies: Vec<ImageCopy>,
}

/// A copy on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// Where.
    pub target: PushTarget,
    /// Its name there.
    pub file: FileName,
    /// The node stores another form of it.
    pub form: StoredForm,
    /// An order wants it there.
    pub is_wanted: bool,
    /// Its digest and length on the node, with when it was placed; absent if it is not
    /// there, or the node does not answer.
    pub placed: Option<(Sha256, u64, Timestamp)>,
    /// The node answered.
    pub is_known: bool,
}

/// The chain of a file in the cache; `None` if it is neither there nor wanted.
pub fn image_chain(report: &Report, file: &FileName) -> Option<ImageChain> {
    let look = &report.look;
    let meta = meta(report, file);
    let cached = look.observed.cache.files.get(file);
    let artifact = match &meta {
        Some(meta) => meta.artifact.clone(),
        None => {
            let mut wants = look.desired.artifacts.iter();
            wants.find(|(_, want)| &want.file == file)?.0.clone()
        }
    };
    let want = look.desired.artifacts.get(&artifact);
    let unpacked_from = want.and_then(|want| match &want.origin {
        Origin::Download { .. } => None,
        Origin::Unpack { from } => Some(look.desired.artifacts.get(from)?.file.clone()),
    });
    let url = meta.as_ref().map(|meta| meta.url.clone());
    let url = url.or_else(|| url_of(report, want?)).unwrap_or_default();
    let wanted_by: BTreeSet<PositionRef> = want
        .map(|want| want.wanted_by.iter().cloned().collect())
        .unwrap_or_default();
    let is_new = done_in_run(report, file).is_some();
    let is_whole = is_new
        || cached
            .is_some_and(|cached| cached.size == Some(cached.meta.size) && cached.fault.is_none());
    Some(ImageChain {
        unpacked_from,
        url,
        is_whole,
        fault: cached.and_then(|cached| cached.fault.clone()),
        pinned: want.and_then(|want| want.pinned),
        orders: wanted_by.iter().map(|at| at.order.clone()).collect(),
        wanted_by,
        copies: copies(report, &artifact),
        meta,
        artifact,
    })
}

fn url_of(report: &Report, want: &Want) -> Option<String> {
    match &want.origin {
        Origin::Download { url } => Some(url.clone()),
        Origin::Unpack { from } => {
            let from = report.look.desired.artifacts.get(from)?;
            match &from.origin {
                Origin::Download { url } => Some(url.clone()),
                Origin::Unpack { .. } => None,
            }
        }
    }
}

/// What is recorded of a file in the cache after the run.
fn meta(report: &Report, file: &FileName) -> Option<Meta> {
    let new = done_in_run(report, file).cloned();
    let cached = report.look.observed.cache.files.get(file);
    new.or_else(|| cached.map(|cached| cached.meta.clone()))
}

/// What the run itself brought into the cache under this name.
fn done_in_run<'a>(report: &'a Report, file: &FileName) -> Option<&'a Meta> {
    let want = |artifact: &ArtifactId| {
        let want = report.look.desired.artifacts.get(artifact);
        want.is_some_and(|want| &want.file == file)
    };
    let facts = report
        .outcomes
        .values()
        .filter_map(|outcome| match outcome {
            Outcome::Done { fact } => Some(fact),
            _ => None,
        });
    let metas = facts.flat_map(|fact| match fact {
        Fact::Fetched {
            download, unpacked, ..
        } => [Some(&**download), unpacked.as_deref()],
        Fact::Unpacked { meta } => [Some(&**meta), None],
        _ => [None, None],
    });
    metas.flatten().find(|meta| want(&meta.artifact))
}

fn copies(report: &Report, artifact: &ArtifactId) -> Vec<ImageCopy> {
    let look = &report.look;
    let mut found: std::collections::BTreeMap<(PushTarget, FileName), ImageCopy> =
        std::collections::BTreeMap::new();
    let mut add = |target: &PushTarget, file: &FileName, form: StoredForm, is_wanted: bool| {
        let copy = found
            .entry((target.clone(), file.clone()))
            .or_insert_with(|| ImageCopy {
                target: target.clone(),
                file: file.clone(),
                form,
                is_wanted: false,
                placed: None,
                is_known: matches!(
                    look.observed.nodes.get(&target.node),
                    Some(NodeState::Listed { .. })
                ),
            });
        copy.is_wanted |= is_wanted;
    };
    for (target, files) in &look.desired.placed {
        for (file, placed) in files.iter().filter(|(_, one)| &one.artifact == artifact) {
            add(target, file, placed.form, true);
        }
    }
    let mut records: Vec<(PushTarget, FileName, &RecordEntry)> = Vec::new();
    for (node, state) in &look.observed.nodes {
        let NodeState::Listed { dirs, .. } = state else {
            continue;
        };
        for (dir, state) in dirs {
            let is_there = |entry: &&RecordEntry| {
                let file = state.files.get(entry.name.as_str());
                &entry.artifact == artifact && file.is_some_and(|file| entry.describes(file))
            };
            for entry in state.record.values().filter(is_there) {
                let target = PushTarget {
                    node: node.clone(),
                    dir: dir.clone(),
                };
                records.push((target, entry.name.clone(), entry));
            }
        }
    }
    for (id, outcome) in &report.outcomes {
        let (Some((target, file)), Outcome::Done { fact }) = (id.path(), outcome) else {
            continue;
        };
        match fact {
            Fact::Pushed { entry, .. } if &entry.artifact == artifact => {
                records.push((target, file, entry));
            }
            Fact::Removed { .. } => {
                records.retain(|(at, name, _)| (at, name) != (&target, &file));
            }
            _ => {}
        }
    }
    for (target, file, entry) in &records {
        let form = match entry.image_sha256 {
            Some(_) => StoredForm::Qcow2,
            None => StoredForm::Same,
        };
        add(target, file, form, false);
    }
    for (target, file, entry) in records {
        if let Some(copy) = found.get_mut(&(target, file)) {
            copy.placed = Some((entry.sha256, entry.size, entry.placed_at));
        }
    }
    found.into_values().collect()
}
