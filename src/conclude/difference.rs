//! What is there beside what is wanted: for each directory of a node and for the cache,
//! a line per file before and after everything that is planned or blocked; the same for
//! the templates of each node.
//!
//! A plan says what the next run does; this says how far the world is from the orders. So
//! what is blocked or suspended counts as a difference, and what only waits for its grace
//! period, or stays by policy, does not.

mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::facts::{CachedFile, DirState, NodeState, StepId, StepKind};
use crate::model::{ArtifactId, FileName, PushTarget, Sha256, TalosVersion};
use crate::plan::{Action, BlockedReason, Look, Plan};

/// A place that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceDifference {
    /// The directory: `node:dir`, or `cache`; of template VMs `node:templates`.
    pub place: String,
    /// The files that are there, a line each.
    pub actual: Vec<String>,
    /// The files that should be.
    pub desired: Vec<String>,
}

/// How far the places are from what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// The places that differ, by name.
    pub places: Vec<PlaceDifference>,
    /// What cannot be compared, a sentence each: unknown is not empty.
    pub unknown: Vec<String>,
}

/// A file as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileLine {
    version: Option<TalosVersion>,
    bytes: Option<u64>,
    /// The size is that of a similar image.
    is_about: bool,
    sha256: Option<Sha256>,
}

/// `VERSION  BYTES  sha256:DIGEST`, the digest shortened.
impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{version}")?,
            None => f.write_str("unknown")?,
        }
        match self.bytes {
            Some(bytes) if self.is_about => write!(f, "  about {bytes}")?,
            Some(bytes) => write!(f, "  {bytes}")?,
            None => f.write_str("  unknown")?,
        }
        match &self.sha256 {
            Some(digest) => write!(f, "  sha256:{:.12}", digest.to_string()),
            None => f.write_str("  sha256:unknown"),
        }
    }
}

/// The files of a place, by name.
type FileLines = BTreeMap<String, FileLine>;

#[derive(Default)]
struct ComparedPlace {
    actual: FileLines,
    desired: FileLines,
}

impl Differences {
    /// Compares what was observed with what is wanted, as far as it was selected.
    pub fn of(look: &Look) -> Self {
        let plan = &look.plan;
        let mut compared = Compared {
            look,
            cache: ComparedPlace::default(),
            dirs: BTreeMap::new(),
        };
        compared.observed();
        compared.planned(plan);
        compared.blocked(plan);
        let unknown: BTreeSet<String> = plan
            .blocked
            .iter()
            .filter(|blocked| {
                matches!(
                    blocked.reason,
                    BlockedReason::Unresolved { .. }
                        | BlockedReason::DirSilent { .. }
                        | BlockedReason::StorageUnfit { .. }
                ) || templates::is_unknown(&blocked.reason)
            })
            .map(|blocked| match &blocked.reason {
                BlockedReason::Unresolved { .. }
                | BlockedReason::StorageUnfit { .. }
                | BlockedReason::Template { .. } => {
                    format!("{}: {}", blocked.id.text(), blocked.reason)
                }
                reason => reason.to_string(),
            })
            .collect();
        let dirs = compared.dirs.into_iter();
        let dirs = dirs.map(|(target, place)| (format!("{}:{}", target.node, target.dir), place));
        let places = std::iter::once(("cache".to_owned(), compared.cache)).chain(dirs);
        let places = places
            .filter(|(_, place)| place.actual != place.desired)
            .map(|(name, place)| PlaceDifference {
                place: name,
                actual: lines(&place.actual),
                desired: lines(&place.desired),
            });
        let templates = templates::templates(look).into_iter();
        let templates = templates.map(|(node, place)| PlaceDifference {
            place: format!("{node}:templates"),
            actual: place.actual.into_iter().collect(),
            desired: place.desired.into_iter().collect(),
        });
        Self {
            places: places.chain(templates).collect(),
            unknown: unknown.into_iter().collect(),
        }
    }
}

fn lines(files: &FileLines) -> Vec<String> {
    let lines = files.iter().map(|(name, line)| format!("{name}  {line}"));
    lines.collect()
}

struct Compared<'a> {
    look: &'a Look,
    cache: ComparedPlace,
    dirs: BTreeMap<PushTarget, ComparedPlace>,
}

impl Compared<'_> {
    /// What is there is also what should be, until the plan says otherwise.
    fn observed(&mut self) {
        let cached = self.look.observed.cache.files.iter();
        let cached = cached.filter(|(_, cached)| cached.size.is_some());
        self.cache.actual = cached
            .map(|(file, cached)| (file.to_string(), cached_line(cached)))
            .collect();
        self.cache.desired.clone_from(&self.cache.actual);
        for (node, state) in &self.look.observed.nodes {
            let NodeState::Listed { dirs, .. } = state else {
                continue;
            };
            for (dir, state) in dirs.iter().filter(|(_, state)| !state.is_silent) {
                let target = PushTarget {
                    node: node.clone(),
                    dir: dir.clone(),
                };
                let wanted = self.look.desired.placed.get(&target);
                let is_wanted = |name: &str| {
                    wanted.is_some_and(|files| files.keys().any(|file| file.as_str() == name))
                };
                let actual = node_lines(state, is_wanted);
                let desired = actual.clone();
                self.dirs.insert(target, ComparedPlace { actual, desired });
            }
        }
    }

    fn planned(&mut self, plan: &Plan) {
        for step in &plan.steps {
            match &step.action {
                Action::Fetch {
                    download,
                    file,
                    unpack,
                    bytes,
                    pinned,
                    ..
                } => {
                    let line = FileLine {
                        bytes: bytes.bytes(),
                        is_about: bytes.is_about(),
                        sha256: *pinned,
                        version: Some(download.version.clone()),
                    };
                    self.cache.desired.insert(file.to_string(), line);
                    if let Some((raw, file)) = unpack {
                        let line = wanted_line(raw);
                        self.cache.desired.insert(file.to_string(), line);
                    }
                }
                Action::Unpack { to, file, .. } => {
                    self.cache.desired.insert(file.to_string(), wanted_line(to));
                }
                Action::PruneCache { file, .. } => {
                    self.cache.desired.remove(file.as_str());
                }
                Action::Push {
                    target,
                    artifact,
                    file,
                    bytes,
                    form,
                    ..
                } => {
                    let source = self.delivered(artifact);
                    let line = FileLine {
                        bytes: bytes.bytes(),
                        is_about: bytes.is_about(),
                        // That of another form is known when it was made.
                        sha256: source.sha256.filter(|_| form.is_same()),
                        ..source
                    };
                    self.desired_in(target).insert(file.to_string(), line);
                }
                Action::PruneNode { target, file, .. } => {
                    self.desired_in(target).remove(file.as_str());
                }
                Action::Register { .. }
                | Action::ClearPartial { .. }
                | Action::ClearPart { .. }
                | Action::VerifyNode { .. }
                | Action::VerifyCache { .. }
                | Action::CreateTemplate(_)
                | Action::SwitchTemplate(_)
                | Action::RemoveTemplate { .. } => {}
            }
        }
    }

    fn blocked(&mut self, plan: &Plan) {
        for blocked in plan
            .blocked
            .iter()
            .filter(|blocked| !blocked.is_not_selected())
        {
            match blocked.id.kind() {
                Some(StepKind::Push) if !is_unknown(&blocked.reason) => {
                    self.blocked_push(&blocked.id);
                }
                Some(StepKind::Fetch | StepKind::Unpack) => {
                    let Some(file) = blocked.id.cached() else {
                        continue;
                    };
                    let mut artifacts = self.look.desired.artifacts.iter();
                    if let Some((artifact, _)) = artifacts.find(|(_, want)| want.file == file) {
                        let line = wanted_line(artifact);
                        self.cache.desired.insert(file.to_string(), line);
                    }
                }
                // What stays by policy, or for a while, is as it should be.
                Some(StepKind::PruneNode) if blocked.is_due() => {
                    if let Some((target, file)) = blocked.id.path() {
                        self.desired_in(&target).remove(file.as_str());
                    }
                }
                _ => {}
            }
        }
    }

    fn blocked_push(&mut self, id: &StepId) {
        let Some((target, file)) = id.path() else {
            return;
        };
        let placed = self.look.desired.placed.get(&target);
        if let Some(placed) = placed.and_then(|files| files.get(&file)) {
            let line = self.delivered(&placed.artifact);
            self.desired_in(&target).insert(file.to_string(), line);
        }
    }

    fn desired_in(&mut self, target: &PushTarget) -> &mut FileLines {
        &mut self.dirs.entry(target.clone()).or_default().desired
    }

    /// An image as it is delivered from the cache, as far as that has it.
    fn delivered(&self, artifact: &ArtifactId) -> FileLine {
        let want = self.look.desired.artifacts.get(artifact);
        let cached = want.and_then(|want| self.cached(&want.file));
        cached.map_or_else(
            || FileLine {
                sha256: want.and_then(|want| want.pinned),
                ..wanted_line(artifact)
            },
            cached_line,
        )
    }

    /// A file in the cache that is in sync.
    fn cached(&self, file: &FileName) -> Option<&CachedFile> {
        let is_in_sync = self.look.plan.in_sync.contains(&StepId::fetch(file));
        let cached = self.look.observed.cache.files.get(file);
        cached.filter(|_| is_in_sync)
    }
}

fn is_unknown(reason: &BlockedReason) -> bool {
    matches!(
        reason,
        BlockedReason::NodeUnreachable { .. } | BlockedReason::DirSilent { .. }
    )
}

fn cached_line(cached: &CachedFile) -> FileLine {
    FileLine {
        version: Some(cached.meta.artifact.version.clone()),
        bytes: cached.size,
        is_about: false,
        // Of a file that was changed since nothing more is known.
        sha256: (cached.untouched && cached.size == Some(cached.meta.size))
            .then_some(cached.meta.sha256),
    }
}

const fn unknown_line() -> FileLine {
    FileLine {
        version: None,
        bytes: None,
        is_about: false,
        sha256: None,
    }
}

fn wanted_line(artifact: &ArtifactId) -> FileLine {
    FileLine {
        version: Some(artifact.version.clone()),
        ..unknown_line()
    }
}

/// The files of ours in a directory, and what has the name of one.
fn node_lines(state: &DirState, is_wanted: impl Fn(&str) -> bool) -> FileLines {
    let lines = state.files.iter().filter_map(|(name, file)| {
        let record = state
            .record
            .iter()
            .find(|(known, _)| known.as_str() == name);
        let entry = record.map(|(_, entry)| entry);
        if entry.is_none() && !is_wanted(name) {
            return None;
        }
        let known = entry.filter(|entry| entry.describes(file));
        let line = FileLine {
            version: entry.map(|entry| entry.artifact.version.clone()),
            bytes: Some(file.size),
            is_about: false,
            sha256: known.map(|entry| entry.sha256),
        };
        Some((name.clone(), line))
    });
    lines.collect()
}

#[cfg(test)]
mod tests;
