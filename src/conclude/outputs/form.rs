//! The outputs as they are printed, and what can be asked of them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::{NamePattern, Selection};

/// What the last runs produced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outputs {
    /// The images on nodes
    pub images: Vec<ImageOutput>,
    /// The templates that are made from them
    pub templates: Vec<TemplateOutput>,
    /// What is ordered and nothing is known of
    pub unknown: Vec<UnknownOutput>,
}

/// For which position something is, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct OutputPlace {
    /// The order
    pub order: String,
    /// For whom the order is
    pub customer: Option<String>,
    /// The position
    pub position: String,
    /// The node
    pub node: String,
}

/// Which image something is, or is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OutputImage {
    /// The version of Talos, such as v1.11.3
    pub version: String,
    /// The ID of the schematic
    pub schematic: String,
    /// The installer image of the same version and customization
    pub installer: String,
}

/// Whether something can be used now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Readiness {
    /// True if it is in sync
    pub ready: bool,
    /// Why it is not
    pub reason: Option<String>,
}

/// An image on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageOutput {
    /// Where it is.
    #[serde(flatten)]
    pub place: OutputPlace,
    /// Its ID for Proxmox VE, such as local:import/talos.raw, where the storage is known
    pub volume: Option<String>,
    /// Its path on the node, where the directory is known
    pub path: Option<String>,
    /// The last part of the path
    pub file: Option<String>,
    /// The digest of the file on the node, where it is recorded
    pub sha256: Option<String>,
    /// The length of the file on the node, where it is recorded
    pub size_bytes: Option<u64>,
    /// Which image it is.
    #[serde(flatten)]
    pub image: OutputImage,
    /// Whether it can be used.
    #[serde(flatten)]
    pub readiness: Readiness,
}

/// A template on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TemplateOutput {
    /// Where it is.
    #[serde(flatten)]
    pub place: OutputPlace,
    /// Its name
    pub name: String,
    /// Its VMID; null before it has one
    pub vmid: Option<u32>,
    /// The storage of its disks
    pub storage: String,
    /// All its tags
    pub tags: Vec<String>,
    /// Which image it is made from.
    #[serde(flatten)]
    pub image: OutputImage,
    /// Whether it can be used.
    #[serde(flatten)]
    pub readiness: Readiness,
}

/// Something that is ordered and nothing is known of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnknownOutput {
    /// The order
    pub order: String,
    /// The position; null for the whole order
    pub position: Option<String>,
    /// The node; null for all of them
    pub node: Option<String>,
    /// Why nothing is known
    pub reason: String,
}

impl Outputs {
    /// What of it was asked for; no pattern of a kind means all.
    #[must_use]
    pub fn selected(mut self, selection: &Selection, positions: &[NamePattern]) -> Self {
        let has_position =
            |name: &str| positions.is_empty() || positions.iter().any(|one| one.fits(name));
        let has = |place: &OutputPlace| {
            selection.has_order(&place.order)
                && has_position(&place.position)
                && selection.has_node(&place.node)
        };
        self.images.retain(|one| has(&one.place));
        self.templates.retain(|one| has(&one.place));
        // What is said of a whole order may be about any of its positions and nodes.
        self.unknown.retain(|one| {
            let node = one.node.as_deref();
            selection.has_order(&one.order)
                && one.position.as_deref().is_none_or(has_position)
                && node.is_none_or(|node| selection.has_node(node))
        });
        self
    }

    /// True if there is nothing in it, not even something unknown.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.templates.is_empty() && self.unknown.is_empty()
    }

    /// What is not ready, each with its reason, as lines.
    pub fn not_ready(&self) -> Vec<String> {
        let images = self.images.iter();
        let images = images.filter_map(|one| one.readiness.line("image", &one.place));
        images.chain(self.templates_not_ready()).collect()
    }

    /// The same of templates only.
    pub fn templates_not_ready(&self) -> Vec<String> {
        let templates = self.templates.iter();
        let templates = templates.filter_map(|one| one.readiness.line("template", &one.place));
        templates.collect()
    }

    /// What nothing is known of, each with its reason, as lines.
    pub fn unknown(&self) -> Vec<String> {
        self.unknown.iter().map(UnknownOutput::line).collect()
    }
}

impl Readiness {
    fn line(&self, what: &str, place: &OutputPlace) -> Option<String> {
        let reason = self.reason.as_deref().unwrap_or("unknown");
        (!self.ready).then(|| format!("{what} of {place}: {reason}"))
    }
}

impl std::fmt::Display for OutputPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} on {}", self.order, self.position, self.node)
    }
}

impl UnknownOutput {
    fn line(&self) -> String {
        let mut line = format!("order {}", self.order);
        if let Some(position) = &self.position {
            line.push_str(&format!(", position {position}"));
        }
        if let Some(node) = &self.node {
            line.push_str(&format!(", node {node}"));
        }
        format!("{line}: {}", self.reason)
    }
}
