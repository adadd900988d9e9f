//! Template VMs: each one that is wanted is in sync, made beside the one that is there and
//! switched to, or blocked; those that were replaced, or that nobody wants, go.
//!
//! Ours is what holds our mark with its own number, and nothing else: a clone has the notes
//! of its template, a virtual machine of the same name may be anybody's.

mod create;
mod own;
mod remove;
mod rollout;
mod vmids;

use std::collections::{BTreeMap, BTreeSet};

use self::own::{OwnTemplate, OwnTemplates};
use self::rollout::Rollouts;
use self::vmids::FreeVmIds;
use crate::facts::{NodeVms, StepId, TemplateState, VmInventory};
use crate::model::{FileName, NodeId, PushTarget, Sha256, TemplateName, VmId, VmIds, visible};
use crate::plan::blocked::BlockedReason;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, PlannedTemplate, RetiredTemplate, SwitchTemplate, Why};
use crate::plan::template::{
    MachineConfig, TemplateBlock, TemplatePlace, WantedTemplate, different,
};

/// Plans what becomes of templates; the deliveries of their images are planned already.
pub(in crate::plan) fn templates(input: &StageInput<'_>, draft: &mut PlanDraft) {
    if input.desired.templates.is_empty() && input.observed.vms.is_empty() {
        return;
    }
    let plan = &draft.plan;
    let mut planner = TemplatePlanner {
        own: OwnTemplates::of(input.observed, &input.policy.prune.owner),
        free: FreeVmIds::of(input),
        delivered: plan.in_sync.iter().cloned().collect(),
        arriving: plan.steps.iter().map(|step| step.id.clone()).collect(),
        rollouts: Rollouts::new(input),
        removals: BTreeMap::new(),
        input,
        draft,
    };
    for (place, wanted) in &input.desired.templates {
        planner.plan(place, wanted);
    }
    planner.remove_unwanted();
}

/// Plans one template after the other.
struct TemplatePlanner<'a, 'd> {
    input: &'a StageInput<'a>,
    draft: &'d mut PlanDraft,
    own: OwnTemplates<'a>,
    free: FreeVmIds<'a>,
    /// The images that are where they should be.
    delivered: BTreeSet<StepId>,
    /// The steps of this run so far.
    arriving: BTreeSet<StepId>,
    rollouts: Rollouts<'a>,
    /// The removals so far; false for those that are blocked.
    removals: BTreeMap<StepId, bool>,
}

/// The image of a template on a node.
enum SourceImage {
    /// It is there, with this digest, where that is known.
    There(Option<Sha256>),
    /// It comes with this step.
    Coming(StepId),
    /// It does not come: this step is blocked.
    Blocked(StepId),
}

/// A node on which a template may be, with what is known of it.
struct Seat<'a> {
    node: &'a NodeId,
    image: &'a (PushTarget, FileName),
    vms: &'a VmInventory,
}

/// A node whose virtual machines are not known, with the reason.
type UnseenVms<'a> = (&'a NodeId, BlockedReason);

impl<'a> TemplatePlanner<'a, '_> {
    fn plan(&mut self, place: &'a TemplatePlace, wanted: &'a WantedTemplate) {
        let name = &place.name;
        let template = &wanted.template;
        let (seats, unseen) = self.seats(wanted);
        let machine = MachineConfig::of(&template.hardware, &template.storage);
        let own = seats
            .iter()
            .flat_map(|seat| self.own.named(seat.node, name));
        let own: Vec<OwnTemplate<'a>> = own.cloned().collect();
        // Why each of them is not the one, where it is a template at all.
        let mut found: Vec<(&OwnTemplate<'a>, Option<Why>)> = Vec::new();
        let is_whole = |one: &&OwnTemplate<'a>| {
            one.config.is_template() && !one.is_half_made(self.input.observed)
        };
        for one in own.iter().filter(is_whole) {
            let image = seats.iter().find(|seat| seat.node == one.node);
            let image = image.map(|seat| self.image(seat.image));
            found.push((one, mismatch(wanted, &machine, one, image.as_ref())));
        }
        let right = found
            .iter()
            .filter(|(_, why)| why.is_none())
            .map(|(one, _)| *one)
            .min_by_key(|one| (one.mark.state_rank(), std::cmp::Reverse(one.mark.made_at)));
        let current: Vec<&OwnTemplate<'a>> = found
            .iter()
            .map(|(one, _)| *one)
            .filter(|one| one.mark.state == TemplateState::Current)
            .filter(|one| right.is_none_or(|right| right.vmid != one.vmid))
            .collect();
        self.remove_leftovers(&own, right.map(|right| right.vmid));
        match (right, unseen) {
            (Some(right), _) => self.keep(name, wanted, right, (&own, &current)),
            // The node that is not known may have it.
            (None, Some((node, reason))) if found.is_empty() => {
                return self.block(node, name, wanted, reason);
            }
            (None, _) => {
                let found = found.iter().find_map(|(one, why)| {
                    (one.mark.state == TemplateState::Current).then(|| why.clone())?
                });
                let why = found.unwrap_or(Why::Missing);
                self.create(name, wanted, &machine, &seats, (&own, &current), why);
            }
        }
        self.remove_retired(wanted, &own, right.map(|right| right.vmid));
    }

    /// The nodes whose virtual machines are known, and the first one whose are not.
    fn seats(&self, wanted: &'a WantedTemplate) -> (Vec<Seat<'a>>, Option<UnseenVms<'a>>) {
        let mut seats = Vec::new();
        let mut first = None;
        for (node, image) in &wanted.nodes {
            let reason = match self.input.observed.vms.get(node) {
                Some(NodeVms::Known(vms)) => {
                    seats.push(Seat { node, image, vms });
                    continue;
                }
                Some(NodeVms::Unreachable { why, lasting }) => BlockedReason::NodeUnreachable {
                    node: node.clone(),
                    why: why.clone(),
                    lasting: *lasting,
                },
                Some(NodeVms::Unknown { why }) => unknown(why),
                None => unknown("nobody asked"),
            };
            first = first.or(Some((node, reason)));
        }
        (seats, first)
    }

    /// What is known of the image of a template.
    fn image(&self, (target, file): &(PushTarget, FileName)) -> SourceImage {
        let id = StepId::push(target, file);
        let id = self.draft.plan.shared.get(&id).unwrap_or(&id);
        if self.arriving.contains(id) {
            return SourceImage::Coming(id.clone());
        }
        if !self.delivered.contains(id) {
            return SourceImage::Blocked(id.clone());
        }
        let record = id.path().and_then(|(target, file)| {
            let listed = self.input.listing(&target)?;
            // In whichever form the node stores it.
            Some(listed.record.get(&file)?.source_sha256())
        });
        SourceImage::There(record)
    }

    /// The right template is there: it may lack its name, or share it.
    fn keep(
        &mut self,
        name: &'a TemplateName,
        wanted: &WantedTemplate,
        right: &OwnTemplate<'a>,
        (own, current): (&[OwnTemplate<'a>], &[&OwnTemplate<'a>]),
    ) {
        let tags = tags(wanted);
        let mut keys = BTreeSet::new();
        if right.config.name() != name.as_str() {
            keys.insert("name".to_owned());
        }
        if right.config.tags() != tags.iter().map(String::as_str).collect() {
            keys.insert("tags".to_owned());
        }
        let is_alone = right.mark.state == TemplateState::Current && current.is_empty();
        self.note(right.node, name, wanted, Some(right.vmid));
        if is_alone && keys.is_empty() {
            let id = StepId::create_template(right.node, name);
            return self.draft.plan.in_sync.push(id);
        }
        let takes_name = keys.contains("name");
        let why = match is_alone {
            true => Why::OtherLabels { keys },
            false => Why::NotSwitched,
        };
        let changed = current.iter().copied().chain([right]);
        let block = locked(changed).or_else(|| {
            let foreign = || foreign_name(name, right.vms, own);
            takes_name.then(foreign).flatten()
        });
        if let Some(why) = block {
            let id = StepId::switch_template(right.node, name);
            let reason = BlockedReason::Template { why };
            return self.draft.block(id, reason, wanted.wanted_by.clone());
        }
        let first = self.rollouts.first(name, right.node, wanted);
        self.rollouts.enlist(name, right.node, wanted);
        let notes = Some(right.config.description().to_owned());
        let switch = switch(name, wanted, (right.node, right.vmid), notes, current);
        self.draft.step(
            switch,
            why,
            first.into_iter().collect(),
            wanted.wanted_by.clone(),
        );
    }

    fn note(
        &mut self,
        node: &NodeId,
        name: &TemplateName,
        wanted: &WantedTemplate,
        vmid: Option<VmId>,
    ) {
        let planned = PlannedTemplate {
            node: node.clone(),
            name: name.clone(),
            vmid,
            storage: wanted.template.storage.clone(),
            tags: tags(wanted).into_iter().collect(),
            artifact: wanted.artifact.clone(),
            wanted_by: wanted.wanted_by.clone(),
        };
        let id = StepId::create_template(node, name);
        self.draft.plan.templates.insert(id, planned);
    }

    fn block(
        &mut self,
        node: &NodeId,
        name: &TemplateName,
        wanted: &WantedTemplate,
        reason: BlockedReason,
    ) {
        self.note(node, name, wanted, None);
        let id = StepId::create_template(node, name);
        self.draft.block(id, reason, wanted.wanted_by.clone());
    }
}

fn unknown(why: &str) -> BlockedReason {
    BlockedReason::Template {
        why: TemplateBlock::VmsUnknown {
            why: why.to_owned(),
        },
    }
}

/// Why a template of ours is not the wanted one; `None` if it is. An image that is on its
/// way has no digest to compare yet.
fn mismatch(
    wanted: &WantedTemplate,
    machine: &MachineConfig,
    found: &OwnTemplate<'_>,
    image: Option<&SourceImage>,
) -> Option<Why> {
    if found.mark.artifact != wanted.artifact {
        let found = found.mark.artifact.clone();
        return Some(Why::OtherTemplateImage { found });
    }
    if let Some(SourceImage::There(Some(expected))) = image
        && *expected != found.mark.sha256
    {
        let found = found.mark.sha256;
        return Some(Why::DigestDiffers {
            expected: *expected,
            found,
        });
    }
    let mut keys = different(machine, &wanted.template.storage, found.config);
    // Who asks for one number looks for the template under it.
    if matches!(wanted.template.ids, VmIds::Fixed(vmid) if vmid != found.vmid) {
        keys.insert("vmid".to_owned());
    }
    (!keys.is_empty()).then_some(Why::OtherHardware { keys })
}

/// The first of some templates that something works on.
fn locked<'a>(mut templates: impl Iterator<Item = &'a OwnTemplate<'a>>) -> Option<TemplateBlock> {
    templates.find_map(|one| {
        Some(TemplateBlock::Locked {
            vmid: one.vmid,
            lock: visible(one.config.lock()?).into_owned(),
        })
    })
}

/// Another virtual machine of the node that has the name of a template.
fn foreign_name(
    name: &TemplateName,
    vms: &VmInventory,
    own: &[OwnTemplate<'_>],
) -> Option<TemplateBlock> {
    let is_own = |vmid: &VmId| own.iter().any(|one| one.vmid == *vmid);
    let mut others = vms.taken.iter().filter(|(vmid, taken)| {
        taken.host == vms.host && taken.name.as_deref() == Some(name.as_str()) && !is_own(vmid)
    });
    others.next().map(|(vmid, _)| TemplateBlock::ForeignName {
        vmid: *vmid,
        name: name.to_string(),
    })
}

/// All tags of a template.
fn tags(wanted: &WantedTemplate) -> BTreeSet<String> {
    let tags = wanted.template.tags.iter();
    tags.map(|tag| tag.tag(&wanted.artifact)).collect()
}

fn switch(
    name: &TemplateName,
    wanted: &WantedTemplate,
    (node, vmid): (&NodeId, VmId),
    notes: Option<String>,
    retired: &[&OwnTemplate<'_>],
) -> Action {
    let retired = retired.iter().map(|one| RetiredTemplate {
        node: one.node.clone(),
        vmid: one.vmid,
        notes: one.config.description().to_owned(),
    });
    Action::SwitchTemplate(Box::new(SwitchTemplate {
        node: node.clone(),
        name: name.clone(),
        vmid,
        tags: tags(wanted).into_iter().collect(),
        notes,
        deletion: wanted.deletion,
        retired: retired.collect(),
    }))
}
