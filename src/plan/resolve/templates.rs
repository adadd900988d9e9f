//! The templates that positions want, and where.

use std::collections::BTreeMap;

use super::draft::DraftPosition;
use super::merge::stricter;
use crate::facts::Catalog;
use crate::model::{FileName, Node, NodeId, PushTarget, Template};
use crate::plan::desired::Resolved;
use crate::plan::template::{TemplatePlace, WantedTemplate};
use crate::plan::wanted::WantedBy;

/// A node with the place of the image there.
type Source = (NodeId, (PushTarget, FileName));

/// Where a template is wanted, each place with a node that may have it. A directory of
/// this machine has no virtual machines.
pub(super) fn places(
    template: &Template,
    resolved: &Resolved,
    nodes: &BTreeMap<NodeId, Node>,
    catalog: &Catalog,
) -> Vec<(TemplatePlace, Source)> {
    // Of several directories of a node the first one serves.
    let mut sources: BTreeMap<&NodeId, &(PushTarget, FileName)> = BTreeMap::new();
    for image in &resolved.targets {
        let first = sources.entry(&image.0.node).or_insert(image);
        if image.0.dir < first.0.dir {
            *first = image;
        }
    }
    if let Some(on) = &template.on {
        sources.retain(|node, _| on.contains(*node));
    }
    sources.retain(|node, _| {
        let node = nodes.get(*node);
        node.is_none_or(|node| node.reach.has_machines())
    });
    let place = |node: &NodeId| TemplatePlace {
        name: template.name.clone(),
        of: match template.on {
            Some(_) => None,
            None => shared(template, node, catalog),
        }
        .unwrap_or_else(|| node.to_string()),
    };
    let sources = sources.into_iter();
    sources
        .map(|(node, image)| (place(node), (node.clone(), image.clone())))
        .collect()
}

/// The shared storage that the disks of a template are on, as `CLUSTER/STORAGE`: one
/// template serves all of its nodes.
fn shared(template: &Template, node: &NodeId, catalog: &Catalog) -> Option<String> {
    let config = catalog.storages.get(node)?.config()?;
    let storage = config.storages.get(&template.storage)?;
    let cluster = config.cluster.as_ref().filter(|_| storage.shared)?;
    Some(format!("{cluster}/{}", template.storage))
}

/// The templates of all positions; those that several positions want agree.
pub(super) fn wanted(
    drafts: &[DraftPosition<'_>],
    nodes: &BTreeMap<NodeId, Node>,
    catalog: &Catalog,
) -> BTreeMap<TemplatePlace, WantedTemplate> {
    let mut wanted: BTreeMap<TemplatePlace, WantedTemplate> = BTreeMap::new();
    for draft in drafts {
        let (Some(template), Ok(named)) = (&draft.position.template, &draft.outcome) else {
            continue;
        };
        let own = WantedBy::one(draft.reference.clone());
        let mut known: Vec<TemplatePlace> = Vec::new();
        for (place, (node, image)) in places(template, &named.resolved, nodes, catalog) {
            let is_first = !known.contains(&place);
            let entry = wanted
                .entry(place.clone())
                .or_insert_with(|| WantedTemplate {
                    template: (**template).clone(),
                    artifact: named.resolved.delivered.clone(),
                    nodes: BTreeMap::new(),
                    deletion: draft.deletion,
                    wanted_by: WantedBy::default(),
                });
            entry.nodes.entry(node).or_insert(image);
            if is_first {
                entry.deletion = match entry.wanted_by.is_empty() {
                    true => draft.deletion,
                    false => stricter(entry.deletion, draft.deletion),
                };
                entry.wanted_by.extend(own.iter().cloned());
                known.push(place);
            }
        }
    }
    wanted
}
