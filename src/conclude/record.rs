//! What a run did and why, in a form that outlives the program: the lines of the
//! history and of the events.
//!
//! These are texts and numbers rather than the plan's own types, so that an old
//! line can still be read when those have changed.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Report;
use super::source_line::SourceLine;
use super::step_record::{StepEnd, StepRecord};
use super::trigger_form::WrittenTrigger;
use super::verdict::Verdict;
use crate::facts::{Fact, NodeState, Outcome, RequestCounts, SourceUse, StepId};
use crate::model::Trigger;
use crate::plan::{Action, Plan, Step, Why};

/// A history line tells so many steps; a first run over a large fleet has more,
/// and `events.jsonl` has them all.
const STEPS_MAX: usize = 200;

/// Files that were not as they had been left, and bytes that went over a wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Files of ours that were gone, changed or replaced.
    pub drift_found: u64,
    /// Those of them that are as they should be again.
    pub drift_repaired: u64,
    /// Bytes that came from upstream.
    pub fetched_bytes: u64,
    /// Bytes that went to nodes.
    pub pushed_bytes: u64,
    /// Files removed from cache and nodes.
    pub removed: u64,
}

impl Totals {
    /// What a run found and did.
    pub fn of(report: &Report) -> Self {
        let mut totals = Self::default();
        for step in &report.look.plan.steps {
            let outcome = report.outcomes.get(&step.id);
            let fact = match outcome {
                Some(Outcome::Done { fact }) => Some(fact),
                _ => None,
            };
            if is_drift(step, report, fact) {
                totals.drift_found += 1;
                totals.drift_repaired += u64::from(fact.is_some());
            }
        }
        // Also what an earlier round did, which the last plan does not have.
        for outcome in report.outcomes.values() {
            let Outcome::Done { fact } = outcome else {
                continue;
            };
            match fact {
                Fact::Fetched { wire_bytes, .. } => totals.fetched_bytes += wire_bytes,
                Fact::Pushed {
                    entry,
                    copied: true,
                    ..
                } => totals.pushed_bytes += entry.size,
                Fact::Removed { .. } => totals.removed += 1,
                _ => {}
            }
        }
        totals
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.drift_found += other.drift_found;
        self.drift_repaired += other.drift_repaired;
        self.fetched_bytes += other.fetched_bytes;
        self.pushed_bytes += other.pushed_bytes;
        self.removed += other.removed;
    }
}

/// True for a step that puts right what was right before. A file that a read-back
/// found damaged has lost its record and is planned as one without.
fn is_drift(step: &Step, report: &Report, fact: Option<&Fact>) -> bool {
    let (is_push, recorded) = match &step.action {
        Action::Push { target, file, .. } => {
            let recorded = match report.look.observed.nodes.get(&target.node) {
                Some(NodeState::Listed { dirs, .. }) => dirs
                    .get(&target.dir)
                    .is_some_and(|dir| dir.record.contains_key(file)),
                _ => false,
            };
            (true, recorded)
        }
        // A file that a purge takes away is on record, and in its place.
        Action::Fetch { file, .. } | Action::Unpack { file, .. } => {
            let cached = report.look.observed.cache.files.get(file);
            (false, cached.is_some_and(|cached| cached.size.is_none()))
        }
        _ => return false,
    };
    match &step.why {
        Why::Missing => recorded,
        Why::SizeDiffers { .. } | Why::Touched => true,
        Why::Unrecorded { .. } => {
            is_push && matches!(fact, Some(Fact::Pushed { copied: true, .. }))
        }
        _ => false,
    }
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// When it began.
    pub started: Timestamp,
    /// When it was over.
    pub finished: Timestamp,
    /// What started it.
    #[serde(flatten, with = "super::trigger_form")]
    #[schemars(with = "WrittenTrigger")]
    pub trigger: Trigger,
    /// The revision of the orders, where they are under git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What it came to.
    pub verdict: Verdict,
    /// What kept it from looking, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What became of the steps, in the order of the plan.
    pub steps: Vec<StepRecord>,
    /// How many more steps there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_steps: usize,
    /// How many things were blocked.
    #[serde(rename = "held")]
    pub blocked: usize,
    /// How many files are in sync, those that were before and those that came.
    pub in_sync: usize,
    /// What it found and did, in numbers.
    #[serde(flatten)]
    pub totals: Totals,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// When and why a run was done, and on which orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occasion {
    /// The controller that did it, or for which an operator did.
    pub owner: String,
    /// When it began.
    pub started: Timestamp,
    /// When it was over.
    pub finished: Timestamp,
    /// What started it.
    pub trigger: Trigger,
    /// The revision of the orders, where they are under git.
    pub revision: Option<String>,
    /// Where the orders come from, where the program fetches them.
    pub source: Option<SourceLine>,
    /// Every request to the upstreams so far.
    pub requests: RequestCounts,
    /// Every question to the repository of the orders so far.
    pub source_use: SourceUse,
}

impl RunRecord {
    /// The record of a run.
    pub fn new(occasion: &Occasion, report: &Report) -> Self {
        let steps = steps(&report.look.plan, &report.outcomes);
        let more_steps = steps.len().saturating_sub(STEPS_MAX);
        Self {
            steps: steps.into_iter().take(STEPS_MAX).collect(),
            more_steps,
            blocked: report.look.plan.blocked().count(),
            in_sync: report.look.plan.in_sync.len() + placed(report),
            totals: Totals::of(report),
            ..Self::failed(occasion, None, report.verdict)
        }
    }

    /// The record of a run that failed before planning.
    pub fn unable(occasion: &Occasion, error: String) -> Self {
        Self::failed(occasion, Some(error), Verdict::Failed)
    }

    fn failed(occasion: &Occasion, error: Option<String>, verdict: Verdict) -> Self {
        Self {
            started: occasion.started,
            finished: occasion.finished,
            trigger: occasion.trigger,
            revision: occasion.revision.clone(),
            verdict,
            error,
            steps: Vec::new(),
            more_steps: 0,
            blocked: 0,
            in_sync: 0,
            totals: Totals::default(),
        }
    }
}

/// How many files came, into the cache and to nodes.
fn placed(report: &Report) -> usize {
    let facts = report.outcomes.values().map(|outcome| match outcome {
        Outcome::Done { fact } => match fact {
            Fact::Fetched { unpacked, .. } => 1 + usize::from(unpacked.is_some()),
            Fact::Unpacked { .. } | Fact::Pushed { .. } => 1,
            Fact::Registered { .. }
            | Fact::Verified { .. }
            | Fact::Removed { .. }
            | Fact::TemplateCreated { .. }
            | Fact::TemplateSwitched
            | Fact::TemplateRemoved => 0,
        },
        _ => 0,
    });
    facts.sum()
}

/// Failures first, so that they survive the cut.
fn steps(plan: &Plan, outcomes: &BTreeMap<StepId, Outcome>) -> Vec<StepRecord> {
    let why: HashMap<&StepId, &Why> = plan
        .steps
        .iter()
        .map(|step| (&step.id, &step.why))
        .collect();
    // Also those of an earlier round, which the last plan does not have.
    let earlier = outcomes.keys().filter(|id| !why.contains_key(id));
    let all = earlier.chain(plan.steps.iter().map(|step| &step.id));
    let mut steps: Vec<StepRecord> = all
        .filter_map(|id| {
            let outcome = outcomes.get(id)?;
            Some(StepRecord::new(None, id, why.get(id).copied(), outcome))
        })
        .collect();
    steps.sort_by_key(|step| step.end == StepEnd::Done);
    steps
}
