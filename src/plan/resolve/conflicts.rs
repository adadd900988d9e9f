//! Positions that want different images under one path, or pin different digests.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{DraftPosition, NamedFiles};
use super::templates;
use crate::facts::Catalog;
use crate::model::{ArtifactId, FileName, Node, NodeId, Position, PushTarget, Sha256, Template};
use crate::plan::desired::Unresolved;
use crate::plan::template::TemplatePlace;

/// Turns every draft that shares a path with a different artifact, or pins
/// another digest for the same one, into an error that names its opponent.
pub(super) fn refuse_conflicts(
    drafts: &mut [DraftPosition<'_>],
    nodes: &BTreeMap<NodeId, Node>,
    catalog: &Catalog,
) {
    let mut claims = Claims {
        contested: contested(drafts),
        ..Claims::default()
    };
    for (at, draft) in drafts.iter().enumerate() {
        if let Ok(named) = &draft.outcome {
            claims.add(at, draft.position, named);
            claims.add_templates(at, draft.position, named, nodes, catalog);
        }
    }
    for (at, (other, reason)) in claims.refused {
        let with = drafts[other].reference.clone();
        drafts[at].outcome = Err(match reason {
            Clash::Path(path) => Unresolved::Conflict { path, with },
            Clash::Template(template) => Unresolved::TemplateConflict { template, with },
            Clash::Pin => Unresolved::PinConflict { with },
        });
    }
}

/// The names on nodes that more than one image is wanted under. A position has the same
/// name, or two, on all of its nodes, so the places of every other name need no comparing.
fn contested<'a>(drafts: &'a [DraftPosition<'_>]) -> BTreeSet<&'a FileName> {
    let mut first: BTreeMap<&FileName, &ArtifactId> = BTreeMap::new();
    let mut contested = BTreeSet::new();
    for named in drafts
        .iter()
        .filter_map(|draft| draft.outcome.as_ref().ok())
    {
        let delivered = &named.resolved.delivered;
        for name in named.on_nodes() {
            if *first.entry(name).or_insert(delivered) != delivered {
                contested.insert(name);
            }
        }
    }
    contested
}

enum Clash {
    Path(String),
    Template(String),
    Pin,
}

#[derive(Default)]
struct Claims<'a> {
    contested: BTreeSet<&'a FileName>,
    cache: BTreeMap<&'a FileName, (usize, &'a ArtifactId)>,
    nodes: BTreeMap<(&'a PushTarget, &'a FileName), (usize, &'a ArtifactId)>,
    pins: BTreeMap<&'a ArtifactId, (usize, Sha256)>,
    templates: BTreeMap<TemplatePlace, (usize, &'a ArtifactId, &'a Template)>,
    refused: BTreeMap<usize, (usize, Clash)>,
}

impl<'a> Claims<'a> {
    fn add(&mut self, at: usize, position: &Position, named: &'a NamedFiles) {
        let resolved = &named.resolved;
        for (artifact, name) in named.cached() {
            match self.cache.get(name) {
                Some((first, claimed)) if *claimed != artifact => {
                    self.refuse(*first, at, || Clash::Path(format!("cache:{name}")));
                }
                Some(_) => {}
                None => {
                    self.cache.insert(name, (at, artifact));
                }
            }
        }
        let is_contested = |name: &FileName| self.contested.contains(name);
        let contested: BTreeSet<&FileName> =
            named.on_nodes().filter(|name| is_contested(name)).collect();
        let targets = resolved.targets.iter().filter(|_| !contested.is_empty());
        for (target, file) in targets.filter(|(_, file)| contested.contains(file)) {
            match self.nodes.get(&(target, file)) {
                Some((first, claimed)) if *claimed != &resolved.delivered => {
                    let path = format!("{}:{}", target.node, target.dir.join(file));
                    self.refuse(*first, at, || Clash::Path(path.clone()));
                }
                Some(_) => {}
                None => {
                    self.nodes.insert((target, file), (at, &resolved.delivered));
                }
            }
        }
        if let Some(pin) = position.pinned {
            match self.pins.get(&resolved.download) {
                Some((first, pinned)) if *pinned != pin => {
                    self.refuse(*first, at, || Clash::Pin);
                }
                Some(_) => {}
                None => {
                    self.pins.insert(&resolved.download, (at, pin));
                }
            }
        }
    }

    fn add_templates(
        &mut self,
        at: usize,
        position: &'a Position,
        named: &'a NamedFiles,
        nodes: &BTreeMap<NodeId, Node>,
        catalog: &Catalog,
    ) {
        let Some(template) = position.template.as_deref() else {
            return;
        };
        let artifact = &named.resolved.delivered;
        for (place, (node, _)) in templates::places(template, &named.resolved, nodes, catalog) {
            // Of the templates of one node each has a name of its own, also where one of
            // them serves a cluster.
            let on_node = TemplatePlace {
                name: place.name.clone(),
                of: node.to_string(),
            };
            for place in [on_node, place] {
                match self.templates.get(&place) {
                    Some((first, claimed, other)) if (*claimed, *other) != (artifact, template) => {
                        let TemplatePlace { name, of } = place;
                        let text = format!("{name} on {of}");
                        self.refuse(*first, at, || Clash::Template(text.clone()));
                    }
                    Some(_) => {}
                    None => {
                        self.templates.insert(place, (at, artifact, template));
                    }
                }
            }
        }
    }

    fn refuse(&mut self, first: usize, second: usize, reason: impl Fn() -> Clash) {
        self.refused
            .entry(first)
            .or_insert_with(|| (second, reason()));
        self.refused
            .entry(second)
            .or_insert_with(|| (first, reason()));
    }
}
