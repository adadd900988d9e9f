//! Which images an order wants where, and whether they are there.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::facts::{Fact, NodeState, Outcome, StepId};
use crate::model::{ArtifactId, FileName, NodeId, PushTarget, SchematicId, TalosVersion};
use crate::plan::Resolved;

/// Whether an image is where it is wanted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    /// It is there, as wanted.
    InSync,
    /// It is not, or not yet.
    OutOfSync,
    /// The node does not answer, or the version is not known.
    Unknown,
}

/// An image that an order wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageCondition {
    /// The name of the position that wants it.
    pub position: String,
    /// Its file: on the node, or in the cache where it goes to no node. Absent, like the
    /// rest, while the position cannot be resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileName>,
    /// Its file in the cache, where that has another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_as: Option<FileName>,
    /// The version that the position stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<TalosVersion>,
    /// Platform, architecture and format, as the factory names the file:
    /// `nocloud-amd64.iso`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Its schematic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schematic: Option<SchematicId>,
    /// Whether it is there; for the order as a whole, whether it is everywhere.
    pub state: ImageState,
}

impl ImageCondition {
    /// Its file in the cache.
    pub fn cache_file(&self) -> Option<&FileName> {
        self.cached_as.as_ref().or(self.file.as_ref())
    }
}

/// The images of each order, on each node and as a whole.
pub(super) struct WantedImages {
    found: BTreeMap<(String, Option<NodeId>), Vec<ImageCondition>>,
}

impl WantedImages {
    pub(super) fn of(report: &Report) -> Self {
        let places = ImagePlaces::of(report);
        let mut wanted = Self {
            found: BTreeMap::new(),
        };
        for want in &report.look.desired.positions {
            let order = want.position.order.to_string();
            let whole = match &want.outcome {
                Err(_) => ImageCondition {
                    position: want.position.name.clone(),
                    file: None,
                    cached_as: None,
                    version: None,
                    image: None,
                    schematic: None,
                    state: ImageState::Unknown,
                },
                Ok(resolved) => {
                    let of_position = |name: Option<&FileName>, state| {
                        image(report, &want.position.name, resolved, name, state)
                    };
                    let mut worst = places.in_cache(&resolved.delivered);
                    for (number, (target, file)) in resolved.targets.iter().enumerate() {
                        let state = places.on_node(target, file);
                        // A copy on each node needs none in the cache.
                        worst = match number {
                            0 => state,
                            _ => worst.max(state),
                        };
                        let on_node = (order.clone(), Some(target.node.clone()));
                        let line = wanted.found.entry(on_node).or_default();
                        line.push(of_position(Some(file), state));
                    }
                    for unplaced in &resolved.unplaced {
                        worst = ImageState::Unknown;
                        let on_node = (order.clone(), Some(unplaced.target.node.clone()));
                        let line = wanted.found.entry(on_node).or_default();
                        line.push(of_position(None, worst));
                    }
                    let name = resolved.targets.first().map(|(_, file)| file);
                    of_position(name, worst)
                }
            };
            wanted.found.entry((order, None)).or_default().push(whole);
        }
        wanted
    }

    /// What an order wants on a node, or as a whole.
    pub(super) fn on(&self, order: Option<&str>, node: Option<&NodeId>) -> Vec<ImageCondition> {
        let Some(order) = order else {
            return Vec::new();
        };
        let images = self.found.get(&(order.to_owned(), node.cloned()));
        images.cloned().unwrap_or_default()
    }
}

fn image(
    report: &Report,
    position: &str,
    resolved: &Resolved,
    file: Option<&FileName>,
    state: ImageState,
) -> ImageCondition {
    let delivered = &resolved.delivered;
    let want = report.look.desired.artifacts.get(delivered);
    let cached = want.map(|want| &want.file);
    ImageCondition {
        position: position.to_owned(),
        file: file.or(cached).cloned(),
        cached_as: cached
            .filter(|cached| file != Some(*cached))
            .filter(|_| file.is_some())
            .cloned(),
        version: Some(resolved.version.clone()),
        image: Some(delivered.factory_file()),
        schematic: Some(delivered.schematic),
        state,
    }
}

/// What is where at the end of a run.
struct ImagePlaces<'a> {
    report: &'a Report,
    in_sync: HashSet<&'a StepId>,
    /// What came into the cache.
    came: HashSet<&'a ArtifactId>,
}

impl<'a> ImagePlaces<'a> {
    fn of(report: &'a Report) -> Self {
        let mut came = HashSet::new();
        for outcome in report.outcomes.values() {
            match outcome {
                Outcome::Done {
                    fact:
                        Fact::Fetched {
                            download, unpacked, ..
                        },
                } => {
                    came.insert(&download.artifact);
                    came.extend(unpacked.iter().map(|meta| &meta.artifact));
                }
                Outcome::Done {
                    fact: Fact::Unpacked { meta },
                } => {
                    came.insert(&meta.artifact);
                }
                _ => {}
            }
        }
        Self {
            in_sync: report.look.plan.in_sync.iter().collect(),
            came,
            report,
        }
    }

    fn in_cache(&self, artifact: &ArtifactId) -> ImageState {
        let want = self.report.look.desired.artifacts.get(artifact);
        let is_there = |file| self.in_sync.contains(&StepId::fetch(file));
        if self.came.contains(artifact) || want.is_some_and(|want| is_there(&want.file)) {
            ImageState::InSync
        } else {
            ImageState::OutOfSync
        }
    }

    fn on_node(&self, target: &PushTarget, file: &FileName) -> ImageState {
        let own = StepId::push(target, file);
        // Of the nodes of a shared storage one delivers for all.
        let id = self.report.look.plan.shared.get(&own).unwrap_or(&own);
        let node = id.node();
        let node = node.and_then(|node| self.report.look.observed.nodes.get(&node));
        if !matches!(node, Some(NodeState::Listed { .. })) {
            return ImageState::Unknown;
        }
        let outcome = |id: &StepId| self.report.outcomes.get(id);
        let is_success = |id: &StepId| outcome(id).is_some_and(Outcome::is_success);
        let is_damaged = id
            .path()
            .and_then(|(target, file)| outcome(&StepId::verify_node(&target, &file)))
            .is_some_and(|outcome| matches!(outcome, Outcome::Failed { .. }));
        if is_success(id) || (self.in_sync.contains(id) && !is_damaged) {
            ImageState::InSync
        } else {
            ImageState::OutOfSync
        }
    }
}
