//! The content of `status` and `status.json`: the condition of each order on each node.
//!
//! Written when a run started and when it is over, so that it is right while the
//! controller runs and says how things were left while it does not. Making one is
//! pure; the loop brings the times.

mod notes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::notes::notes;
use super::condition::{self, Condition, LastConditions};
use super::counters::RunCounters;
use super::known::{self, ImageLine, NodeLine, OrderLine};
use super::memory::next_ring;
use super::reason::{Reason, reason_of};
use super::record::{Occasion, RunRecord, Totals};
use super::report::Report;
use super::rings_left::RingsLeft;
use super::rollouts::{self, RolloutLine};
use super::scope::Scope;
use super::site_line::{SiteLine, SiteRole};
use super::source_line::SourceLine;
use super::state::ConditionState;
use super::trigger_form::WrittenTrigger;
use super::verdict::Verdict;
use super::words::Words;
use crate::facts::{ApprovalId, Backoff, Memory, RolloutInstruction, StepId, Suspended};
use crate::model::{FileName, NodeId, OrderId, OrderSet, SiteName, Trigger};
use crate::plan::{Blocked, BlockedReason, PlannedRollout};

/// So many things blocked are listed; more would not be read.
pub(super) const BLOCKED_MAX: usize = 1000;

/// How things are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The controller's name.
    pub owner: String,
    /// The revision of the orders, where they are under git.
    pub revision: Option<String>,
    /// Where the orders come from, where the program fetches them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
    /// The sites that this controller serves in a fleet, with who leads them. They have a
    /// file of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sites: BTreeMap<SiteName, SiteLine>,
    /// Why the configuration of the last reload was refused, if it was: the one before it is in
    /// effect. It has a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_config: Option<String>,
    /// The current run.
    pub running: Option<Running>,
    /// The last run that is over.
    #[serde(rename = "last_pass")]
    pub last_run: Option<LastRun>,
    /// When the next one begins; absent where no controller runs.
    #[serde(rename = "next_pass")]
    pub next_run: Option<Timestamp>,
    /// When the first window opens that something waited for in the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_window: Option<Timestamp>,
    /// When the first ring has soaked that another one waited for in the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_ring: Option<Timestamp>,
    /// What all runs found and did since the file was begun.
    pub totals: Totals,
    /// The same in more detail, for metrics.
    #[serde(skip_serializing_if = "RunCounters::is_empty")]
    pub counters: RunCounters,
    /// When the last run was over that could look: what is ready was ready then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// The status of each order, and each order on each node.
    pub conditions: Vec<Condition>,
    /// What is blocked, and until when.
    #[serde(rename = "held")]
    pub blocked: Vec<BlockedLine>,
    /// How many more things are blocked.
    #[serde(rename = "more_held")]
    pub more_blocked: usize,
    /// The nodes that do not answer, with when they are asked again.
    pub circuits: BTreeMap<NodeId, Backoff>,
    /// What is suspended by `suspend`.
    pub suspended: Suspended,
    /// How far new images are in the rings of their orders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rollouts: Vec<RolloutLine>,
    /// What else the user should know.
    pub notes: Vec<String>,
    /// The orders of the last run that could be read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub orders: BTreeMap<OrderId, OrderLine>,
    /// The nodes that it observed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<NodeId, NodeLine>,
    /// The images that the orders want, by their file in the cache.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<FileName, ImageLine>,
}

/// A run that is going on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Running {
    /// What started it.
    #[serde(flatten, with = "super::trigger_form")]
    #[schemars(with = "WrittenTrigger")]
    pub trigger: Trigger,
    /// When it began.
    pub since: Timestamp,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
    /// When it began.
    pub started: Timestamp,
    /// When it was over.
    pub finished: Timestamp,
    /// What started it.
    #[serde(flatten, with = "super::trigger_form")]
    #[schemars(with = "WrittenTrigger")]
    pub trigger: Trigger,
    /// What it came to.
    pub verdict: Verdict,
    /// What kept it from looking, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it found and did.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Something that is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlockedLine {
    /// The step it would be.
    pub step: StepId,
    /// Why it is not done, in a word.
    #[serde(flatten, with = "super::words::always")]
    #[schemars(with = "Words")]
    pub reason: Reason,
    /// Why it is not done, for the user.
    pub message: String,
    /// When it is tried next, where that is known; otherwise with the next run
    /// after its cause is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// What `approve` takes, where approval unblocks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The orders that it is wanted by; none for a prune.
    #[serde(default)]
    pub orders: BTreeSet<OrderId>,
}

impl Status {
    /// A run has begun.
    #[must_use]
    pub fn begun(mut self, owner: &str, trigger: Trigger, since: Timestamp) -> Self {
        owner.clone_into(&mut self.owner);
        self.running = Some(Running { trigger, since });
        self.next_run = None;
        self
    }

    /// A run has planned, and its steps begin: what is in rings now can be stopped now. What
    /// is known of other orders stays, as far as they are not `own`.
    #[must_use]
    pub fn planned(
        mut self,
        planned: &[PlannedRollout],
        instructed: &BTreeMap<OrderId, RolloutInstruction>,
        own: impl Fn(&OrderId) -> bool,
    ) -> Self {
        self.rollouts.retain(|line| !own(&line.planned.order));
        self.rollouts.extend(rollouts::lines(planned, instructed));
        self
    }

    /// A run is over. `memory` is what is remembered after it.
    #[must_use]
    pub fn finished(
        mut self,
        occasion: &Occasion,
        orders: &OrderSet,
        report: &Report,
        memory: &Memory,
    ) -> Self {
        let record = RunRecord::new(occasion, report);
        let before = LastConditions {
            conditions: &self.conditions,
            looked_at: self.looked_at,
        };
        let left = RingsLeft::of(
            &report.look.plan,
            &report.outcomes,
            memory,
            occasion.finished,
        );
        self.conditions =
            condition::conditions(&before, orders, (report, &left), memory, occasion.finished);
        self.looked_at = Some(occasion.finished);
        let blocked = &report.look.plan.blocked;
        let blocked: Vec<_> = blocked.iter().filter_map(Blocked::as_if_selected).collect();
        self.more_blocked = blocked.len().saturating_sub(BLOCKED_MAX);
        self.blocked = blocked
            .iter()
            .take(BLOCKED_MAX)
            .map(|blocked| left.blocked(blocked))
            .map(|blocked| BlockedLine {
                step: blocked.id.clone(),
                reason: reason_of(&blocked),
                message: blocked.reason.to_string(),
                next_try: next_try(&blocked.reason, memory),
                approval: match &blocked.reason {
                    BlockedReason::OverBudget { approval, .. } => Some(approval.clone()),
                    _ => None,
                },
                orders: blocked
                    .wanted_by
                    .iter()
                    .map(|at| at.order.clone())
                    .collect(),
            })
            .collect();
        self.circuits = memory.circuits.clone();
        self.suspended = memory.suspended.clone();
        self.rollouts = rollouts::lines(&left.rollouts, &memory.instructed);
        let opens = report.look.plan.next_window();
        self.next_window = opens.map(|(opens, _)| opens);
        self.next_ring = next_ring(&report.look, memory);
        self.notes = notes(report);
        self.notes
            .extend(memory.instruction_troubles.iter().cloned());
        self.orders = known::orders(orders);
        self.nodes = known::nodes(&self.nodes, report);
        self.images = known::images(report);
        self.totals.add(&record.totals);
        let nodes = self.nodes.keys().cloned().collect();
        self.counters.add(occasion, report, &nodes);
        self.over(occasion, record)
    }

    /// A run failed before planning. What is known of the orders stays.
    #[must_use]
    pub fn unable(mut self, occasion: &Occasion, error: String) -> Self {
        self.counters.add_run(occasion, Verdict::Failed);
        let record = RunRecord::unable(occasion, error);
        self.over(occasion, record)
    }

    /// The same where no controller lives: what it announced does not come. Without a
    /// process that holds the cache (`is_locked`), a run that began is not going on either.
    #[must_use]
    pub fn without_controller(mut self, is_locked: bool) -> Self {
        self.next_run = None;
        self.sites.clear();
        self.refused_config = None;
        if let Some(running) = self.running.take_if(|_| !is_locked) {
            self.notes.push(format!(
                "the run that began at {} did not finish: its process is gone",
                running.since.strftime("%FT%TZ")
            ));
        }
        self
    }

    /// The status as it is told, over HTTP and as data: without what is kept in it for the
    /// metrics.
    #[must_use]
    pub fn told(mut self) -> Self {
        self.counters = RunCounters::default();
        self.looked_at = None;
        for condition in &mut self.conditions {
            condition.last_ready = None;
        }
        self
    }

    fn over(mut self, occasion: &Occasion, record: RunRecord) -> Self {
        occasion.owner.clone_into(&mut self.owner);
        self.source.clone_from(&occasion.source);
        self.running = None;
        self.revision = record.revision;
        self.last_run = Some(LastRun {
            started: record.started,
            finished: record.finished,
            trigger: record.trigger,
            verdict: record.verdict,
            error: record.error,
            totals: record.totals,
        });
        self
    }

    /// True if the last run could plan and everything it concerns is ready or suspended.
    pub fn is_ready(&self) -> bool {
        let looked = self
            .last_run
            .as_ref()
            .is_some_and(|run| run.verdict != Verdict::Failed);
        looked
            && self
                .conditions
                .iter()
                .all(|condition| condition.state.is_fine())
    }

    /// What became of the last reload, where its configuration was refused.
    pub fn refused_reload(&self) -> Option<String> {
        let why = self.refused_config.as_ref()?;
        Some(format!(
            "refused: {why}; the configuration before it stays in effect"
        ))
    }

    /// True if it leads at least one of its sites, or is a single controller.
    pub fn leads(&self) -> bool {
        let mut lines = self.sites.values();
        self.sites.is_empty() || lines.any(|line| line.state == SiteRole::Leader)
    }

    /// False if the last run had no such order or node.
    pub fn knows(&self, scope: &Scope) -> bool {
        let mut conditions = self.conditions.iter();
        let is_there = match scope {
            Scope::All => true,
            Scope::Order(id) => conditions.any(|c| c.order.as_deref() == Some(id.as_str())),
            Scope::Node(id) => {
                self.nodes.contains_key(id) || conditions.any(|c| c.node.as_ref() == Some(id))
            }
        };
        is_there || self.last_run.is_none()
    }

    /// The status with what an operator has suspended since: that takes effect at once,
    /// before the next run.
    #[must_use]
    pub fn with_suspended(mut self, suspended: Suspended) -> Self {
        for condition in &mut self.conditions {
            let last_ready = condition.ready_at(self.looked_at);
            condition.apply(&suspended, &self.suspended);
            if condition.state != ConditionState::Ready {
                condition.last_ready = last_ready;
            }
        }
        self.suspended = suspended;
        self
    }

    /// The status with what operators say of rollouts now.
    #[must_use]
    pub fn with_instructed(mut self, said: &BTreeMap<OrderId, RolloutInstruction>) -> Self {
        for line in &mut self.rollouts {
            line.keep_to(said.get(&line.planned.order));
        }
        self
    }
}

impl Status {
    /// When a window opens or a ring has soaked that something waits for.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_window.into_iter().chain(self.next_ring).min()
    }

    /// The same after a run that did not come to a plan: what is still ahead.
    pub fn still_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.next_window.into_iter().chain(self.next_ring);
        due.filter(|due| *due > now).min()
    }
}

fn next_try(reason: &BlockedReason, memory: &Memory) -> Option<Timestamp> {
    match reason {
        BlockedReason::BackingOff { until, .. }
        | BlockedReason::OutsideWindow { until, .. }
        | BlockedReason::InGrace { until } => Some(*until),
        BlockedReason::WaitsForRing { until, .. } => *until,
        BlockedReason::NodeUnreachable { node, .. } => {
            memory.circuits.get(node).map(|circuit| circuit.until)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
