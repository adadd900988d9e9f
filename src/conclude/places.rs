//! What is in the directories of a node: whose each file is, who wants it, who uses it.
//!
//! A run observes before it acts, so what it did is added to what it observed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::report::Report;
use crate::facts::{DirState, Fact, NodeState, Outcome, References, RemoteFile};
use crate::model::{Dir, FileName, NodeId, OrderId, PushTarget, Sha256};
use crate::plan::{Action, Look};

/// Whose a file on a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileOwner {
    /// An order wants it, and it is as recorded.
    Wanted,
    /// An order wants it, and it is missing or not as recorded.
    WantedNotInSync,
    /// We placed it, and no order wants it any more.
    Unwanted,
    /// Another controller placed it.
    OtherController,
    /// Nobody has a record of it; it is never touched.
    Foreign,
}

impl std::fmt::Display for FileOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Wanted => "wanted, in sync",
            Self::WantedNotInSync => "wanted, out of sync",
            Self::Unwanted => "not wanted any more",
            Self::OtherController => "of another controller",
            Self::Foreign => "foreign",
        })
    }
}

/// A file that is in a directory, or should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile {
    /// Its name.
    pub name: String,
    /// Its file in the cache, where it is an image of ours.
    pub image: Option<FileName>,
    /// Its size; `None` if it is not there.
    pub bytes: Option<u64>,
    /// Whose it is.
    pub owner: FileOwner,
    /// The orders that want it, or wanted it when it was placed.
    pub orders: BTreeSet<OrderId>,
    /// The digest on record.
    pub sha256: Option<Sha256>,
    /// When it was placed.
    pub placed_at: Option<Timestamp>,
    /// The virtual machines that refer to it; `None` where that is not known.
    pub used_by: Option<BTreeSet<u32>>,
}

/// What the bytes of a file system are for, as far as is known: nobody tells us its size,
/// so what is in other directories is not part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaceUse {
    /// Files that we placed.
    pub ours: u64,
    /// Other files in the directory.
    pub others: u64,
    /// What the last plan was to bring and has not.
    pub to_come: u64,
    /// What has to stay free.
    pub reserve: u64,
    /// Free bytes after the last run, as far as it can be told from what it did.
    pub free: Option<u64>,
    /// What else is in use on the same file system; `None` where its size is not known.
    pub elsewhere: Option<u64>,
}

/// A directory of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedDir {
    /// The directory.
    pub dir: Dir,
    /// The storage that it is on: name and type.
    pub storage: Option<String>,
    /// Where its file system is mounted.
    pub mount_point: Option<String>,
    /// Why nothing, or not everything, is known of it.
    pub trouble: Option<String>,
    /// The files, by name.
    pub files: Vec<PlacedFile>,
    /// What the space is for.
    pub space: SpaceUse,
    /// Bytes that interrupted deliveries have left.
    pub parts: u64,
}

/// The directories of a node.
///
/// # Errors
/// Why they are not known, as a sentence.
pub fn placed_dirs(
    report: &Report,
    node: &NodeId,
    owner: &str,
    reserve: u64,
) -> Result<Vec<PlacedDir>, String> {
    let look = &report.look;
    let state = look.observed.nodes.get(node);
    let (dirs, references) = match state {
        None => return Err("the last run did not observe it".to_owned()),
        Some(NodeState::Unreachable { why, .. }) => return Err(why.clone()),
        Some(NodeState::Listed {
            dirs, references, ..
        }) => (dirs, references),
    };
    let to_come = to_come(report, node);
    let found = dirs.iter().map(|(dir, observed)| {
        let target = PushTarget {
            node: node.clone(),
            dir: dir.clone(),
        };
        let state = &after_run(report, &target, observed);
        let files = files(look, &target, state, references, owner);
        let sum = |is_ours: bool| {
            let files = files.iter().filter(|file| {
                let foreign = [FileOwner::Foreign, FileOwner::OtherController];
                foreign.contains(&file.owner) != is_ours
            });
            files.filter_map(|file| file.bytes).sum()
        };
        let (ours, others): (u64, u64) = (sum(true), sum(false));
        let mount_point = state.mount_point.clone();
        PlacedDir {
            dir: dir.clone(),
            storage: state
                .root
                .as_ref()
                .map(|root| format!("{} ({})", root.name, root.kind)),
            trouble: trouble(state),
            space: SpaceUse {
                ours,
                others,
                elsewhere: elsewhere(state, ours.saturating_add(others)),
                to_come: to_come.get(dir).copied().unwrap_or(0),
                reserve,
                free: state.free_bytes,
            },
            parts: state.parts.values().map(|part| part.bytes).sum(),
            mount_point,
            files,
        }
    });
    Ok(found.collect())
}

/// What is in use on the file system of a directory besides the files in it.
fn elsewhere(state: &DirState, here: u64) -> Option<u64> {
    let used = state.total_bytes?.checked_sub(state.free_bytes?)?;
    Some(used.saturating_sub(here))
}

fn trouble(state: &DirState) -> Option<String> {
    if let Some(why) = &state.unread {
        Some(why.clone())
    } else if state.is_silent {
        Some("it did not answer in time".to_owned())
    } else if !state.exists {
        Some("it does not exist".to_owned())
    } else if state.inodes_full {
        Some("its file system has no inode left".to_owned())
    } else {
        None
    }
}

/// The bytes that were to be pushed and are not there, by directory.
fn to_come(report: &Report, node: &NodeId) -> BTreeMap<Dir, u64> {
    let mut sums = BTreeMap::new();
    for step in &report.look.plan.steps {
        let is_done = report
            .outcomes
            .get(&step.id)
            .is_some_and(Outcome::is_success);
        if let Action::Push { target, bytes, .. } = &step.action
            && &target.node == node
            && !is_done
        {
            *sums.entry(target.dir.clone()).or_insert(0) += bytes.bytes().unwrap_or(0);
        }
    }
    sums
}

/// A directory with what the run did there.
fn after_run(report: &Report, target: &PushTarget, observed: &DirState) -> DirState {
    let mut state = observed.clone();
    for (id, outcome) in &report.outcomes {
        let Outcome::Done { fact } = outcome else {
            continue;
        };
        let Some((_, file)) = id.path().filter(|(at, _)| at == target) else {
            continue;
        };
        match fact {
            Fact::Pushed { entry, .. } => {
                let there = RemoteFile {
                    size: entry.size,
                    mtime: entry.mtime,
                    inode: entry.inode,
                };
                state.exists = true;
                let before = state.files.insert(file.to_string(), there);
                state.record.insert(file, (**entry).clone());
                let more = entry
                    .size
                    .saturating_sub(before.map_or(0, |file| file.size));
                state.free_bytes = state.free_bytes.map(|free| free.saturating_sub(more));
            }
            Fact::Removed { bytes } => {
                state.record.remove(&file);
                let before = state.files.remove(file.as_str());
                let freed = before.map_or(0, |_| *bytes);
                state.free_bytes = state.free_bytes.map(|free| free.saturating_add(freed));
            }
            _ => {}
        }
    }
    state
}

fn files(
    look: &Look,
    target: &PushTarget,
    state: &DirState,
    references: &References,
    controller: &str,
) -> Vec<PlacedFile> {
    let wanted = look.desired.placed.get(target);
    let mut names: BTreeSet<&str> = state.files.keys().map(String::as_str).collect();
    names.extend(state.record.keys().map(FileName::as_str));
    names.extend(wanted.into_iter().flatten().map(|(file, _)| file.as_str()));
    let found = names.into_iter().map(|name| {
        let file = name.parse::<FileName>().ok();
        let there = state.files.get(name);
        let record = file.as_ref().and_then(|file| state.record.get(file));
        let want = file.as_ref().and_then(|file| wanted?.get(file));
        let is_as_recorded = there
            .zip(record)
            .is_some_and(|(there, record)| record.describes(there));
        let owner = match (want, record) {
            (Some(want), Some(record)) if is_as_recorded && record.artifact == want.artifact => {
                FileOwner::Wanted
            }
            (Some(_), _) => FileOwner::WantedNotInSync,
            (None, Some(record)) if record.owner != controller && !record.owner.is_empty() => {
                FileOwner::OtherController
            }
            (None, Some(_)) => FileOwner::Unwanted,
            (None, None) => FileOwner::Foreign,
        };
        let artifact = want.map(|want| &want.artifact);
        let artifact = artifact.or_else(|| record.map(|record| &record.artifact));
        let cached = artifact.and_then(|artifact| look.desired.artifacts.get(artifact));
        let orders = match (want, record) {
            (Some(want), _) => want.wanted_by.iter().map(|at| at.order.clone()).collect(),
            (None, Some(record)) => record.orders.clone(),
            (None, None) => BTreeSet::new(),
        };
        PlacedFile {
            name: name.to_owned(),
            image: cached.map(|want| want.file.clone()),
            bytes: there.map(|file| file.size),
            owner,
            orders,
            sha256: record.map(|record| record.sha256),
            placed_at: record.map(|record| record.placed_at),
            used_by: match references {
                References::Known(uses) => Some(uses.get(name).cloned().unwrap_or_default()),
                References::Unknown { .. } => None,
            },
        }
    });
    found.collect()
}
