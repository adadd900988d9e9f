//! Parts of ProxmoxMachineTemplates, for the Cluster API provider of Proxmox VE.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::conclude::outputs::{Outputs, TemplateOutput};

const HEAD: &str = "\
# Parts of spec.template.spec of a ProxmoxMachineTemplate: one of `nodes`, or `selector`.
# For cluster-api-provider-proxmox 0.8 and later, infrastructure.cluster.x-k8s.io/v1alpha2.
";

/// The templates of a position, in the two ways in which a machine can name one.
#[derive(Debug, Default, Serialize)]
struct Fragment {
    nodes: BTreeMap<String, BySource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<BySelector>,
}

/// A template by its VMID.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BySource {
    source_node: String,
    #[serde(rename = "templateID")]
    template_id: u32,
    /// Where the clones go; absent for the only template of a position, whose storage may
    /// be shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_nodes: Option<[String; 1]>,
}

/// A template by its tags.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BySelector {
    template_selector: Tags,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tags {
    match_tags: Vec<String>,
}

/// The fragments by order and position, and what is to be said about them.
pub(super) struct Fragments {
    found: BTreeMap<String, BTreeMap<String, Fragment>>,
    pub(super) notes: Vec<String>,
}

impl Fragments {
    /// Those of what is ready. `all` are the templates that tags can match besides.
    pub(super) fn of(outputs: &Outputs, all: &Outputs) -> Self {
        let mut found: BTreeMap<String, BTreeMap<String, Fragment>> = BTreeMap::new();
        let mut notes = BTreeSet::new();
        let ready = outputs.templates.iter().filter(|one| one.readiness.ready);
        for template in ready {
            let Some(template_id) = template.vmid else {
                continue;
            };
            let place = &template.place;
            let is_sibling = |other: &&TemplateOutput| {
                other.place.order == place.order && other.place.position == place.position
            };
            let is_only = all.templates.iter().filter(is_sibling).count() == 1;
            let of_order = found.entry(place.order.clone()).or_default();
            let fragment = of_order.entry(place.position.clone()).or_default();
            let source = BySource {
                source_node: place.node.clone(),
                template_id,
                allowed_nodes: (!is_only).then(|| [place.node.clone()]),
            };
            fragment.nodes.insert(place.node.clone(), source);
            let tags = tags(template);
            let same = all.templates.iter().filter(|other| {
                // Of one for several positions each has a row.
                tags == self::tags(other) && other.vmid != template.vmid
            });
            let same = same.count();
            if tags.is_empty() {
                notes.insert(format!(
                    "{}/{}: no selector, because the template has no tags",
                    place.order, place.position
                ));
            } else if same == 0 {
                let match_tags = tags.into_iter().collect();
                let template_selector = Tags { match_tags };
                fragment.selector = Some(BySelector { template_selector });
            } else {
                notes.insert(format!(
                    "{}/{}: no selector, because {} templates have exactly these tags, and the \
                     provider accepts only one",
                    place.order,
                    place.position,
                    same + 1
                ));
            }
        }
        Self {
            found,
            notes: notes.into_iter().collect(),
        }
    }

    pub(super) fn yaml(&self) -> anyhow::Result<String> {
        Ok(format!("{HEAD}{}", serde_yaml::to_string(&self.found)?))
    }
}

fn tags(template: &TemplateOutput) -> BTreeSet<String> {
    template.tags.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::conclude::outputs::{OutputImage, OutputPlace, Readiness};

    fn template(position: &str, node: &str, vmid: u32, tags: &[&str]) -> TemplateOutput {
        TemplateOutput {
            place: OutputPlace {
                order: "workers".to_owned(),
                customer: None,
                position: position.to_owned(),
                node: node.to_owned(),
            },
            name: "talos".to_owned(),
            vmid: Some(vmid),
            storage: "ceph".to_owned(),
            tags: tags.iter().map(ToString::to_string).collect(),
            image: OutputImage {
                version: "v1.11.3".to_owned(),
                schematic: String::new(),
                installer: String::new(),
            },
            readiness: Readiness {
                ready: true,
                reason: None,
            },
        }
    }

    fn fragments(selected: &Outputs, all: &Outputs) -> (Value, usize) {
        let found = Fragments::of(selected, all);
        let yaml = found.yaml().unwrap();
        (serde_yaml::from_str(&yaml).unwrap(), found.notes.len())
    }

    #[test]
    fn tags_select_only_where_one_template_has_them() {
        let all = Outputs {
            templates: vec![
                template("shared", "pve-01", 9000, &["talos", "shared"]),
                template("local", "pve-01", 9001, &["talos"]),
                template("local", "pve-02", 9002, &["talos"]),
                template("bare", "pve-02", 9003, &[]),
            ],
            ..Outputs::default()
        };
        let (found, notes) = fragments(&all, &all);
        // Its clones may go where the storage is.
        let shared = json!({
            "nodes": {"pve-01": {"sourceNode": "pve-01", "templateID": 9000}},
            "selector": {"templateSelector": {"matchTags": ["shared", "talos"]}},
        });
        assert_eq!(found["workers"]["shared"], shared);
        let source = |node, vmid: u32| json!({"sourceNode": node, "templateID": vmid, "allowedNodes": [node]});
        let nodes = json!({"pve-01": source("pve-01", 9001), "pve-02": source("pve-02", 9002)});
        assert_eq!(found["workers"]["local"], json!({"nodes": nodes}));
        assert_eq!(
            notes, 2,
            "of the tags that two have, and of the one without"
        );
        // The provider sees those that were not asked for, too.
        let mut selected = all.clone();
        selected.templates.retain(|one| one.vmid == Some(9001));
        let (found, notes) = fragments(&selected, &all);
        let nodes = json!({"pve-01": source("pve-01", 9001)});
        assert_eq!(
            (&found["workers"]["local"], notes),
            (&json!({"nodes": nodes}), 1)
        );
    }

    #[test]
    fn what_is_not_ready_is_left_out() {
        let mut waiting = template("local", "pve-01", 9001, &["talos"]);
        waiting.readiness.ready = false;
        let all = Outputs {
            templates: vec![waiting],
            ..Outputs::default()
        };
        assert_eq!(fragments(&all, &all), (json!({}), 0));
    }
}
