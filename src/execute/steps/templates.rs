//! Steps on template VMs.

use std::collections::BTreeMap;

use crate::execute::work::{StepWork, failed};
use crate::facts::{Fact, Failure, FailureKind, Outcome, TemplateMark, TemplateState};
use crate::model::{NodeId, OrderId, PositionRef, VmId};
use crate::nodes::{Nodes, TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval};
use crate::plan::{CreateTemplate, SwitchTemplate};
use crate::upstream::Upstream;

/// The tag of a template that is being made: no tool looks for it.
const NEW: &str = "talos-order-new";

/// The tag of one that was replaced.
const RETIRED: &str = "talos-order-retired";

impl<F: Upstream, N: Nodes> StepWork<F, N> {
    pub(in crate::execute) async fn create_template(
        &self,
        create: &CreateTemplate,
        wanted_by: &std::collections::BTreeSet<PositionRef>,
    ) -> Outcome {
        let delivered = || self.delivered(&create.delivered, &create.file);
        let Some(sha256) = create.sha256.or_else(delivered) else {
            return failed(lost(format!("{} was not delivered", create.file)));
        };
        let orders: std::collections::BTreeSet<OrderId> =
            wanted_by.iter().map(|want| want.order.clone()).collect();
        let mark = TemplateMark {
            owner: self.context.owner.clone(),
            vmid: create.vmid,
            template: create.name.clone(),
            orders,
            artifact: create.artifact.clone(),
            sha256,
            deletion: create.deletion,
            state: TemplateState::New,
            made_at: self.context.now,
        };
        let creation = TemplateCreation {
            vmid: create.vmid,
            name: create.name.of_new(),
            tags: NEW.to_owned(),
            description: mark.notes(),
            dir: create.image.dir.clone(),
            file: create.file.clone(),
            storage: create.storage.clone(),
            disk: create.disk.clone(),
            disk_options: create.disk_options.clone(),
            config: create.config.clone(),
        };
        let node = &self.context.specs[&create.node];
        let done = self.context.nodes.create_template(node, &creation).await;
        let mark = Box::new(mark);
        ended(done, || {
            self.learn_template(&create.node, &mark);
            Fact::TemplateCreated { mark }
        })
    }

    pub(in crate::execute) async fn switch_template(&self, switch: &SwitchTemplate) -> Outcome {
        let created = || {
            let mark = self.created(&switch.node, switch.vmid)?;
            Some(mark.notes())
        };
        let Some(notes) = switch.notes.clone().or_else(created) else {
            return failed(lost(format!("VM {} was not created", switch.vmid)));
        };
        let change = |vmid: VmId, notes: &str, name: String, tags: String, state| {
            let (mark, line) = TemplateMark::find(notes)?;
            let line = line.to_owned();
            let deletion = match state {
                TemplateState::Current => switch.deletion,
                TemplateState::New | TemplateState::Retired => mark.deletion,
            };
            let mark = TemplateMark {
                state,
                deletion,
                ..mark
            };
            let description = mark.in_place_of(notes);
            Some(TemplateChange {
                vmid,
                mark: line,
                name,
                tags,
                description,
            })
        };
        let (name, tags) = (switch.name.to_string(), switch.tags.join(";"));
        let current = change(switch.vmid, &notes, name, tags, TemplateState::Current);
        let mut changes: Vec<(&NodeId, Vec<TemplateChange>)> =
            vec![(&switch.node, current.into_iter().collect())];
        // The new one has the name first: there is no moment without a template of it.
        let mut others: BTreeMap<&NodeId, Vec<TemplateChange>> = BTreeMap::new();
        for retired in &switch.retired {
            let name = switch.name.of_retired(retired.vmid);
            let (tags, state) = (RETIRED.to_owned(), TemplateState::Retired);
            let change = change(retired.vmid, &retired.notes, name, tags, state);
            let of_node = match retired.node == switch.node {
                true => &mut changes[0].1,
                false => others.entry(&retired.node).or_default(),
            };
            of_node.extend(change);
        }
        changes.extend(others);
        for (node, changes) in changes {
            let node = &self.context.specs[node];
            match self.context.nodes.change_templates(node, &changes).await {
                Ok(TemplateDone::Done) => {}
                other => return ended(other, || Fact::TemplateSwitched),
            }
        }
        Outcome::Done {
            fact: Fact::TemplateSwitched,
        }
    }

    pub(in crate::execute) async fn remove_template(
        &self,
        node: &NodeId,
        vmid: VmId,
        mark: &str,
    ) -> Outcome {
        let removal = TemplateRemoval {
            vmid,
            mark: mark.to_owned(),
        };
        let node = &self.context.specs[node];
        let done = self.context.nodes.remove_template(node, &removal).await;
        ended(done, || Fact::TemplateRemoved)
    }
}

fn ended(
    done: Result<TemplateDone, crate::nodes::NodeError>,
    fact: impl FnOnce() -> Fact,
) -> Outcome {
    match done {
        Ok(TemplateDone::Done) => Outcome::Done { fact: fact() },
        Ok(TemplateDone::Outdated(what)) => Outcome::Outdated { what },
        Err(error) => failed(error),
    }
}

/// A step that this one needs has left nothing: the next run plans anew.
fn lost(error: String) -> Failure {
    Failure {
        error,
        hint: None,
        transient: true,
        kind: FailureKind::Other,
    }
}
