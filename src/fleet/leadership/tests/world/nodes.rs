//! Nodes: what they hold, and the work that gets there. A node keeps the highest epoch that
//! it saw, and refuses an older one where work begins and again where it would change
//! something, as the scripts do.

use std::collections::{BTreeMap, BTreeSet};

use super::controllers::SeatId;
use super::orders::DIR;
use super::{FleetWorld, Happening, Process, SECOND, Time, WorldSize, fetching};
use crate::facts::{
    DirState, Fact, Failure, FailureKind, NodeState, Outcome, RecordEntry, References, RemoteFile,
};
use crate::model::{ArtifactId, FileName, LeaderEpoch};

/// A node.
pub(super) struct WorldNode {
    pub site: usize,
    dir: DirState,
    epoch: u64,
    /// The process that wrote under it.
    by: Option<u64>,
    pub silent_until: Time,
    inodes: u64,
    /// From when until when each file was there as it should be.
    pub spans: BTreeMap<FileName, Vec<(Time, Option<Time>)>>,
}

/// Work of a step that is on its way to a node, or under way there.
#[derive(Debug, Clone)]
pub(super) struct NodeWork {
    pub process: Process,
    pub run: u64,
    pub step: usize,
    pub node: usize,
    pub epoch: u64,
    /// The orders that it is for, and when its run read them.
    pub revision: usize,
    pub read: Time,
    pub what: NodeChange,
}

#[derive(Debug, Clone)]
pub(super) enum NodeChange {
    Push {
        file: FileName,
        artifact: Box<ArtifactId>,
    },
    Prune {
        file: FileName,
    },
}

impl WorldNode {
    pub(super) fn new(node: usize, size: WorldSize) -> Self {
        Self {
            site: node / size.nodes,
            dir: DirState {
                exists: true,
                free_bytes: Some(1 << 40),
                mount_point: Some("/var/lib".to_owned()),
                ..DirState::default()
            },
            epoch: 0,
            by: None,
            silent_until: 0,
            inodes: 0,
            spans: BTreeMap::new(),
        }
    }

    /// True for a file that is there as it was recorded.
    pub(super) fn has(&self, file: &FileName) -> bool {
        let found = self.dir.files.get(file.as_str());
        let entry = self.dir.record.get(file);
        // Every record here is made with the right digest.
        entry
            .zip(found)
            .is_some_and(|(entry, found)| entry.describes(found))
    }

    /// What is there as it should be; `None` while it does not answer.
    pub(super) fn seen(&self, now: Time) -> Option<BTreeSet<FileName>> {
        let files = self.dir.record.keys().filter(|file| self.has(file));
        (self.silent_until <= now).then(|| files.cloned().collect())
    }

    /// A file is gone from now on.
    fn goes(&mut self, file: &FileName, now: Time) {
        self.dir.files.remove(file.as_str());
        let last = self.spans.get_mut(file).and_then(|spans| spans.last_mut());
        if let Some((_, ended @ None)) = last {
            *ended = Some(now);
        }
    }

    /// A file is lost.
    pub(super) fn loses(&mut self, random: &mut fastrand::Rng, now: Time) -> bool {
        let files = self.dir.record.keys().filter(|file| self.has(file));
        let Some(file) = random.choice(files.collect::<Vec<_>>()).cloned() else {
            return false;
        };
        self.goes(&file, now);
        true
    }

    /// As a look finds it.
    pub(super) fn state(&self, now: Time) -> NodeState {
        if self.silent_until > now {
            let why = "connection timed out".to_owned();
            return NodeState::Unreachable { why, lasting: None };
        }
        let tools = ["perl", "flock", "sha256sum"].map(str::to_owned);
        NodeState::Listed {
            dirs: BTreeMap::from([(DIR.parse().unwrap(), self.dir.clone())]),
            tools: BTreeSet::from(tools),
            references: References::Known(BTreeMap::new()),
        }
    }
}

impl FleetWorld {
    /// A session begins, and may get there much later.
    pub(super) fn begin_work(&mut self, work: NodeWork) {
        self.number += 1;
        let number = self.number;
        self.works.insert(number, work);
        let gets_there = match self.random.u8(0..4) {
            0 if self.is_trouble() => self.random.u64(0..90 * SECOND),
            _ => self.random.u64(1..100),
        };
        let begins = Happening::Works {
            work: number,
            is_last: false,
        };
        self.after(gets_there, begins);
    }

    pub(super) fn works(&mut self, number: u64, is_last: bool) {
        let Some(work) = self.works.get(&number).cloned() else {
            return;
        };
        let fails = self.is_trouble() && self.random.u8(0..15) == 0;
        if self.nodes[work.node].silent_until > self.now || fails {
            self.works.remove(&number);
            let waits = self.random.u64(SECOND..15 * SECOND);
            self.work_ended(&work, failed("the connection broke"), waits);
            return;
        }
        if !self.obeys(&work) {
            self.works.remove(&number);
            return;
        }
        if !is_last {
            let takes = match self.random.u8(0..4) {
                0 if self.is_trouble() => self.random.u64(0..90 * SECOND),
                _ => self.random.u64(SECOND..5 * SECOND),
            };
            let ends = Happening::Works {
                work: number,
                is_last: true,
            };
            self.after(takes, ends);
            return;
        }
        self.works.remove(&number);
        let fact = self.change(&work);
        // What is done may be told to nobody.
        let is_told = !(self.is_trouble() && self.random.u8(0..20) == 0);
        let outcome = match is_told {
            true => Outcome::Done { fact },
            false => failed("the answer was lost"),
        };
        self.work_ended(&work, outcome, 20);
    }

    fn work_ended(&mut self, work: &NodeWork, outcome: Outcome, takes: Time) {
        self.outcome(work.process, (work.run, work.step), outcome, takes);
    }

    /// Whether a node obeys this epoch; a refusal is told to the process, if it still hears.
    fn obeys(&mut self, work: &NodeWork) -> bool {
        let known = self.nodes[work.node].epoch;
        if work.epoch < known {
            self.counts.fenced += 1;
            let at = work.process.controller;
            self.work_ended(work, Outcome::Cancelled, 20);
            if self.runs(work.process) && self.controllers[at].stopped_until <= self.now {
                let by = LeaderEpoch::new(known);
                // What began under an earlier leadership does not end the present one.
                let site = self.nodes[work.node].site;
                let leads = self.leads(work.process, site);
                if leads.is_none_or(|own| own < known) {
                    let process = work.process;
                    let seat = SeatId { process, site };
                    self.seat(seat).machine.outranked(by);
                    self.turn(seat);
                }
            }
            return false;
        }
        let life = work.process.life;
        let node = &mut self.nodes[work.node];
        let controller = &self.controllers[work.process.controller];
        assert!(controller.sites.contains(&node.site));
        if work.epoch == known && !self.was_restored {
            let by = node.by;
            assert!(
                by.is_none_or(|by| by == life),
                "two write under {known} on node {}",
                work.node
            );
        }
        (node.epoch, node.by) = (work.epoch, Some(life));
        true
    }

    fn change(&mut self, work: &NodeWork) -> Fact {
        let (day, now) = (self.day(), self.now);
        match &work.what {
            NodeChange::Push { file, artifact } => {
                self.counts.pushes += 1;
                let node = &mut self.nodes[work.node];
                node.inodes += 1;
                let found = RemoteFile {
                    size: 1000,
                    mtime: 5,
                    inode: node.inodes,
                };
                let entry = RecordEntry {
                    name: file.clone(),
                    size: found.size,
                    mtime: found.mtime,
                    inode: found.inode,
                    sha256: fetching::digest(artifact),
                    image_sha256: None,
                    artifact: (**artifact).clone(),
                    orders: BTreeSet::new(),
                    owner: "fleet".to_owned(),
                    deletion: None,
                    revision: None,
                    placed_at: day,
                };
                if !node.has(file) {
                    node.spans
                        .entry(file.clone())
                        .or_default()
                        .push((now, None));
                }
                node.dir.files.insert(file.to_string(), found);
                node.dir.record.insert(file.clone(), entry.clone());
                Fact::Pushed {
                    entry: Box::new(entry),
                    copied: true,
                    wire_bytes: Some(900),
                    millis: 100,
                }
            }
            NodeChange::Prune { file } => {
                self.counts.removals += 1;
                self.is_removable(work, file);
                let node = &mut self.nodes[work.node];
                node.goes(file, now);
                node.dir.record.remove(file);
                Fact::Removed { bytes: 1000 }
            }
        }
    }

    /// A file goes only if the orders that the run read are all known and do not want it.
    /// What they say since may want it: the run could not know.
    fn is_removable(&self, work: &NodeWork, file: &FileName) {
        let read = &self.revisions[work.revision];
        assert!(
            read.is_valid && !read.wants(work.node, file),
            "{file} is removed in doubt from node {}",
            work.node
        );
        let now = &self.revisions[self.revision()];
        assert!(
            (now.is_valid && !now.wants(work.node, file)) || now.since > work.read,
            "{file} is removed from node {} for orders that were old",
            work.node
        );
    }
}

fn failed(error: &str) -> Outcome {
    Outcome::Failed {
        failure: Failure {
            error: error.to_owned(),
            hint: None,
            transient: true,
            kind: FailureKind::Other,
        },
    }
}
