//! What is known at the end of a run, by lookup.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::form::PushStatus;
use crate::facts::{CacheState, Fact, Meta, NodeState, Observed, Outcome, RecordEntry, StepId};
use crate::model::{ArtifactId, FileName, PushTarget};
use crate::plan::{Action, Blocked, BlockedReason, Plan, PlannedTemplate, Step};

/// What is known at the end of a run, by lookup.
pub struct Results<'a> {
    pub(super) observed: &'a Observed,
    pub(super) outcomes: Option<&'a BTreeMap<StepId, Outcome>>,
    pub(super) metas: HashMap<ArtifactId, Meta>,
    pub(super) steps: HashMap<&'a StepId, &'a Step>,
    pub(super) blocked: HashMap<&'a StepId, &'a Blocked>,
    pub(super) fetching: HashMap<&'a ArtifactId, &'a StepId>,
    pub(super) shared: &'a BTreeMap<StepId, StepId>,
    pub(super) templates: &'a BTreeMap<StepId, PlannedTemplate>,
    pub(super) now: Timestamp,
}

impl<'a> Results<'a> {
    /// Gathers what is known. Without outcomes the plan is taken to succeed, which
    /// is what a dry run shows.
    pub fn new(
        plan: &'a Plan,
        observed: &'a Observed,
        outcomes: Option<&'a BTreeMap<StepId, Outcome>>,
    ) -> Self {
        let mut fetching = HashMap::new();
        for step in &plan.steps {
            match &step.action {
                Action::Fetch {
                    download, unpack, ..
                } => {
                    fetching.insert(download, &step.id);
                    if let Some((raw, _)) = unpack {
                        fetching.insert(raw, &step.id);
                    }
                }
                Action::Unpack { to, .. } => {
                    fetching.insert(to, &step.id);
                }
                _ => {}
            }
        }
        let mut metas = in_sync(&observed.cache);
        metas.retain(|artifact, _| !fetching.contains_key(artifact));
        for outcome in outcomes.into_iter().flat_map(BTreeMap::values) {
            if let Outcome::Done { fact } = outcome {
                learn(&mut metas, fact);
            }
        }
        Self {
            observed,
            outcomes,
            metas,
            steps: plan.steps.iter().map(|step| (&step.id, step)).collect(),
            blocked: plan
                .blocked
                .iter()
                .map(|blocked| (&blocked.id, blocked))
                .collect(),
            fetching,
            shared: &plan.shared,
            templates: &plan.templates,
            now: observed.now,
        }
    }

    /// The ID that Proxmox VE has for a file, where it is known which storage it is on.
    pub(super) fn volume(&self, target: &PushTarget, file: &FileName) -> Option<String> {
        let described = self.observed.catalog.storages.get(&target.node);
        let described = described.and_then(|storages| storages.config());
        if let Some(volume) = described.and_then(|config| config.volume(&target.dir, file)) {
            return Some(volume);
        }
        let NodeState::Listed { dirs, .. } = self.observed.nodes.get(&target.node)? else {
            return None;
        };
        let listed = dirs.get(&target.dir).filter(|listed| listed.is_proxmox)?;
        listed.root.as_ref()?.volume(&target.dir, file)
    }

    /// What the record of the node says of a file that is there at the end of the run.
    pub(super) fn recorded(&self, push: &StepId) -> Option<&RecordEntry> {
        // Of the nodes of a shared storage one has the record for all.
        let id = self.shared.get(push).unwrap_or(push);
        if self.steps.contains_key(id) {
            // What was recorded before is of the file that is replaced.
            return match self.outcomes?.get(id)? {
                Outcome::Done {
                    fact: Fact::Pushed { entry, .. },
                } => Some(entry.as_ref()),
                _ => None,
            };
        }
        let (target, file) = id.path()?;
        let NodeState::Listed { dirs, .. } = self.observed.nodes.get(&target.node)? else {
            return None;
        };
        dirs.get(&target.dir)?.record.get(&file)
    }

    /// True if a step was left out only because nobody selected it.
    pub(super) fn is_left_out(&self, id: &StepId) -> bool {
        let id = self.shared.get(id).unwrap_or(id);
        let blocked = self.blocked.get(id);
        blocked.is_some_and(|blocked| blocked.as_if_selected().is_none())
    }

    /// Why a step did not succeed, for the user; `None` if it did, or would.
    pub(super) fn trouble(&self, id: &StepId) -> Option<(PushStatus, String)> {
        // Of the nodes of a shared storage one delivers for all.
        let id = self.shared.get(id).unwrap_or(id);
        if let Some(blocked) = self.blocked.get(id) {
            let reason = blocked.reason.underlying();
            let status = match reason {
                BlockedReason::NodeUnreachable { .. } | BlockedReason::NoSpace { .. } => {
                    PushStatus::Error
                }
                _ => PushStatus::Blocked,
            };
            return Some((status, reason.to_string()));
        }
        self.steps.get(id)?;
        match self.outcomes?.get(id) {
            Some(Outcome::Done { .. }) => None,
            Some(Outcome::Failed { failure }) => Some((PushStatus::Error, failure.error.clone())),
            Some(
                outcome @ (Outcome::Skipped { .. }
                | Outcome::Outdated { .. }
                | Outcome::UnderWay
                | Outcome::Left { .. }),
            ) => Some((PushStatus::Blocked, outcome.to_string())),
            Some(Outcome::Cancelled) | None => {
                Some((PushStatus::Blocked, Outcome::Cancelled.to_string()))
            }
        }
    }
}

fn in_sync(cache: &CacheState) -> HashMap<ArtifactId, Meta> {
    let present = cache.files.values().filter(|cached| cached.size.is_some());
    present
        .map(|cached| (cached.meta.artifact.clone(), cached.meta.clone()))
        .collect()
}

fn learn(metas: &mut HashMap<ArtifactId, Meta>, fact: &Fact) {
    let mut add = |meta: &Meta| metas.insert(meta.artifact.clone(), meta.clone());
    match fact {
        Fact::Fetched {
            download, unpacked, ..
        } => {
            add(download);
            if let Some(unpacked) = unpacked {
                add(unpacked);
            }
        }
        Fact::Unpacked { meta } => {
            add(meta);
        }
        Fact::Registered { .. }
        | Fact::Pushed { .. }
        | Fact::Verified { .. }
        | Fact::Removed { .. }
        | Fact::TemplateCreated { .. }
        | Fact::TemplateSwitched
        | Fact::TemplateRemoved => {}
    }
}
