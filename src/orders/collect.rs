//! Gathering orders over files: what must be unique, and what nodes are called.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::file::OrdersMap;
use super::order;
use super::reading::{NamedNodes, Reading};
use crate::model::{
    Order, OrderDefaults, OrderId, OrderSet, Problem, RejectedFile, RejectedOrder, SourceRef,
};
use crate::yaml::{Document, ProblemReport, SourceText, YamlKind, YamlNode, read};

/// The set under construction.
pub(super) struct Collector<'a> {
    defaults: &'a OrderDefaults,
    set: OrderSet,
    ids: BTreeMap<OrderId, SourceRef>,
    nodes: NamedNodes,
}

impl<'a> Collector<'a> {
    pub(super) fn new(defaults: &'a OrderDefaults) -> Self {
        Self {
            defaults,
            set: OrderSet::default(),
            ids: BTreeMap::new(),
            nodes: NamedNodes::new(),
        }
    }

    /// Reads the orders of a file.
    pub(super) fn add(&mut self, source: SourceText) {
        let file = source.file.to_string();
        let doc = match Document::parse(source) {
            Ok(doc) => doc,
            Err(problem) => return self.reject_file(&file, vec![*problem]),
        };
        self.set.files += 1;
        let mut report = ProblemReport::new(&doc);
        for order in orders_of(&doc, &mut report) {
            self.order(&doc, order);
        }
        if !report.is_empty() {
            self.set.rejected_files.push(RejectedFile {
                file,
                problems: report.finish(),
            });
        }
    }

    /// Records a file that gave no orders.
    pub(super) fn reject_file(&mut self, file: &str, problems: Vec<Problem>) {
        self.set.files += 1;
        self.set.rejected_files.push(RejectedFile {
            file: file.to_owned(),
            problems,
        });
    }

    fn order(&mut self, doc: &Document, node: &YamlNode) {
        let mut reading = Reading {
            doc,
            defaults: self.defaults,
            nodes: &mut self.nodes,
            warnings: &mut self.set.warnings,
        };
        match order::read_order(node, &mut reading) {
            Ok(order) => self.accept(doc, node, order),
            Err(rejected) => self.reject(rejected),
        }
    }

    fn accept(&mut self, doc: &Document, node: &YamlNode, order: Order) {
        let Some(first) = self.ids.get(&order.id) else {
            self.ids.insert(order.id.clone(), order.source.clone());
            return self.set.orders.push(order);
        };
        let at = node.get("orderid").unwrap_or(node);
        let problem = doc
            .problem(
                at.id,
                format!(
                    "order id {} is already used by the order at {}:{}",
                    order.id, first.file, first.line
                ),
            )
            .hint("ids must be unique across all files; the first file in alphabetical order wins");
        self.set.rejected_orders.push(RejectedOrder {
            id: None,
            customer: order.customer,
            source: order.source,
            problems: std::iter::once(problem)
                .chain(
                    order
                        .rejected
                        .into_iter()
                        .flat_map(|position| position.problems),
                )
                .collect(),
        });
    }

    fn reject(&mut self, mut rejected: RejectedOrder) {
        // A rejected order holds on to its id, so that a later order of the same
        // id does not quietly take its place (and its manifest).
        if let Some(id) = rejected.id.take()
            && !self.ids.contains_key(&id)
        {
            self.ids.insert(id.clone(), rejected.source.clone());
            rejected.id = Some(id);
        }
        self.set.rejected_orders.push(rejected);
    }

    /// The set, sorted.
    pub(super) fn finish(mut self) -> OrderSet {
        self.set
            .orders
            .sort_by(|left, right| left.id.cmp(&right.id));
        self.set.nodes = self
            .nodes
            .into_iter()
            .map(|(id, (node, _))| (id, node))
            .collect();
        let inventory = &self.defaults.inventory;
        let known = self.set.nodes.keys();
        let traits = known.filter_map(|id| Some((id.clone(), inventory.by_name(id)?.traits())));
        self.set.traits = traits.collect();
        let clusters = inventory.discovered.iter();
        let traits = clusters.map(|(name, cluster)| (name.clone(), cluster.traits(name)));
        self.set.cluster_traits = traits.collect();
        self.set
    }
}

/// The orders in a file, in whichever of the three forms it has.
fn orders_of<'d>(doc: &'d Document, report: &mut ProblemReport<'_>) -> Vec<&'d YamlNode> {
    let root = &doc.root;
    match &root.kind {
        YamlKind::List(orders) => orders.iter().collect(),
        YamlKind::Map { entries, .. } => {
            if entries.iter().any(|entry| entry.key == "orders") {
                let map: OrdersMap<Vec<IgnoredAny>> = read(root, report);
                if map.orders.is_none() {
                    let hint = "write `orders: []` for a file without orders";
                    report.missing(root.id, "orders", hint);
                }
                let orders = root.get("orders").map_or(&[][..], YamlNode::elements);
                return orders.iter().collect();
            }
            let is_order = |key: &str| ["orderid", "positions", "customer"].contains(&key);
            if entries.iter().any(|entry| is_order(&entry.key)) {
                return vec![root];
            }
            let problem = doc
                .problem(root.id, "this map contains no orders")
                .hint(FORMS);
            report.push(problem);
            Vec::new()
        }
        // Emptied on purpose. A file without a single word is not: a write that was
        // truncated looks like that.
        YamlKind::Null if doc.source.is_remarks_only() => Vec::new(),
        YamlKind::Null => {
            report.push(
                Problem::of_file(&*doc.source.file, "the file is empty")
                    .hint("write `[]` for a file without orders, or delete it"),
            );
            Vec::new()
        }
        _ => {
            let message = format!("expected orders, found {}", doc.describe(root));
            report.push(doc.problem(root.id, message).hint(FORMS));
            Vec::new()
        }
    }
}

const FORMS: &str =
    "a file is a list of orders, a map with `orders:`, or one order with `orderid:`";
