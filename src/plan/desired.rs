//! What is wanted: orders, resolved against the catalogue.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::template::{TemplatePlace, WantedTemplate};
use super::unplaced::Unplaced;
use super::wanted::WantedBy;
use crate::facts::VersionSource;
use crate::model::{
    ArtifactId, AwaitedNodes, ClusterName, Deletion, Dir, FileName, Minor, Node, NodeId,
    NodeTraits, OrderId, PositionRef, PushMethod, PushTarget, Rollout, Schematic, SchematicId,
    Sha256, StoredForm, TalosVersion, UnknownNode, Windows,
};

/// Everything that the orders want, deduplicated over all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The files wanted in the cache, by identity.
    pub artifacts: BTreeMap<ArtifactId, Want>,
    /// The files wanted on nodes: each path at most once.
    pub placed: BTreeMap<PushTarget, BTreeMap<FileName, Placed>>,
    /// The templates wanted on nodes.
    pub templates: BTreeMap<TemplatePlace, WantedTemplate>,
    /// The schematics that orders describe, by computed id.
    pub schematics: BTreeMap<SchematicId, Schematic>,
    /// The nodes that anything is wanted on.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Every valid position of every order, in order.
    pub positions: Vec<PositionWant>,
    /// The orders that say that nothing is to be done for them now.
    pub suspended: BTreeSet<OrderId>,
    /// When pushes and prunes for an order may begin, where it says so.
    pub windows: BTreeMap<OrderId, Windows>,
    /// By which rings new images go to the nodes of an order, where it says so.
    pub rollouts: BTreeMap<OrderId, Rollout>,
    /// What rings go by, of every node that orders name: also of those of other sites.
    pub traits: BTreeMap<NodeId, NodeTraits>,
    /// The same of the nodes that only their cluster knows.
    pub cluster_traits: BTreeMap<ClusterName, NodeTraits>,
    /// The positions that are for nodes alone that this run is not for, of orders with
    /// others.
    pub elsewhere: Vec<PositionWant>,
    /// How many orders are for nodes alone that this run is not for. Where all are, it is known
    /// that nothing is wanted on its nodes.
    pub left_out: usize,
    /// The orders with a position that cannot be used: which nodes it is for, and what it
    /// brings there, is not known.
    pub partial: BTreeSet<OrderId>,
    /// The directories of shared storages, by node, as `CLUSTER/STORAGE`.
    pub shared: BTreeMap<NodeId, BTreeMap<Dir, String>>,
    /// True if everything that was written could be read: only then is what is
    /// not mentioned known to be unwanted.
    pub complete: bool,
    /// What is wanted in the cache for nodes that the run is not for.
    pub images_elsewhere: ElsewhereImages,
    /// The nodes that orders name and that only clusters of other sites can know.
    pub unknown_nodes: Vec<UnknownNode>,
    /// Why there may be newer orders than these, where that is so: what they do not mention
    /// is not known to be unwanted either.
    pub doubt: Option<String>,
}

/// What orders want for sites that this controller serves and does not lead now. Another
/// controller delivers it. When this one leads again it continues with what is in its cache,
/// so nothing of this is fetched for it, and nothing of it is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ElsewhereImages {
    /// The images, with their names in the cache.
    pub files: BTreeMap<ArtifactId, FileName>,
    /// Why there may be others, where that is so.
    pub doubt: Option<String>,
}

impl ElsewhereImages {
    /// Their names in the cache.
    pub fn names(&self) -> BTreeSet<&FileName> {
        self.files.values().collect()
    }
}

/// One file wanted in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Want {
    /// Its name in the cache.
    pub file: FileName,
    /// How it comes to be.
    pub origin: Origin,
    /// The digest that orders pin, if any does.
    pub pinned: Option<Sha256>,
    /// The positions that want it.
    pub wanted_by: WantedBy,
}

/// How a file in the cache comes to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Downloaded as it is.
    Download {
        /// From where.
        url: String,
    },
    /// Unpacked from another artifact.
    Unpack {
        /// The compressed form.
        from: ArtifactId,
    },
}

/// One file wanted at a path on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Placed {
    /// What is to be there.
    pub artifact: ArtifactId,
    /// The form in which the node stores it.
    #[serde(skip_serializing_if = "StoredForm::is_same")]
    pub form: StoredForm,
    /// A file of this name can only be ours: the name is made from the artifact.
    pub is_our_name: bool,
    /// What becomes of it later, where an order that wants it says so; staying
    /// wins.
    pub deletion: Option<Deletion>,
    /// How it is to be sent, where an order that wants it says so; a word other than
    /// auto wins.
    pub method: Option<PushMethod>,
    /// The positions that want it there.
    pub wanted_by: WantedBy,
}

/// A position with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionWant {
    /// Which position.
    pub position: PositionRef,
    /// The nodes that it is wanted on and that this run is not for.
    pub elsewhere: BTreeSet<NodeId>,
    /// The clusters of such nodes that alone know which they are.
    pub elsewhere_awaited: BTreeSet<ClusterName>,
    /// The result, or why it cannot be planned in this run.
    pub outcome: Result<Resolved, Unresolved>,
}

/// A position, resolved to artifacts and places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The version it stands for now.
    pub version: TalosVersion,
    /// Who named that version.
    pub version_source: VersionSource,
    /// The file to download.
    pub download: ArtifactId,
    /// The URL of the download.
    pub url: String,
    /// The unpacked form, where it is wanted.
    pub unpacked: Option<ArtifactId>,
    /// What is delivered: one of the two.
    pub delivered: ArtifactId,
    /// Where it is delivered to, with the name it has there.
    pub targets: Vec<(PushTarget, FileName)>,
    /// The storages that it is wanted on and that have no known directory.
    pub unplaced: Vec<Unplaced>,
    /// The nodes that it is wanted on and that only a cluster knows, which was never asked.
    pub awaited: Vec<AwaitedNodes>,
}

impl Resolved {
    /// The nodes that it is wanted on, each perhaps several times.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        let unplaced = self.unplaced.iter().map(|unplaced| &unplaced.target.node);
        let targets = self.targets.iter().map(|(target, _)| &target.node);
        targets.chain(unplaced)
    }
}

/// Why a position cannot be planned in this run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Unresolved {
    /// No source of versions answered, now or earlier.
    VersionsUnknown {
        /// What the sources said.
        failures: Vec<String>,
    },
    /// The list of versions is known, and nothing in it fits.
    NoSuchVersion {
        /// What was asked for.
        wanted: String,
        /// The nearest that exist, greatest first.
        known: Vec<TalosVersion>,
        /// The minor lines that exist, where one was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        minors: Option<String>,
    },
    /// The factory makes no image of this version with what the position asks for.
    Unsupported {
        /// Why.
        why: String,
    },
    /// Another position wants a different file under the same path.
    Conflict {
        /// The path: a file in the cache, or `node:dir/file`.
        path: String,
        /// The other position.
        with: PositionRef,
    },
    /// Another position wants a template of another image, or with other settings, under
    /// the same name on a node.
    TemplateConflict {
        /// The name and where it is, as `talos on pve-01`.
        template: String,
        /// The position.
        with: PositionRef,
    },
    /// Two positions pin different digests for one artifact.
    PinConflict {
        /// The other position.
        with: PositionRef,
    },
}

impl std::fmt::Display for Unresolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::VersionsUnknown { failures } => {
                f.write_str("versions unknown: ")?;
                f.write_str(&failures.join("; "))
            }
            Self::NoSuchVersion {
                wanted,
                known,
                minors,
            } => {
                write!(f, "no released version matches {wanted}")?;
                if let Some(minors) = minors {
                    write!(f, "; minor lines are {minors}")?;
                } else if !known.is_empty() {
                    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                    write!(f, "; known: {}", known.join(", "))?;
                }
                Ok(())
            }
            Self::Unsupported { why } => f.write_str(why),
            Self::Conflict { path, with } => {
                write!(f, "{with} already wants another image at {path}")
            }
            Self::TemplateConflict { template, with } => {
                write!(f, "{with} already wants another template {template}")
            }
            Self::PinConflict { with } => {
                write!(
                    f,
                    "the pinned digest differs from the digest pinned by {with}"
                )
            }
        }
    }
}

/// The minor lines of some versions in one line, greatest first.
pub fn minors<'a>(versions: impl Iterator<Item = &'a TalosVersion>) -> String {
    let minors: BTreeSet<Minor> = versions.map(TalosVersion::minor).collect();
    let minors: Vec<String> = minors.iter().rev().map(ToString::to_string).collect();
    minors.join(", ")
}
