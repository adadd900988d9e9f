//! From the files of this machine to the outputs that were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::args::OutputsArgs;
use super::one::Query;
use crate::app::{App, StartError};
use crate::cli::args::Common;
use crate::cli::following::{FileState, file_state};
use crate::conclude::outputs::{OrderManifest, OutputRecords, Outputs, assemble};
use crate::model::{NodeId, OrderId, OrderSet, Problem, visible};
use crate::store;

/// What was found, and what of it was asked for.
pub(super) struct Loaded {
    pub(super) all: Outputs,
    pub(super) selected: Outputs,
    /// Files that cannot be read: which orders are in them is not known.
    unreadable: Vec<String>,
}

impl Loaded {
    /// What keeps the answer from being complete, as lines.
    pub(super) fn complaints(&self) -> Vec<String> {
        [self.unreadable.clone(), self.selected.unknown()].concat()
    }
}

/// Reads the outputs, as often as it is asked to.
pub(super) struct OutputsReader<'a> {
    app: &'a App,
    common: &'a Common,
    args: &'a OutputsArgs,
    query: &'a Query,
}

/// The files that the outputs are made of, as they were.
#[derive(PartialEq)]
pub(super) struct Sources {
    orders: Option<Arc<OrderSet>>,
    files: BTreeMap<PathBuf, FileState>,
}

impl<'a> OutputsReader<'a> {
    pub(super) fn new(
        app: &'a App,
        common: &'a Common,
        args: &'a OutputsArgs,
        query: &'a Query,
    ) -> Self {
        Self {
            app,
            common,
            args,
            query,
        }
    }

    /// The orders; `None` where none are named and the last status has to do.
    fn orders(&self) -> anyhow::Result<Option<Arc<OrderSet>>> {
        self.app.recall();
        match self.app.known_orders(self.common.orders.as_deref()) {
            Ok(at) => Ok(Some(self.app.orders(&at)?)),
            Err(error @ (StartError::NoOrders | StartError::Unconfigured { .. })) => {
                match self.app.state().status() {
                    Some(_) => Ok(None),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Every order with its customer, who may be part of the path.
    fn ids(&self, orders: Option<&OrderSet>) -> BTreeMap<OrderId, Option<String>> {
        let Some(orders) = orders else {
            let status = self.app.state().status().unwrap_or_default();
            let lines = status.orders.into_iter();
            return lines.map(|(id, line)| (id, line.customer)).collect();
        };
        let fine = orders.orders.iter();
        let fine = fine.map(|order| (order.id.clone(), order.customer.clone()));
        let refused = orders.rejected_orders.iter();
        let refused = refused.filter_map(|order| Some((order.id.clone()?, order.customer.clone())));
        fine.chain(refused).collect()
    }

    fn manifest_path(&self, id: &OrderId, customer: Option<&str>) -> PathBuf {
        self.app.settings().manifest.path(id, customer)
    }

    /// What the files are now. Cheap: nothing that did not change is read.
    pub(super) fn sources(&self) -> anyhow::Result<Sources> {
        let orders = self.orders()?;
        let ids = self.ids(orders.as_deref());
        let manifests = ids
            .iter()
            .map(|(id, customer)| self.manifest_path(id, customer.as_deref()));
        let state = self.app.state();
        let own = ["status.json", "suspended.json"].map(|name| state.path().join(name));
        let files = manifests.chain(own).map(|path| {
            let found = file_state(&path);
            (path, found)
        });
        Ok(Sources {
            files: files.collect(),
            orders,
        })
    }

    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        let state = self.app.readable_state()?;
        let orders = self.orders()?;
        let ids = self.ids(orders.as_deref());
        let read = |(id, customer): (&'_ OrderId, &Option<String>)| {
            let path = self.manifest_path(id, customer.as_deref());
            store::manifest::find(&path, id)
        };
        let manifests: Vec<_> = ids.iter().map(read).collect();
        let found: Vec<OrderManifest<'_>> = ids
            .keys()
            .zip(manifests)
            .map(|(id, manifest)| {
                let set = orders.as_deref();
                let refused = set.and_then(|set| {
                    let mut refused = set.rejected_orders.iter();
                    refused.find(|order| order.id.as_ref() == Some(id))
                });
                let problem = refused.and_then(|order| order.problems.first());
                OrderManifest {
                    id,
                    order: set.and_then(|set| set.orders.iter().find(|order| order.id == *id)),
                    refused: problem.map(Problem::headline),
                    manifest,
                }
            })
            .collect();
        let none = BTreeMap::new();
        let all = assemble(&OutputRecords {
            orders: &found,
            nodes: orders.as_deref().map_or(&none, |set| &set.nodes),
            suspended: &state.suspended(),
        });
        self.check(&all, &ids, orders.as_deref())?;
        let selected = all
            .clone()
            .selected(&self.args.selection(), &self.args.position);
        let selected = self.query.applied(selected);
        if selected.is_empty() && !all.is_empty() && self.is_filtered() {
            anyhow::bail!("nothing matches: no such position of this order is on this node");
        }
        let set = orders.as_deref();
        let files = set.into_iter().flat_map(|set| &set.rejected_files);
        let unreadable = files
            .filter(|_| self.args.order.is_empty())
            .flat_map(|file| &file.problems)
            .map(ToString::to_string);
        Ok(Loaded {
            unreadable: unreadable.collect(),
            all,
            selected,
        })
    }

    fn is_filtered(&self) -> bool {
        let args = self.args;
        let given = [&args.order, &args.position, &args.node];
        given.iter().any(|patterns| !patterns.is_empty()) || !self.query.is_all()
    }

    /// That every pattern fits something.
    fn check(
        &self,
        all: &Outputs,
        ids: &BTreeMap<OrderId, Option<String>>,
        orders: Option<&OrderSet>,
    ) -> anyhow::Result<()> {
        let images = all.images.iter().map(|one| &one.place);
        let templates = all.templates.iter().map(|one| &one.place);
        let places: Vec<_> = images.chain(templates).collect();
        let mut nodes: BTreeSet<&str> = places.iter().map(|place| place.node.as_str()).collect();
        let configured = self.app.configured_nodes();
        nodes.extend(configured.iter().map(|node| node.id.as_str()));
        let named = orders.iter().flat_map(|orders| orders.nodes.keys());
        nodes.extend(named.map(NodeId::as_str));
        let selection = self.args.selection();
        selection.check(&ids.keys().map(OrderId::as_str).collect(), &nodes)?;
        let unknown = all.unknown.iter();
        let unknown = unknown.filter_map(|one| one.position.as_deref());
        let mut positions: BTreeSet<&str> = unknown.collect();
        positions.extend(places.iter().map(|place| place.position.as_str()));
        for pattern in &self.args.position {
            // An order without a manifest may have any.
            let is_hidden = all.unknown.iter().any(|one| one.position.is_none());
            if !is_hidden && !positions.iter().any(|name| pattern.fits(name)) {
                let pattern = visible(&pattern.to_string()).into_owned();
                anyhow::bail!("no position matches {pattern}");
            }
        }
        Ok(())
    }
}
