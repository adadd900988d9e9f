//! Orders: what people ask for, validated, with the defaults already applied.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{
    Arch, ClusterName, DeliveryPlace, Dir, FileName, Format, Invalid, Minor, NodeId, NodeTraits,
    Platform, Problem, PushMethod, Rollout, Schematic, SchematicId, Sha256, StorageTarget,
    TalosVersion, Template, Via, Windows, text_form,
};

/// The name of an order; it becomes part of file names, so its alphabet is small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Arc<str>);

impl OrderId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for OrderId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = !text.is_empty()
            && text.len() <= 128
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "{text:?} is not an order id; expected 1 to 128 letters, digits and . _ -, \
                 starting with a letter or digit"
            )))
        }
    }
}

text_form!(OrderId);

/// Which version a position asks for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VersionPolicy {
    /// This one.
    Exact(TalosVersion),
    /// The greatest general release.
    Latest,
    /// The greatest general release of a minor line; a pre-release only where
    /// the line has no general release yet.
    LatestInMinor(Minor),
}

/// What becomes of delivered files that no order wants any more.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Deletion {
    /// They stay.
    Orphan,
    /// They are removed.
    Delete,
}

/// Where a position's schematic id comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchematicSource {
    /// Written in the order; the factory knows it already.
    Id(SchematicId),
    /// Described in the order; the id follows from the canonical form.
    Customization(Box<Schematic>),
}

/// A directory of a node that an image is to be in.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
pub struct PushTarget {
    /// The node; its description is in [`OrderSet::nodes`].
    pub node: NodeId,
    /// The directory on it, already chosen by the format of what is pushed.
    pub dir: Dir,
}

impl From<&Via> for PushTarget {
    /// Where the relay has the file.
    fn from(via: &Via) -> Self {
        Self {
            node: via.node.clone(),
            dir: via.dir.clone(),
        }
    }
}

/// Where a thing was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
pub struct SourceRef {
    /// The file, as in [`Problem::file`].
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
}

/// Nodes that an order names and that only a cluster can know, which was never asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedNodes {
    /// As the order names them: `node pve-09`, `group lab`.
    pub name: String,
    /// The node, where it is one and no group.
    pub node: Option<NodeId>,
    /// The clusters that may know them; never empty.
    pub clusters: Vec<ClusterName>,
    /// Where on them the image is to be.
    pub place: DeliveryPlace,
    /// Where they are named.
    pub source: SourceRef,
}

/// One image that an order asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its place in the order, counted from 0.
    pub index: usize,
    /// Its name; `position-<index + 1>` where the order gives none.
    pub name: String,
    /// The platform.
    pub platform: Platform,
    /// The form to download.
    pub format: Format,
    /// The architecture.
    pub arch: Arch,
    /// Signed for SecureBoot.
    pub secureboot: bool,
    /// The version wanted.
    pub version: VersionPolicy,
    /// The customization wanted.
    pub schematic: SchematicSource,
    /// The compressed image is unpacked in the cache as well.
    pub unpack: bool,
    /// The nodes' directories to deliver to; empty where pushing is off.
    pub targets: Vec<PushTarget>,
    /// The nodes' storages to deliver to, whose directories the nodes know.
    pub storages: Vec<StorageTarget>,
    /// The nodes to deliver to that only a cluster knows, which was never asked.
    pub awaited: Vec<AwaitedNodes>,
    /// The nodes that it names and that are not among these, because the controllers of other
    /// sites serve them.
    pub elsewhere: BTreeSet<NodeId>,
    /// The clusters of other sites that alone know nodes that it names.
    pub elsewhere_awaited: BTreeSet<ClusterName>,
    /// What is delivered is the unpacked image, not the compressed one.
    pub push_unpacked: bool,
    /// The name on the nodes, where it is not the one made from the parts.
    pub filename: Option<FileName>,
    /// How it is to be sent, where set by the order.
    pub push_method: Option<PushMethod>,
    /// The digest that the downloaded file must have.
    pub pinned: Option<Sha256>,
    /// The template that is made from it, if one is.
    pub template: Option<Box<Template>>,
    /// Where the position was written.
    pub source: SourceRef,
}

/// A position's identity in messages and plans.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct PositionRef {
    /// The order.
    pub order: OrderId,
    /// The position's place in it, counted from 0.
    pub index: usize,
    /// The position's name.
    pub name: String,
}

impl fmt::Display for PositionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.order, self.name)
    }
}

/// A position that cannot be used; its siblings are unaffected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct RejectedPosition {
    /// Its place in the order, counted from 0.
    pub index: usize,
    /// Its name, as far as it could be read.
    pub name: String,
    /// What is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

/// A position for a product that this tool does not handle.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Skipped {
    /// Its place in the order, counted from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The product it names.
    pub product: String,
}

/// One order, as far as it is usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id, unique over all files.
    pub id: OrderId,
    /// For whom it is.
    pub customer: Option<String>,
    /// Where it was written.
    pub source: SourceRef,
    /// The usable positions, in the order they were written.
    pub positions: Vec<Position>,
    /// Nothing is done for it until this is taken back.
    pub suspended: bool,
    /// What becomes of its files when it does not want them any more, where it
    /// says so.
    pub deletion: Option<Deletion>,
    /// When its pushes and prunes may begin, where it says so.
    pub windows: Option<Windows>,
    /// By which rings new images go to its nodes, where it says so.
    pub rollout: Option<Rollout>,
    /// The usable positions that are for nodes of other sites alone. Nothing is done for
    /// them; a ring may wait for these nodes.
    pub elsewhere: Vec<Position>,
    /// The positions that were refused.
    pub rejected: Vec<RejectedPosition>,
    /// The positions for other products.
    pub skipped: Vec<Skipped>,
}

impl Order {
    /// How messages name a position of this order.
    pub fn position_ref(&self, position: &Position) -> PositionRef {
        PositionRef {
            order: self.id.clone(),
            index: position.index,
            name: position.name.clone(),
        }
    }
}

/// An order that cannot be used at all (its positions may be fine, but the order
/// around them is not).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct RejectedOrder {
    /// Its id, where it could be read and belongs to no other order.
    pub id: Option<OrderId>,
    /// For whom it is, where it could be read.
    pub customer: Option<String>,
    /// Where it was written.
    pub source: SourceRef,
    /// What is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

/// A file that could not be read or parsed, or that holds something beside its
/// orders that was refused; the orders that could be read are used all the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct RejectedFile {
    /// The file, as in [`Problem::file`].
    pub file: String,
    /// What is wrong with it; never empty.
    pub problems: Vec<Problem>,
}

/// All orders of a run, with what had to be refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderSet {
    /// The usable orders, sorted by id.
    pub orders: Vec<Order>,
    /// Orders refused as a whole.
    pub rejected_orders: Vec<RejectedOrder>,
    /// Files with problems outside any order.
    pub rejected_files: Vec<RejectedFile>,
    /// Every node that an order refers to, by its id.
    pub nodes: std::collections::BTreeMap<NodeId, super::Node>,
    /// What rings go by, of every node that an order refers to: also of those of other sites.
    pub traits: std::collections::BTreeMap<NodeId, NodeTraits>,
    /// The same of the nodes that only their cluster knows.
    pub cluster_traits: std::collections::BTreeMap<ClusterName, NodeTraits>,
    /// How many orders were left out, because they are for nodes of other sites alone.
    pub left_out: usize,
    /// How many files were read.
    pub files: usize,
    /// What was read and used, and probably means something else than it says. Nothing
    /// is refused for it, and it does not make the orders incomplete.
    pub warnings: Vec<Problem>,
}

impl OrderSet {
    /// Every problem of every file, order and position, in reading order.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        let files = self.rejected_files.iter().flat_map(|file| &file.problems);
        let orders = self
            .rejected_orders
            .iter()
            .flat_map(|order| &order.problems);
        let positions = self
            .orders
            .iter()
            .flat_map(|order| &order.rejected)
            .flat_map(|position| &position.problems);
        files.chain(orders).chain(positions)
    }

    /// The nodes that only clusters know which were never asked, in reading order.
    pub fn awaited(&self) -> impl Iterator<Item = &AwaitedNodes> {
        let positions = self.orders.iter().flat_map(|order| &order.positions);
        positions.flat_map(|position| &position.awaited)
    }

    /// True if nothing had to be refused: only then is what the orders do not
    /// mention known to be unwanted.
    pub fn is_complete(&self) -> bool {
        self.problems().next().is_none()
    }
}

#[cfg(test)]
mod tests;
