//! What is known while orders are read.

use std::collections::BTreeMap;

use crate::model::{Node, NodeId, OrderDefaults, Problem, SourceRef};
use crate::yaml::{Document, YamlNode};

/// The nodes that orders have named so far, with the place that did so first.
pub(super) type NamedNodes = BTreeMap<NodeId, (Node, SourceRef)>;

/// What reading an order needs to know.
pub(super) struct Reading<'a> {
    pub doc: &'a Document,
    pub defaults: &'a OrderDefaults,
    /// The nodes named so far; accepted positions add theirs.
    pub nodes: &'a mut NamedNodes,
    /// What has no effect; nothing is refused for it.
    pub warnings: &'a mut Vec<Problem>,
}

impl Reading<'_> {
    /// Where a node of the tree was written.
    pub(super) fn source(&self, node: &YamlNode) -> SourceRef {
        SourceRef {
            file: self.doc.source.file.to_string(),
            line: self.doc.line(node.id),
        }
    }
}
