//! What goes of templates: leftovers of creations, those that were replaced beyond what is
//! kept, and those that nobody wants.

use std::collections::BTreeSet;

use super::TemplatePlanner;
use super::own::OwnTemplate;
use crate::facts::{StepId, TemplateState};
use crate::model::{NodeId, TemplateName, VmId, visible};
use crate::plan::blocked::BlockedReason;
use crate::plan::step::{Action, Why};
use crate::plan::template::{TemplateBlock, WantedTemplate};
use crate::plan::wanted::WantedBy;

/// How many that were replaced stay where pruning is enabled and the order says nothing.
const KEPT: u32 = 1;

impl<'a> TemplatePlanner<'a, '_> {
    /// What is left of creations that were interrupted, or that something else came
    /// after. One that something works on may still become a template.
    pub(super) fn remove_leftovers(&mut self, own: &[OwnTemplate<'a>], right: Option<VmId>) {
        let is_left = |one: &&OwnTemplate<'a>| {
            one.mark.state == TemplateState::New && Some(one.vmid) != right
        };
        for one in own.iter().filter(is_left) {
            if one.config.lock().is_none() {
                let _ = self.removal(one, Why::Unfinished, Vec::new(), WantedBy::default());
            }
        }
    }

    /// Those that were replaced in earlier runs, but for the last ones.
    pub(super) fn remove_retired(
        &mut self,
        wanted: &WantedTemplate,
        own: &[OwnTemplate<'a>],
        right: Option<VmId>,
    ) {
        let mut retired: Vec<&OwnTemplate<'a>> = own
            .iter()
            .filter(|one| one.config.is_template() && one.mark.state == TemplateState::Retired)
            .filter(|one| Some(one.vmid) != right)
            .collect();
        retired.sort_by_key(|one| std::cmp::Reverse((one.mark.made_at, one.vmid)));
        for (at, one) in retired.into_iter().enumerate() {
            let keep = match wanted.template.keep {
                Some(keep) => keep,
                None if self.input.policy.prune.removes(one.node, wanted.deletion) => KEPT,
                None => continue,
            };
            if at >= keep as usize {
                let _ = self.removal(
                    one,
                    Why::BeyondRetired { keep },
                    Vec::new(),
                    WantedBy::default(),
                );
            }
        }
    }

    /// Those that no order wants any more, where they are meant to go.
    pub(super) fn remove_unwanted(&mut self) {
        let wanted: BTreeSet<(&NodeId, &TemplateName)> = self
            .input
            .desired
            .templates
            .iter()
            .flat_map(|(place, wanted)| wanted.nodes.keys().map(|node| (node, &place.name)))
            .collect();
        let unwanted: Vec<OwnTemplate<'a>> = self
            .own
            .iter()
            .filter(|(name, one)| !wanted.contains(&(one.node, *name)))
            .map(|(_, one)| one.clone())
            .collect();
        for one in unwanted {
            if !self.input.policy.prune.removes(one.node, one.mark.deletion) {
                continue;
            }
            let id = StepId::remove_template(one.node, one.vmid);
            if let Some(why) = self.input.removals_blocked_on(one.node) {
                let reason = BlockedReason::PruneBlocked { why };
                self.draft.block_removal(id, reason);
                continue;
            }
            if self.input.wants_nothing() {
                let why = "no order is for the nodes of this controller; hint: if that is \
                           meant, destroy the template by hand";
                let reason = BlockedReason::PruneBlocked {
                    why: why.to_owned(),
                };
                self.draft.block_removal(id, reason);
                continue;
            }
            let observed = self.input.observed;
            let missed = observed.memory.unwanted_since.get(&id).copied();
            let until = self.input.policy.prune.grace(missed, observed.now);
            if let Some(until) = until {
                self.draft
                    .block_removal(id, BlockedReason::InGrace { until });
                continue;
            }
            let since = missed.unwrap_or(observed.now).as_second();
            let hours = (observed.now.as_second() - since) / 3600;
            let hours = u64::try_from(hours).unwrap_or(0);
            let _ = self.removal(
                &one,
                Why::NotWanted { hours },
                Vec::new(),
                WantedBy::default(),
            );
        }
    }

    /// Plans a removal. The error is the identity of the step, which is blocked.
    pub(super) fn removal(
        &mut self,
        own: &OwnTemplate<'a>,
        why: Why,
        needs: Vec<StepId>,
        wanted_by: WantedBy,
    ) -> Result<StepId, StepId> {
        let id = StepId::remove_template(own.node, own.vmid);
        // One that gives its number to a new one may also be a leftover, or retired.
        match self.removals.get(&id) {
            Some(true) => return Ok(id),
            Some(false) => return Err(id),
            None => {}
        }
        let reason = self.refusal_of(own, &why, &id);
        self.removals.insert(id.clone(), reason.is_none());
        if let Some(reason) = reason {
            self.draft.block(id.clone(), reason, wanted_by);
            return Err(id);
        }
        let action = Action::RemoveTemplate {
            node: own.node.clone(),
            vmid: own.vmid,
            name: visible(own.config.name()).into_owned(),
            mark: own.config.mark_line().unwrap_or_default().to_owned(),
        };
        // What gives its number away goes only for the order that wants the new one.
        self.draft.step(action, why, needs, wanted_by);
        Ok(id)
    }

    /// Why a template of ours stays for now.
    fn refusal_of(&self, own: &OwnTemplate<'a>, why: &Why, id: &StepId) -> Option<BlockedReason> {
        let vmid = own.vmid;
        let template = |why| Some(BlockedReason::Template { why });
        if matches!(why, Why::BeyondRetired { .. })
            && let Some(why) = self.input.removals_blocked_on(own.node)
        {
            return Some(BlockedReason::PruneBlocked { why });
        }
        if own.config.is_protected() {
            return template(TemplateBlock::Protected { vmid });
        }
        if let Some(lock) = own.config.lock() {
            let lock = visible(lock).into_owned();
            return template(TemplateBlock::Locked { vmid, lock });
        }
        if own.config.is_template() {
            let clones = own.vms.clones.as_ref();
            match clones.and_then(|clones| clones.get(&vmid)) {
                None => {
                    return template(TemplateBlock::ClonesUnknown {
                        vmid,
                        why: own.vms.clones_unknown.clone(),
                    });
                }
                Some(vms) if !vms.is_empty() => {
                    let vms = vms.iter().map(|vm| vm.get()).collect();
                    return Some(BlockedReason::InUse { vms });
                }
                Some(_) => {}
            }
        }
        self.input.not_planned(id)
    }
}
