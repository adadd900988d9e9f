//! The memory between passes: kept in a file, and carried on by a pure function.
//!
//! [`after`] takes what was remembered, the look and the outcomes of a pass, and
//! says what is to be remembered now. It reads no clock and throws no dice: the
//! jitter of a waiting time follows from the step's identity and its failures, so
//! that many steps that fail together are not tried again together, and a test can
//! say what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::links;
use super::scope::Scope;
use crate::facts::{
    ApprovalId, Backoff, Fact, KnownNode, Link, Memory, NodeState, Outcome, RelayBackoff, StepId,
};
use crate::model::{Dir, FileName, NodeId, PushTarget};
use crate::plan::{Action, HeldReason, Look, Step, missed};

/// How long to wait after failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryLimits {
    /// After the first failure of a step; it doubles with each.
    pub step: Duration,
    /// After the first time that a node does not answer; it doubles with each.
    pub node: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(1),
            // Asking a node that is off costs the whole time to connect, once a
            // pass; one that restarts is away for minutes.
            node: Duration::from_secs(15),
            most: Duration::from_secs(15 * 60),
        }
    }
}

/// What is to be remembered after a pass that ended at `now`.
pub fn after(
    memory: &Memory,
    look: &Look,
    outcomes: &BTreeMap<StepId, Outcome>,
    now: Timestamp,
    limits: &RetryLimits,
) -> Memory {
    let pass = Pass {
        memory,
        look,
        outcomes,
        now,
        limits,
    };
    let places = pass.places();
    Memory {
        unwanted_since: pass.unwanted_since(&places),
        backoff: pass.backoff(),
        circuits: pass.circuits(&places),
        approved: pass.approved(),
        suspended: memory.suspended.clone(),
        verified: pass.verified(&places),
        links: pass.links(&places),
        detours: pass.detours(&places),
        clock: memory.clock.clone(),
        places,
    }
}

/// Forgets failures, so that what they hold back is tried in the next pass: a person
/// who asks for a pass now has often just mended something.
pub fn forgive(memory: &mut Memory, scope: &Scope) {
    match scope {
        // Which steps an order needs is known only to a plan, and trying too much
        // is harmless.
        Scope::All | Scope::Order(_) => {
            memory.backoff.clear();
            memory.circuits.clear();
        }
        Scope::Node(node) => {
            memory.circuits.remove(node);
            memory
                .backoff
                .retain(|id, _| id.node().as_ref() != Some(node));
        }
    }
}

/// When the first of the failures is to be tried again; a pass before that finds the
/// same held back.
pub fn next_try(memory: &Memory) -> Option<Timestamp> {
    let failures = memory.backoff.values().chain(memory.circuits.values());
    failures.map(|failure| failure.until).min()
}

struct Pass<'a> {
    memory: &'a Memory,
    look: &'a Look,
    outcomes: &'a BTreeMap<StepId, Outcome>,
    now: Timestamp,
    limits: &'a RetryLimits,
}

impl Pass<'_> {
    fn outcome(&self, id: &StepId) -> Option<&Outcome> {
        self.outcomes.get(id)
    }

    fn is_done(&self, step: &Step) -> bool {
        self.outcome(&step.id).is_some_and(Outcome::is_success)
    }

    /// What was learned from the steps that are done.
    fn done(&self) -> impl Iterator<Item = (&Step, &Fact)> {
        self.look
            .plan
            .steps
            .iter()
            .filter_map(|step| match self.outcome(&step.id)? {
                Outcome::Done { fact } => Some((step, fact)),
                _ => None,
            })
    }

    /// True if what we placed there is known: the node answers, and the directory's record
    /// can be read.
    fn knows(&self, id: &StepId, node: &NodeId) -> bool {
        let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get(node) else {
            return false;
        };
        let dir = id.target().and_then(|target| dirs.get(&target.dir));
        dir.is_none_or(|dir| dir.unread.is_none())
    }

    /// Since when files are not wanted. A removal that the orders' own state blocks
    /// starts no clock: what a file that cannot be read wants is not unwanted. Of a node
    /// that does not answer, and of a directory whose record cannot be read, nothing is
    /// forgotten but what is wanted again.
    fn unwanted_since(&self, places: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<StepId, Timestamp> {
        let mut since: BTreeMap<StepId, Timestamp> = BTreeMap::new();
        for (id, &first) in &self.memory.unwanted_since {
            let Some(node) = id.node().filter(|node| places.contains_key(node)) else {
                continue;
            };
            if !self.knows(id, &node) {
                since.insert(id.clone(), first);
            }
        }
        let begin = self.look.observed.now;
        let mut consider = |id: &StepId, starts: bool| {
            let first = self.memory.unwanted_since.get(id).copied();
            if let Some(first) = first.or_else(|| starts.then_some(begin)) {
                since.insert(id.clone(), first);
            }
        };
        for step in &self.look.plan.steps {
            if step.id.removes_from_node() && !self.is_done(step) {
                consider(&step.id, true);
            }
        }
        for held in self
            .look
            .plan
            .held
            .iter()
            .filter(|held| held.id.removes_from_node())
        {
            let blocked = matches!(held.reason, HeldReason::PruneBlocked { .. });
            consider(&held.id, !blocked);
        }
        let placed = &self.look.desired.placed;
        let is_wanted = |id: &StepId| {
            let (target, file) = id.path()?;
            Some(placed.get(&target)?.contains_key(&file))
        };
        since.retain(|id, _| is_wanted(id) != Some(true));
        let mut cached = missed(&self.look.desired, &self.look.observed);
        cached.retain(|id, _| !self.outcome(id).is_some_and(Outcome::is_success));
        since.extend(cached);
        since
    }

    /// The failures of the steps that are still planned. One that did not get its
    /// turn keeps its history.
    fn backoff(&self) -> BTreeMap<StepId, Backoff> {
        let before = &self.memory.backoff;
        let mut backoff = BTreeMap::new();
        let plan = &self.look.plan;
        let still = plan.held.iter().map(|held| &held.id);
        for id in still.chain(plan.steps.iter().map(|step| &step.id)) {
            if let Some(entry) = before.get(id) {
                backoff.insert(id.clone(), entry.clone());
            }
        }
        for step in &plan.steps {
            match self.outcome(&step.id) {
                Some(Outcome::Done { .. }) => {
                    backoff.remove(&step.id);
                }
                Some(Outcome::Failed { failure }) => {
                    let entry = self.failed(
                        before.get(&step.id),
                        step.id.as_str(),
                        self.limits.step,
                        &failure.error,
                    );
                    backoff.insert(step.id.clone(), entry);
                }
                Some(
                    Outcome::Skipped { .. }
                    | Outcome::Outdated { .. }
                    | Outcome::UnderWay
                    | Outcome::Cancelled,
                )
                | None => {}
            }
        }
        backoff
    }

    /// How fast links are; nodes that nobody looks at any more are forgotten.
    fn links(&self, places: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<NodeId, Link> {
        let steps = &self.look.plan.steps;
        let now = self.look.observed.now;
        let mut links = links::links(self.memory, steps, self.outcomes, now);
        links.retain(|node, _| places.contains_key(node));
        links
    }

    /// The relays that are left out, for as long as a failure waits at most.
    fn detours(&self, places: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<NodeId, RelayBackoff> {
        let steps = &self.look.plan.steps;
        let begin = self.look.observed.now;
        let until = until(self.now, self.limits.most);
        let mut detours = links::detours(self.memory, steps, self.outcomes, begin, until);
        detours.retain(|node, _| places.contains_key(node));
        detours
    }

    /// The nodes that do not answer. One that was not asked, because its circuit was
    /// open, counts no further failure; one that nobody looks at any more is forgotten.
    fn circuits(&self, places: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<NodeId, Backoff> {
        let mut circuits = BTreeMap::new();
        for (node, entry) in &self.memory.circuits {
            let looked_at = self.look.observed.nodes.contains_key(node);
            if !looked_at && places.contains_key(node) {
                circuits.insert(node.clone(), entry.clone());
            }
        }
        for (node, state) in &self.look.observed.nodes {
            let NodeState::Unreachable { why } = state else {
                continue;
            };
            let before = self.memory.circuits.get(node);
            let entry = match before {
                Some(open) if open.until > self.look.observed.now => open.clone(),
                before => self.failed(before, node.as_str(), self.limits.node, why),
            };
            circuits.insert(node.clone(), entry);
        }
        circuits
    }

    fn failed(&self, before: Option<&Backoff>, what: &str, first: Duration, why: &str) -> Backoff {
        let failures = before.map_or(0, |entry| entry.failures).saturating_add(1);
        let wait = wait(what, failures, first, self.limits.most);
        Backoff {
            failures,
            until: until(self.now, wait),
            error: why.to_owned(),
        }
    }

    /// An approval is for one list of one node. It is spent once a pass came to
    /// decide over removals and did them all: then the list is gone or another one.
    /// Where a node did not answer, where removals were blocked or failed, the list
    /// it is for may come up again, so it stays.
    fn approved(&self) -> BTreeSet<ApprovalId> {
        let plan = &self.look.plan;
        let unfinished = plan
            .steps
            .iter()
            .any(|step| step.id.removes_from_node() && !self.is_done(step));
        let undecided = plan.held.iter().any(|held| match held.reason {
            HeldReason::PruneBlocked { .. }
            | HeldReason::NodeUnreachable { .. }
            | HeldReason::Suspended { .. }
            | HeldReason::BackingOff { .. }
            | HeldReason::UseUnknown { .. }
            | HeldReason::NotMounted { .. } => held.id.removes_from_node(),
            HeldReason::RecordUnread { .. } => true,
            _ => false,
        });
        let silent = |state: &NodeState| matches!(state, NodeState::Unreachable { .. });
        let silent = self.look.observed.nodes.values().any(silent);
        if unfinished || undecided || silent {
            return self.memory.approved.clone();
        }
        let asked = plan.held.iter().filter_map(|held| match &held.reason {
            HeldReason::OverBudget { approval, .. } => Some(approval),
            _ => None,
        });
        let asked: BTreeSet<&ApprovalId> = asked.collect();
        let approved = self.memory.approved.iter();
        approved.filter(|id| asked.contains(id)).cloned().collect()
    }

    /// When files were last read back. That they were checked on arrival stands in
    /// their records, so what was never read back needs no place here.
    fn verified(&self, places: &BTreeMap<NodeId, KnownNode>) -> BTreeMap<StepId, Timestamp> {
        let mut verified = self.memory.verified.clone();
        verified.retain(|id, _| self.may_be_there(id, places));
        let now = self.look.observed.now;
        for (step, fact) in self.done() {
            match (&step.action, fact) {
                (_, Fact::Verified { .. }) => {
                    verified.insert(step.id.clone(), now);
                }
                (Action::Push { target, file, .. }, Fact::Pushed { .. })
                | (Action::PruneNode { target, file, .. }, Fact::Removed { .. }) => {
                    verified.remove(&StepId::verify_node(target, file));
                }
                (Action::Fetch { file, unpack, .. }, Fact::Fetched { .. }) => {
                    verified.remove(&StepId::verify_cache(file));
                    if let Some((_, unpacked)) = unpack {
                        verified.remove(&StepId::verify_cache(unpacked));
                    }
                }
                (Action::Unpack { file, .. }, Fact::Unpacked { .. })
                | (Action::PruneCache { file, .. }, Fact::Removed { .. }) => {
                    verified.remove(&StepId::verify_cache(file));
                }
                _ => {}
            }
        }
        verified
    }

    /// False for a file that was looked for and is not on record any more.
    fn may_be_there(&self, id: &StepId, places: &BTreeMap<NodeId, KnownNode>) -> bool {
        if let Some(file) = id.cached() {
            return self.look.observed.cache.files.contains_key(&file);
        }
        let Some((target, file)) = id.path() else {
            return false;
        };
        match self.look.observed.nodes.get(&target.node) {
            Some(NodeState::Listed { dirs, .. }) => {
                let dir = dirs.get(&target.dir);
                dir.is_some_and(|dir| dir.unread.is_some() || dir.record.contains_key(&file))
            }
            Some(NodeState::Unreachable { .. }) => true,
            None => places.contains_key(&target.node),
        }
    }

    /// Where images were delivered to. A directory is forgotten once no order names
    /// it, the record there is empty, and no part of an image lies there.
    fn places(&self) -> BTreeMap<NodeId, KnownNode> {
        let specs = &self.look.desired.nodes;
        let mut places = self.memory.places.clone();
        for (id, place) in &mut places {
            if let Some(node) = specs.get(id) {
                place.node = node.clone();
            }
        }
        for target in self.look.desired.placed.keys() {
            let Some(node) = specs.get(&target.node) else {
                continue;
            };
            let place = places
                .entry(target.node.clone())
                .or_insert_with(|| KnownNode {
                    node: node.clone(),
                    dirs: BTreeSet::new(),
                });
            place.dirs.insert(target.dir.clone());
        }
        for (id, place) in &mut places {
            if let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get(id) {
                for (dir, state) in dirs {
                    if !state.record.is_empty() || !state.parts.is_empty() {
                        place.dirs.insert(dir.clone());
                    }
                }
            }
            place.dirs.retain(|dir| self.is_in_use(id, dir));
        }
        places.retain(|_, place| !place.dirs.is_empty());
        places
    }

    fn is_in_use(&self, node: &NodeId, dir: &Dir) -> bool {
        let target = PushTarget {
            node: node.clone(),
            dir: dir.clone(),
        };
        if self.look.desired.placed.contains_key(&target) {
            return true;
        }
        // Unknown is not empty.
        let Some(NodeState::Listed { dirs, .. }) = self.look.observed.nodes.get(node) else {
            return true;
        };
        let Some(state) = dirs.get(dir) else {
            return true;
        };
        let removed = |file: &FileName| {
            self.outcome(&StepId::prune_node(&target, file))
                .is_some_and(Outcome::is_success)
        };
        !state.parts.is_empty()
            || state.unread.is_some()
            || state.record.keys().any(|file| !removed(file))
    }
}

fn until(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// How long to wait after so many failures in a row: doubling from `first` up to
/// `most`, less up to a quarter by chance that is not.
fn wait(what: &str, failures: u32, first: Duration, most: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let full = first.saturating_mul(1 << doublings).min(most);
    let digest = Sha256::digest(format!("{failures} {what}"));
    let chance = f64::from(u16::from_be_bytes([digest[0], digest[1]])) / 65536.0;
    full.mul_f64(1.0 - chance / 4.0)
}

#[cfg(test)]
mod tests;
