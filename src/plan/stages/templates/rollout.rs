//! On how many nodes a template is replaced at the same time.

use std::collections::BTreeMap;

use crate::facts::StepId;
use crate::model::{NodeId, TemplateName};
use crate::plan::stage::StageInput;
use crate::plan::stages::block::suspended;
use crate::plan::template::WantedTemplate;

/// The switches of each template, in their order.
pub(super) struct Rollouts<'a> {
    input: &'a StageInput<'a>,
    switches: BTreeMap<&'a TemplateName, Vec<StepId>>,
}

impl<'a> Rollouts<'a> {
    pub(super) const fn new(input: &'a StageInput<'a>) -> Self {
        let switches = BTreeMap::new();
        Self { input, switches }
    }

    /// The switch on another node that comes first, so that a failure there stops the
    /// rest.
    pub(super) fn first(
        &self,
        name: &TemplateName,
        node: &NodeId,
        wanted: &WantedTemplate,
    ) -> Option<StepId> {
        if !self.is_in_rollout(node, wanted) {
            return None;
        }
        let switches = self.switches.get(name)?;
        let at_once = wanted.template.max_at_once.max(1) as usize;
        let before = switches.len().checked_sub(at_once)?;
        switches.get(before).cloned()
    }

    /// Notes a switch: others come after it.
    pub(super) fn enlist(
        &mut self,
        name: &'a TemplateName,
        node: &NodeId,
        wanted: &WantedTemplate,
    ) {
        if self.is_in_rollout(node, wanted) {
            let switches = self.switches.entry(name).or_default();
            switches.push(StepId::switch_template(node, name));
        }
    }

    /// False for a node where nothing will be done: nobody waits for it.
    fn is_in_rollout(&self, node: &NodeId, wanted: &WantedTemplate) -> bool {
        let selection = &self.input.options.selection;
        let mut orders = wanted.wanted_by.iter().map(|want| want.order.as_str());
        !self.is_suspended(node, wanted)
            && selection.has_node(node.as_str())
            && orders.any(|order| selection.has_order(order))
    }

    /// True where an operator said that nothing is done.
    pub(super) fn is_suspended(&self, node: &NodeId, wanted: &WantedTemplate) -> bool {
        let memory = &self.input.observed.memory;
        let nodes = std::iter::once(node);
        suspended(nodes, &wanted.wanted_by, self.input.desired, memory).is_some()
    }
}
