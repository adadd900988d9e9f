//! Template VMs in a comparison: a line for each one before and after everything that is
//! planned or blocked.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{NodeVms, StepId, StepKind, TemplateMark, TemplateState, VmConfig};
use crate::model::{NodeId, VmId, visible};
use crate::plan::{Action, BlockedReason, Look, PlannedTemplate, TemplateBlock};

/// The templates of a node, a line each.
#[derive(Default)]
pub(super) struct ComparedTemplates {
    pub actual: BTreeSet<String>,
    pub desired: BTreeSet<String>,
}

/// The nodes whose templates are not as wanted. A template that is in sync is not among
/// the lines.
pub(super) fn templates(look: &Look) -> BTreeMap<NodeId, ComparedTemplates> {
    let mut places: BTreeMap<NodeId, ComparedTemplates> = BTreeMap::new();
    for planned in look.plan.templates.values() {
        let Some(made) = changed(look, planned) else {
            continue;
        };
        let place = places.entry(planned.node.clone()).or_default();
        place.desired.insert(wanted_line(planned, made));
        let is_current = |mark: &TemplateMark| {
            mark.template == planned.name && mark.state == TemplateState::Current
        };
        let found = marked(look, &planned.node);
        let found = found.filter(|(_, _, mark)| is_current(mark));
        place
            .actual
            .extend(found.map(|(vmid, config, mark)| line(vmid, config, &mark)));
    }
    let mut remove = |node: &NodeId, vmid: VmId| {
        let mut found = marked(look, node).filter(|(found, _, _)| *found == vmid);
        if let Some((vmid, config, mark)) = found.next() {
            let place = places.entry(node.clone()).or_default();
            place.actual.insert(line(vmid, config, &mark));
        }
    };
    for step in &look.plan.steps {
        match &step.action {
            Action::RemoveTemplate { node, vmid, .. } => remove(node, *vmid),
            Action::SwitchTemplate(switch) => {
                let retired = switch.retired.iter();
                retired.for_each(|one| remove(&one.node, one.vmid));
            }
            _ => {}
        }
    }
    for blocked in look.plan.blocked().filter(|blocked| blocked.is_due()) {
        if let (Some(node), Some(vmid)) = (blocked.id.node(), blocked.id.vmid()) {
            remove(&node, vmid);
        }
    }
    places
}

/// Whether a wanted template is made, where it is not as wanted; `None` where it is, was
/// not selected, or is not known.
fn changed(look: &Look, planned: &PlannedTemplate) -> Option<bool> {
    let of = [
        StepId::create_template(&planned.node, &planned.name),
        StepId::switch_template(&planned.node, &planned.name),
    ];
    let is_made = |id: &StepId| id.kind() == Some(StepKind::CreateTemplate);
    let mut steps = look.plan.steps.iter();
    if let Some(step) = steps.find(|step| of.contains(&step.id)) {
        return Some(is_made(&step.id));
    }
    let mut blocked = look.plan.blocked();
    let blocked = blocked.find(|blocked| of.contains(&blocked.id))?;
    (!is_unknown(&blocked.reason)).then(|| is_made(&blocked.id))
}

/// True for what says nothing of the templates that are there.
pub(super) const fn is_unknown(reason: &BlockedReason) -> bool {
    matches!(
        reason,
        BlockedReason::NodeUnreachable { .. }
            | BlockedReason::Template {
                why: TemplateBlock::VmsUnknown { .. }
            }
    )
}

/// What has a mark of its own on a node.
fn marked<'a>(
    look: &'a Look,
    node: &NodeId,
) -> impl Iterator<Item = (VmId, &'a VmConfig, TemplateMark)> {
    let known = match look.observed.vms.get(node) {
        Some(NodeVms::Known(known)) => Some(&known.marked),
        _ => None,
    };
    let marked = known.into_iter().flatten();
    marked.filter_map(|(vmid, config)| Some((*vmid, config, config.mark_of(*vmid)?)))
}

/// `VM VMID  NAME  VERSION  TAGS`.
fn line(vmid: VmId, config: &VmConfig, mark: &TemplateMark) -> String {
    let tags: Vec<&str> = config.tags().into_iter().collect();
    let (name, tags) = (visible(config.name()), tags.join(";"));
    let text = format!(
        "VM {vmid}  {name}  {}  {}",
        mark.artifact.version,
        visible(&tags)
    );
    text.trim_end().to_owned()
}

/// The same for one that should be: a new one may get the VMID of an old one.
fn wanted_line(planned: &PlannedTemplate, is_made: bool) -> String {
    let vm = match planned.vmid {
        Some(vmid) if is_made => format!("VM {vmid} (new)"),
        Some(vmid) => format!("VM {vmid}"),
        None => "VM unknown".to_owned(),
    };
    let text = format!(
        "{vm}  {}  {}  {}",
        planned.name,
        planned.artifact.version,
        planned.tags.join(";")
    );
    text.trim_end().to_owned()
}
