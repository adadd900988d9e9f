//! What all runs did, as numbers that only rise.
//!
//! They are part of the status, so they go on over restarts, and with runs of which each is
//! a process of its own. Keys are words rather than types: a status with a word of a later
//! version can still be read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::Occasion;
use super::report::Report;
use super::step_record::{StepEnd, StepRecord};
use super::verdict::Verdict;
use crate::facts::{Fact, Outcome, RequestCounts, SourceUse, StepId};
use crate::model::{Method, NodeId};
use crate::plan::Action;

/// The bounds of the classes that runs are counted in by their duration, in milliseconds.
pub const DURATION_BOUNDS: [u64; 12] = [
    100, 500, 1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 14_400_000,
    43_200_000,
];

/// What all runs did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunCounters {
    /// Runs that ended, by verdict, then by trigger.
    pub runs: BTreeMap<String, BTreeMap<String, u64>>,
    /// How long they took.
    pub durations: RunDurations,
    /// Steps that ended, by kind, then by how.
    pub steps: BTreeMap<String, BTreeMap<String, u64>>,
    /// Deliveries by node, then by their way.
    pub pushed: BTreeMap<NodeId, BTreeMap<String, PushedBytes>>,
    /// Requests to the upstreams.
    pub requests: RequestCounts,
    /// Questions to the repository of the orders.
    #[serde(skip_serializing_if = "SourceUse::is_empty")]
    pub source: SourceUse,
}

/// How long runs took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunDurations {
    /// Runs that took up to so many milliseconds, and longer than the bound before. One
    /// that took longer than the last bound is in `count` alone.
    pub up_to: Vec<(u64, u64)>,
    /// All of them.
    pub count: u64,
    /// How long all of them took together.
    pub sum_millis: u64,
}

/// The bytes of deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PushedBytes {
    /// The sizes of the images on the node.
    pub bytes: u64,
    /// What was sent, as far as that is known.
    pub sent_bytes: u64,
}

impl RunCounters {
    /// True if nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a run that planned. `nodes` are those that are known after it; what was
    /// counted for others is forgotten.
    pub(super) fn add(&mut self, occasion: &Occasion, report: &Report, nodes: &BTreeSet<NodeId>) {
        self.add_run(occasion, report.verdict);
        for (id, outcome) in &report.outcomes {
            // A download that goes on after its run has not ended.
            if matches!(outcome, Outcome::UnderWay) {
                continue;
            }
            if let Some(kind) = id.kind() {
                let end = StepRecord::new(None, id, None, outcome).end;
                raise(&mut self.steps, kind.as_str(), &end.to_string());
            }
        }
        let mut ways: BTreeMap<&StepId, &'static str> = BTreeMap::new();
        for step in &report.look.plan.steps {
            if let Action::Push { transport, .. } = &step.action {
                ways.insert(&step.id, way(&transport.method));
            }
        }
        for (id, outcome) in &report.outcomes {
            let Outcome::Done {
                fact:
                    Fact::Pushed {
                        entry,
                        copied: true,
                        wire_bytes,
                        ..
                    },
            } = outcome
            else {
                continue;
            };
            let Some(node) = id.node() else { continue };
            // Of an earlier round of the run, the plan is gone.
            let way = ways.get(id).copied().unwrap_or("unknown");
            let pushed = self.pushed.entry(node).or_default();
            let pushed = pushed.entry(way.to_owned()).or_default();
            pushed.bytes = pushed.bytes.saturating_add(entry.size);
            pushed.sent_bytes = pushed.sent_bytes.saturating_add(wire_bytes.unwrap_or(0));
        }
        self.pushed.retain(|node, _| nodes.contains(node));
    }

    /// Counts a run, whatever came of it.
    pub(super) fn add_run(&mut self, occasion: &Occasion, verdict: Verdict) {
        let trigger = occasion.trigger.to_string();
        raise(&mut self.runs, &verdict.to_string(), &trigger);
        // The clock of the machine may have been set back meanwhile.
        let took = occasion.finished.as_millisecond() - occasion.started.as_millisecond();
        self.durations.add(u64::try_from(took).unwrap_or(0));
        self.requests.clone_from(&occasion.requests);
        self.source = occasion.source_use;
    }
}

impl RunDurations {
    fn add(&mut self, millis: u64) {
        self.count = self.count.saturating_add(1);
        self.sum_millis = self.sum_millis.saturating_add(millis);
        let Some(bound) = DURATION_BOUNDS.into_iter().find(|bound| millis <= *bound) else {
            return;
        };
        match self.up_to.iter_mut().find(|(other, _)| *other == bound) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                self.up_to.push((bound, 1));
                self.up_to.sort_unstable();
            }
        }
    }
}

/// All ends that a step can have.
pub const STEP_ENDS: [StepEnd; 5] = [
    StepEnd::Done,
    StepEnd::Failed,
    StepEnd::Skipped,
    StepEnd::Outdated,
    StepEnd::Cancelled,
];

/// The way of a delivery, in a word.
const fn way(method: &Method) -> &'static str {
    match method {
        Method::Copy => "copy",
        Method::Put => "put",
        Method::Api { .. } => "api",
        Method::Stream => "stream",
        Method::Rsync { .. } => "rsync",
    }
}

fn raise(counts: &mut BTreeMap<String, BTreeMap<String, u64>>, first: &str, second: &str) {
    let counts = counts.entry(first.to_owned()).or_default();
    let count = counts.entry(second.to_owned()).or_default();
    *count = count.saturating_add(1);
}
