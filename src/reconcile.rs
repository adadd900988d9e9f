//! One pass: load, look, plan, do, record, judge.
//!
//! A pass takes no hint: `--once`, a schedule and a file event all call
//! [`Pass::run`]. Planning and executing meet only here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, CacheError};
use crate::conclude::manifest::{self, Manifest};
use crate::conclude::{Report, verdict};
use crate::error::chain;
use crate::execute::{self, Downloads, Event, World};
use crate::facts::{Memory, Observed, Outcome, StepId};
use crate::model::{OrderId, OrderSet};
use crate::nodes::Nodes;
use crate::observe;
use crate::plan::{self, Look, Naming, Policy, PositionWant};
use crate::store::manifest as files;
use crate::upstream::Upstream;

/// How often a pass looks again when the world moved on under it.
const ROUNDS: usize = 3;

/// Where an order's manifest goes, by its id and customer.
pub type ManifestPath = Box<dyn Fn(&OrderId, Option<&str>) -> PathBuf + Send + Sync>;

/// Everything a pass works with. Plain values and the three places.
pub struct Pass<F, N> {
    /// The upstream.
    pub factory: Arc<F>,
    /// The cache.
    pub cache: Arc<Cache>,
    /// The nodes.
    pub nodes: Arc<N>,
    /// How files are named and where they come from.
    pub naming: Naming,
    /// What may go, and what must stay free.
    pub policy: Policy,
    /// What every manifest says alike.
    pub context: manifest::Context,
    /// Where an order's manifest goes.
    pub manifest_path: ManifestPath,
    /// What is remembered from earlier passes.
    pub memory: Memory,
    /// The downloads under way, and how many there may be. They outlive a pass that is
    /// told to hand over.
    pub downloads: Arc<Downloads>,
    /// Cancelled when there is other work to look for: the pass ends without waiting
    /// for its downloads, and the next one finds them.
    pub handover: CancellationToken,
    /// Nodes worked on at once.
    pub nodes_at_once: usize,
}

/// Why a pass could not even look.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The cache is not readable.
    #[error("cannot look into the cache")]
    Cache(#[source] CacheError),
}

impl PassError {
    /// What a person can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint().map(str::to_owned),
        }
    }
}

impl<F: Upstream, N: Nodes> Pass<F, N> {
    /// Looks at the world and plans. Changes nothing anywhere.
    ///
    /// # Errors
    /// When the cache cannot be read: what it holds would be unknown, and unknown
    /// is not empty.
    pub async fn look(&self, orders: &OrderSet, now: Timestamp) -> Result<Look, PassError> {
        let mut catalog = observe::catalog(orders, &*self.factory).await;
        let mut desired = plan::resolve(orders, &catalog, &self.naming);
        for (id, place) in &self.memory.places {
            let node = desired.nodes.entry(id.clone());
            node.or_insert_with(|| place.node.clone());
        }
        let cache = self.cache.observe().map_err(PassError::Cache)?;
        catalog.sizes = observe::sizes(&desired, &cache, &*self.factory);
        let nodes = observe::nodes(
            &desired,
            &self.memory,
            now,
            &*self.nodes,
            self.nodes_at_once,
        )
        .await;
        let observed = Observed {
            catalog,
            cache,
            nodes,
            memory: self.memory.clone(),
            now,
        };
        let plan = plan::plan(&desired, &observed, &self.policy);
        Ok(Look {
            desired,
            observed,
            plan,
        })
    }

    /// One whole pass, starting from a look that was already made (and perhaps
    /// shown). Where a step finds the world changed, the pass looks again.
    ///
    /// # Errors
    /// When a further look fails.
    pub async fn run(
        &mut self,
        orders: &OrderSet,
        mut look: Look,
        events: &mpsc::UnboundedSender<Event>,
        cancel: &CancellationToken,
    ) -> Result<Report, PassError> {
        let busy = self.downloads.files();
        self.cache.sweep(&busy).map_err(PassError::Cache)?;
        let mut round = 1;
        let mut earlier = BTreeMap::new();
        let outcomes = loop {
            let outcomes = self.execute(&look, events, cancel).await;
            // A purge is asked for once; what a further round finds is kept. What was
            // read back in this pass is not read again.
            self.policy.purge = false;
            self.policy.verify = None;
            let outdated = outcomes
                .values()
                .any(|outcome| matches!(outcome, Outcome::Outdated { .. }));
            if !outdated || round == ROUNDS || cancel.is_cancelled() {
                break outcomes;
            }
            round += 1;
            // What an earlier round did is part of what the pass did.
            earlier.extend(
                outcomes
                    .into_iter()
                    .filter(|(_, outcome)| outcome.is_success()),
            );
            look = self.look(orders, look.observed.now).await?;
        };
        let wanted = look.desired.artifacts.values().map(|want| &want.file);
        self.cache
            .mark_wanted(wanted, &look.observed.cache, look.observed.now)
            .map_err(PassError::Cache)?;
        let manifests = self.record(orders, &look, &outcomes);
        let verdict = verdict(orders, &look, &outcomes, &manifests);
        earlier.extend(outcomes);
        let outcomes = earlier;
        Ok(Report {
            look,
            outcomes,
            manifests,
            verdict,
        })
    }

    async fn execute(
        &self,
        look: &Look,
        events: &mpsc::UnboundedSender<Event>,
        cancel: &CancellationToken,
    ) -> BTreeMap<StepId, Outcome> {
        let world = Arc::new(World {
            factory: Arc::clone(&self.factory),
            cache: Arc::clone(&self.cache),
            nodes: Arc::clone(&self.nodes),
            specs: look.desired.nodes.clone(),
            network: self.policy.transfer.network.clone(),
            revision: self.context.revision.clone(),
            now: look.observed.now,
            downloads: Arc::clone(&self.downloads),
            handover: self.handover.clone(),
            nodes_at_once: self.nodes_at_once,
        });
        let known = &look.observed.cache;
        execute::execute(&look.plan, known, world, events.clone(), cancel.clone()).await
    }

    /// The manifest of every order that has an id: as the pass left things, or, for
    /// a dry run, as it would.
    pub fn manifests(
        &self,
        orders: &OrderSet,
        look: &Look,
        outcomes: Option<&BTreeMap<StepId, Outcome>>,
    ) -> BTreeMap<OrderId, (PathBuf, Manifest)> {
        let results = manifest::Results::new(&look.plan, &look.observed, outcomes);
        let mut wants: BTreeMap<&OrderId, Vec<&PositionWant>> = BTreeMap::new();
        for want in &look.desired.positions {
            wants.entry(&want.position.order).or_default().push(want);
        }
        let none = Vec::new();
        let mut manifests = BTreeMap::new();
        for order in &orders.orders {
            let wants = wants.get(&order.id).unwrap_or(&none);
            let manifest = manifest::assemble(order, wants, &results, &self.context);
            let path = (self.manifest_path)(&order.id, order.customer.as_deref());
            manifests.insert(order.id.clone(), (path, manifest));
        }
        for rejected in &orders.rejected_orders {
            let Some(id) = &rejected.id else { continue };
            let path = (self.manifest_path)(id, rejected.customer.as_deref());
            let now = look.observed.now;
            let last = files::read(&path);
            let refused = manifest::refused(rejected, id, last, &self.context, now);
            manifests
                .entry(id.clone())
                .and_modify(|(_, manifest)| manifest.errors.extend(refused.errors.clone()))
                .or_insert((path, refused));
        }
        manifests
    }

    fn record(
        &self,
        orders: &OrderSet,
        look: &Look,
        outcomes: &BTreeMap<StepId, Outcome>,
    ) -> BTreeMap<OrderId, Result<bool, String>> {
        self.manifests(orders, look, Some(outcomes))
            .into_iter()
            .map(|(id, (path, manifest))| {
                let written = files::write(&path, &manifest);
                (id, written.map_err(|error| chain(&error)))
            })
            .collect()
    }
}
