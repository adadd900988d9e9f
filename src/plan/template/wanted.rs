//! The templates that are wanted, over all orders.

use std::collections::BTreeMap;

use crate::model::{ArtifactId, Deletion, FileName, NodeId, PushTarget, Template, TemplateName};
use crate::plan::wanted::WantedBy;

/// Where a template is wanted: under this name, for one node or for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplatePlace {
    /// Under which name.
    pub name: TemplateName,
    /// The node; of the nodes of a shared storage, `CLUSTER/STORAGE`.
    pub of: String,
}

/// A template that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTemplate {
    /// What the order says of it.
    pub template: Template,
    /// The image that it is made from.
    pub artifact: ArtifactId,
    /// The nodes that may have it, each with the place of the image there; several only
    /// where they share the storage, and then one of them has it.
    pub nodes: BTreeMap<NodeId, (PushTarget, FileName)>,
    /// What becomes of it later, where the order says so.
    pub deletion: Option<Deletion>,
    /// The positions that want it.
    pub wanted_by: WantedBy,
}
