//! Templates as text: under which number one is found from now on, and which ones lose
//! the name.

use std::collections::BTreeSet;

use super::sheet::Sheet;
use super::steps::{machines, sign};
use super::{names, why};
use crate::model::VmId;
use crate::plan::step::{Action, Plan, Step, Why};

/// Steps that differ in nothing but their nodes and the numbers there.
struct TemplateGroup<'a> {
    sign: char,
    word: &'static str,
    /// The name of the template; empty for removals.
    name: &'a str,
    /// The storage of new ones.
    storage: &'a str,
    /// The reason, as it stands behind the line.
    because: String,
    nodes: BTreeSet<&'a str>,
    vmids: BTreeSet<VmId>,
    /// Those that lose the name.
    retired: BTreeSet<VmId>,
    /// What the first one to be removed is called.
    label: &'a str,
}

/// Writes what happens to templates, a line for what happens alike on several nodes.
pub(super) fn write(sheet: &mut Sheet, plan: &Plan) {
    let mut groups: Vec<TemplateGroup<'_>> = Vec::new();
    for found in plan.steps.iter().filter_map(TemplateGroup::of) {
        match groups.iter_mut().find(|group| group.is_like(&found)) {
            Some(group) => {
                group.nodes.extend(found.nodes);
                group.vmids.extend(found.vmids);
                group.retired.extend(found.retired);
            }
            None => groups.push(found),
        }
    }
    if groups.is_empty() {
        return;
    }
    sheet.gap();
    sheet.line("Templates");
    for group in groups {
        sheet.item(group.sign, group.word, &group.text());
    }
}

impl<'a> TemplateGroup<'a> {
    /// The group of one step; `None` for a step that is not on a template.
    fn of(step: &'a Step) -> Option<Self> {
        let new = |word, name, node, vmid| Self {
            sign: sign(&step.action, &step.why),
            word,
            name,
            storage: "",
            because: why::because(&step.why),
            nodes: BTreeSet::from([node]),
            vmids: BTreeSet::from([vmid]),
            retired: BTreeSet::new(),
            label: "",
        };
        match &step.action {
            Action::CreateTemplate(create) => Some(Self {
                storage: create.storage.as_str(),
                ..new(
                    "create",
                    create.name.as_str(),
                    create.node.as_str(),
                    create.vmid,
                )
            }),
            Action::SwitchTemplate(switch) => {
                let retired = switch.retired.iter().map(|retired| retired.vmid);
                let because = match &step.why {
                    Why::OtherLabels { .. } => why::because(&step.why),
                    // What it was and will be says it.
                    _ => String::new(),
                };
                Some(Self {
                    retired: retired.collect(),
                    because,
                    ..new(
                        "switch",
                        switch.name.as_str(),
                        switch.node.as_str(),
                        switch.vmid,
                    )
                })
            }
            Action::RemoveTemplate {
                node, vmid, name, ..
            } => Some(Self {
                label: name,
                ..new("prune", "", node.as_str(), *vmid)
            }),
            _ => None,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.word, self.sign) == (other.word, other.sign)
            && (self.name, self.storage) == (other.name, other.storage)
            && self.because == other.because
            && self.retired.is_empty() == other.retired.is_empty()
    }

    fn text(&self) -> String {
        let nodes = names::counted(self.nodes.iter().copied(), "nodes");
        let vms = machines(&self.vmids);
        let (name, because) = (self.name, &self.because);
        match self.word {
            "create" => format!("{name} on {nodes} as {vms} in {}{because}", self.storage),
            "switch" => {
                let retired = match self.retired.len() {
                    0 => String::new(),
                    1 => format!("; {} is retired", machines(&self.retired)),
                    _ => format!("; {} are retired", machines(&self.retired)),
                };
                format!("{name} on {nodes} to {vms}{retired}{because}")
            }
            _ if self.vmids.len() == 1 && self.nodes.len() == 1 => {
                format!("{vms}, {}, from {nodes}{because}", self.label)
            }
            _ => format!("{vms} from {nodes}{because}"),
        }
    }
}
