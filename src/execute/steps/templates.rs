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
        for (node, changes) in changes(switch, &notes) {
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

/// What changes on each node, in this order: the new one has the name first, so that there
/// is no moment without a template of it.
fn changes<'a>(switch: &'a SwitchTemplate, notes: &str) -> Vec<(&'a NodeId, Vec<TemplateChange>)> {
    let (name, tags) = (switch.name.to_string(), switch.tags.join(";"));
    let current = change(switch.vmid, notes, name, tags, |mark| TemplateMark {
        state: TemplateState::Current,
        deletion: switch.deletion,
        ..mark
    });
    let mut changes: Vec<(&NodeId, Vec<TemplateChange>)> =
        vec![(&switch.node, current.into_iter().collect())];
    let mut others: BTreeMap<&NodeId, Vec<TemplateChange>> = BTreeMap::new();
    for retired in &switch.retired {
        let name = switch.name.of_retired(retired.vmid);
        let tags = RETIRED.to_owned();
        let change = change(retired.vmid, &retired.notes, name, tags, |mark| {
            TemplateMark {
                state: TemplateState::Retired,
                ..mark
            }
        });
        let of_node = match retired.node == switch.node {
            true => &mut changes[0].1,
            false => others.entry(&retired.node).or_default(),
        };
        of_node.extend(change);
    }
    changes.extend(others);
    changes
}

/// `None` where the notes hold no mark: such a template is not ours.
fn change(
    vmid: VmId,
    notes: &str,
    name: String,
    tags: String,
    marked: impl FnOnce(TemplateMark) -> TemplateMark,
) -> Option<TemplateChange> {
    let (mark, line) = TemplateMark::find(notes)?;
    Some(TemplateChange {
        vmid,
        mark: line.to_owned(),
        name,
        tags,
        becomes: marked(mark),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RetiredTemplate;

    fn mark(vmid: u32, state: &str) -> TemplateMark {
        let mark = serde_json::json!({
            "owner": "us", "vmid": vmid, "template": "talos", "orders": ["lab"],
            "artifact": {
                "version": "v1.11.2", "platform": "nocloud", "arch": "amd64",
                "secureboot": false, "schematic": "0".repeat(64), "format": "raw",
            },
            "sha256": "0".repeat(64), "state": state, "made_at": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(mark).unwrap()
    }

    #[test]
    fn the_new_one_gets_the_name_before_the_old_ones_lose_it() {
        let node = |name: &str| -> NodeId { name.parse().unwrap() };
        let retired = |at: &str, vmid: u32| RetiredTemplate {
            node: node(at),
            vmid: vmid.try_into().unwrap(),
            notes: format!("mine\n{}", mark(vmid, "current").line()),
        };
        let switch = SwitchTemplate {
            node: node("pve-2"),
            name: "talos".parse().unwrap(),
            vmid: 9005_u32.try_into().unwrap(),
            tags: vec!["talos".to_owned(), "v1.11.2".to_owned()],
            notes: None,
            deletion: Some(crate::model::Deletion::Orphan),
            retired: vec![retired("pve-1", 9000), retired("pve-2", 9001)],
        };
        let changes = changes(&switch, &mark(9005, "new").notes());
        let order: Vec<String> = changes
            .iter()
            .flat_map(|(node, changes)| {
                let line = move |one: &TemplateChange| {
                    let TemplateChange {
                        vmid, name, tags, ..
                    } = one;
                    format!("{node} {vmid} {name} {tags}")
                };
                changes.iter().map(line)
            })
            .collect();
        assert_eq!(
            order,
            [
                "pve-2 9005 talos talos;v1.11.2",
                "pve-2 9001 talos-retired-9001 talos-order-retired",
                "pve-1 9000 talos-retired-9000 talos-order-retired",
            ]
        );
        let (first, other) = (&changes[0].1[0], &changes[1].1[0]);
        assert_eq!(first.mark, mark(9005, "new").line());
        assert_eq!(first.becomes.state, TemplateState::Current);
        let deletion = Some(crate::model::Deletion::Orphan);
        assert_eq!(first.becomes.deletion, deletion);
        // What is to become of one that is replaced stays.
        assert_eq!(other.becomes, mark(9000, "retired"));
    }
}
