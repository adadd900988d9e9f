//! One reconciliation: look, plan, execute, conclude, record.
//!
//! A run takes no hint of what caused it: an operator, a schedule and a file event all call
//! [`Reconciler::run`]. Planning and executing meet only here. What lives as long as the
//! settings is the [`Reconciler`]; what changes from run to run is [`Inputs`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, CacheError};
use crate::conclude::manifest::{self, Manifest};
use crate::conclude::{Report, SourceLine, verdict};
use crate::error::chain;
use crate::execute::{self, Downloads, Event, ExecutionContext, Recall};
use crate::facts::{Clusters, FleetView, Memory, Observed, Outcome, StepId, VersionKnowledge};
use crate::model::{Node, OrderId, OrderSet, UnknownNode};
use crate::nodes::Nodes;
use crate::observe;
use crate::plan::{self, Look, Naming, Plan, Policy, PositionWant, RunOptions};
use crate::store::manifest as files;
use crate::upstream::Upstream;

/// How often a run observes again when the observed state changed during it.
const ROUNDS: usize = 3;

/// Where an order's manifest goes, by its id and customer.
pub(crate) type ManifestPath = Box<dyn Fn(&OrderId, Option<&str>) -> PathBuf + Send + Sync>;

/// The three places, and how they are used: what lives as long as the settings.
pub(crate) struct Reconciler<F, N> {
    /// The upstream.
    pub factory: Arc<F>,
    pub cache: Arc<Cache>,
    pub nodes: Arc<N>,
    /// How files are named and where they come from.
    pub naming: Naming,
    /// What may go, and what must stay free.
    pub policy: Policy,
    /// What every manifest says alike.
    pub context: manifest::Context,
    /// Where an order's manifest goes.
    pub manifest_path: ManifestPath,
    /// Read for the further looks of a run: one that takes hours begins nothing in a window
    /// that closed meanwhile.
    pub clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// The downloads under way, and how many there may be. They outlive a run that is
    /// told to hand over.
    pub downloads: Arc<Downloads>,
    /// Nodes worked on at once.
    pub nodes_at_once: usize,
}

/// What changes from run to run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// The orders, as loaded for this run.
    pub orders: Arc<OrderSet>,
    /// What orders want in the cache besides, for nodes that the run is not for.
    pub elsewhere: Arc<OrderSet>,
    /// The nodes that orders name and that only clusters of other sites can know.
    pub unknown_nodes: Vec<UnknownNode>,
    /// All orders that could be read, also those for nodes that the run is not for.
    pub known_orders: BTreeSet<OrderId>,
    /// The revision of the orders, where they are in a git repository.
    pub revision: Option<String>,
    /// Where the orders come from, where the program fetches them.
    pub source: Option<SourceLine>,
    /// What is remembered from earlier runs.
    pub memory: Memory,
    /// What clusters say of themselves.
    pub clusters: Clusters,
    /// What other sites of the fleet say; `None` for a single controller.
    pub fleet: Option<FleetView>,
    /// What this run is asked for besides.
    pub options: RunOptions,
}

/// What a run listens to, and whom it tells.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    /// Told of each step as it begins and ends.
    pub events: mpsc::UnboundedSender<Event>,
    /// Cancelled when the run is to stop.
    pub cancel: CancellationToken,
    /// Cancelled when there is other work to look for: the run ends without waiting
    /// for its downloads, and the next one finds them.
    pub handover: CancellationToken,
    /// Called when operators say something else than the plan goes by: no further step
    /// begins, and the run ends.
    pub recall: Recall,
    /// What changes in manifests is told, too.
    pub shows_manifests: bool,
}

/// Why a run failed before planning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// The cache is not readable.
    #[error("cannot read the cache")]
    Cache(#[source] CacheError),
}

impl ReconcileError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Cache(error) => error.hint().map(str::to_owned),
        }
    }
}

impl<F: Upstream, N: Nodes> Reconciler<F, N> {
    /// Looks at the world and plans. Changes nothing anywhere.
    ///
    /// # Errors
    /// When the cache cannot be read: what it holds would be unknown, and unknown
    /// is not empty.
    pub(crate) async fn look(
        &self,
        inputs: &Inputs,
        now: Timestamp,
    ) -> Result<Look, ReconcileError> {
        let (orders, memory) = (&inputs.orders, &inputs.memory);
        let at_once = self.nodes_at_once;
        let (factory, nodes) = (&*self.factory, &*self.nodes);
        let mut first = observe::first(orders, memory, now, factory, nodes, at_once).await;
        let catalog = &mut first.catalog;
        if matches!(catalog.versions, VersionKnowledge::NotNeeded)
            && observe::leaves_open(&inputs.elsewhere)
        {
            catalog.versions = factory.versions().await;
        }
        catalog.clusters = inputs.clusters.clone();
        let mut desired = plan::resolve(orders, catalog, &self.naming);
        desired.images_elsewhere = plan::images_elsewhere(&inputs.elsewhere, catalog, &self.naming);
        desired.unknown_nodes.clone_from(&inputs.unknown_nodes);
        desired.doubt = inputs.source.as_ref().and_then(SourceLine::doubt);
        let is_there = |node: &Node| !catalog.has_gone(node);
        let known = memory.places.iter().map(|(id, place)| (id, &place.node));
        for (id, node) in known
            .chain(&memory.templates)
            .filter(|(_, node)| is_there(node))
        {
            let known = desired.nodes.entry(id.clone());
            known.or_insert_with(|| node.clone());
        }
        let cache = self.cache.observe().map_err(ReconcileError::Cache)?;
        catalog.sizes = observe::sizes(&desired, &cache, &*self.factory);
        let nodes = observe::nodes(&desired, &first, memory, now, &*self.nodes, at_once);
        let stored = observe::stored(&desired, &cache, &*self.factory);
        let (nodes, stored) = tokio::join!(Box::pin(nodes), Box::pin(stored));
        // They are as good as those of similar images.
        first.catalog.sizes.extend(stored.clone());
        first.catalog.stored = stored;
        plan::keep_raw(&mut desired, &nodes);
        let vms = observe::vms(&desired, &nodes, memory, now, &*self.nodes, at_once).await;
        let mut observed = Observed {
            catalog: first.catalog,
            cache,
            nodes,
            fleet: inputs.fleet.clone(),
            vms,
            memory: memory.clone(),
            now,
        };
        let mut plan = plan::plan(&desired, &observed, &self.policy, &inputs.options);
        // Looking for linked clones reads every configuration of a cluster: it is done only
        // for templates that are to go.
        if observe::clones(&plan, &desired, &mut observed.vms, &*self.nodes).await {
            plan = plan::plan(&desired, &observed, &self.policy, &inputs.options);
        }
        Ok(Look {
            desired,
            observed,
            plan,
        })
    }

    /// One whole run, starting from a look that was already made (and perhaps shown).
    /// If a step finds the state changed, the run observes again: `replanned` is called with
    /// the further look, before anything of its plan begins.
    ///
    /// # Errors
    /// When a further look fails.
    pub(crate) async fn run(
        &self,
        inputs: &Inputs,
        mut look: Look,
        signals: &Signals,
        replanned: impl Fn(&Look),
    ) -> Result<Report, ReconcileError> {
        // A purge is asked for once; what a further round finds is kept. What was read
        // back in this run is not read again. What is pruned from nodes is what was
        // shown before the run.
        let further = Inputs {
            options: RunOptions {
                prunable: Some(prunes(&look.plan)),
                selection: inputs.options.selection.clone(),
                ignore_windows: inputs.options.ignore_windows.clone(),
                ..RunOptions::default()
            },
            ..inputs.clone()
        };
        let busy = self.downloads.files();
        self.cache.sweep(&busy).map_err(ReconcileError::Cache)?;
        let mut round = 1;
        let mut earlier = BTreeMap::new();
        let outcomes = loop {
            let outcomes = self.execute(inputs, &look, signals).await;
            let changed = changes(&outcomes);
            let is_last = round == ROUNDS || inputs.options.is_final;
            let is_over = signals.cancel.is_cancelled() || signals.recall.is_called();
            if changed.is_empty() || is_last || is_over {
                break outcomes;
            }
            round += 1;
            // What an earlier round did is part of what the run did.
            earlier.extend(
                outcomes
                    .into_iter()
                    .filter(|(_, outcome)| outcome.is_success()),
            );
            // Back-off and grace count from times that were noted; none is in the future.
            let now = look.observed.now.max((self.clock)());
            look = self.look(&further, now).await?;
            replanned(&look);
            let plan = Box::new(look.plan.clone());
            let _ = signals.events.send(Event::Replanned { changed, plan });
        };
        let mut wanted = look.desired.images_elsewhere.names();
        wanted.extend(look.desired.artifacts.values().map(|want| &want.file));
        self.cache
            .mark_wanted(wanted, &look.observed.cache, look.observed.now)
            .map_err(ReconcileError::Cache)?;
        let manifests = self.record(inputs, &look, &outcomes, signals);
        tokio::select! {
            () = self.factory.settle(&signals.cancel) => {}
            // It goes on while the next run observes.
            () = signals.handover.cancelled() => {}
        }
        let source = inputs.source.clone();
        let verdict = verdict(
            &inputs.orders,
            &look,
            &outcomes,
            &manifests,
            source.as_ref(),
        );
        earlier.extend(outcomes);
        let outcomes = earlier;
        Ok(Report {
            look,
            outcomes,
            manifests,
            source,
            verdict,
        })
    }

    async fn execute(
        &self,
        inputs: &Inputs,
        look: &Look,
        signals: &Signals,
    ) -> BTreeMap<StepId, Outcome> {
        let context = Arc::new(ExecutionContext {
            factory: Arc::clone(&self.factory),
            cache: Arc::clone(&self.cache),
            nodes: Arc::clone(&self.nodes),
            specs: look.desired.nodes.clone(),
            network: self.policy.transport.network.clone(),
            owner: self.policy.prune.owner.clone(),
            revision: inputs.revision.clone(),
            now: look.observed.now,
            downloads: Arc::clone(&self.downloads),
            handover: signals.handover.clone(),
            recall: signals.recall.clone(),
            nodes_at_once: self.nodes_at_once,
        });
        let known = &look.observed.cache;
        let (events, cancel) = (signals.events.clone(), signals.cancel.clone());
        execute::execute(&look.plan, known, context, events, cancel).await
    }

    /// The manifest of every selected order that has an id: as the run left things, or, for
    /// a dry run, as it would.
    pub(crate) fn manifests(
        &self,
        inputs: &Inputs,
        look: &Look,
        outcomes: Option<&BTreeMap<StepId, Outcome>>,
    ) -> BTreeMap<OrderId, (PathBuf, Manifest)> {
        let orders = &inputs.orders;
        let context = manifest::Context {
            revision: inputs.revision.clone(),
            commit: inputs.source.as_ref().and_then(SourceLine::described),
            ..self.context.clone()
        };
        let results = manifest::Results::new(&look.plan, &look.observed, outcomes);
        let mut wants: BTreeMap<&OrderId, Vec<&PositionWant>> = BTreeMap::new();
        for want in &look.desired.positions {
            wants.entry(&want.position.order).or_default().push(want);
        }
        let none = Vec::new();
        let is_selected = |id: &OrderId| inputs.options.selection.has_order(id.as_str());
        let mut manifests = BTreeMap::new();
        for order in orders.orders.iter().filter(|order| is_selected(&order.id)) {
            let wants = wants.get(&order.id).unwrap_or(&none);
            let manifest = manifest::assemble(order, wants, &results, &context);
            let path = (self.manifest_path)(&order.id, order.customer.as_deref());
            manifests.insert(order.id.clone(), (path, manifest));
        }
        for rejected in &orders.rejected_orders {
            let Some(id) = rejected.id.as_ref().filter(|id| is_selected(id)) else {
                continue;
            };
            let path = (self.manifest_path)(id, rejected.customer.as_deref());
            let now = look.observed.now;
            let last = files::read(&path);
            let refused = manifest::refused(rejected, id, last, &context, now);
            manifests
                .entry(id.clone())
                .and_modify(|(_, manifest)| manifest.errors.extend(refused.errors.clone()))
                .or_insert((path, refused));
        }
        manifests
    }

    fn record(
        &self,
        inputs: &Inputs,
        look: &Look,
        outcomes: &BTreeMap<StepId, Outcome>,
        signals: &Signals,
    ) -> BTreeMap<OrderId, Result<bool, String>> {
        self.manifests(inputs, look, Some(outcomes))
            .into_iter()
            .map(|(id, (path, manifest))| {
                let change = match signals.shows_manifests {
                    true => files::small_diff(&path, &manifest),
                    false => None,
                };
                let written = files::write(&path, &manifest);
                if let (Ok(true), Some(change)) = (&written, change) {
                    let order = id.clone();
                    let changed = Event::ManifestChanged { order, change };
                    let _ = signals.events.send(changed);
                }
                (id, written.map_err(|error| chain(&error)))
            })
            .collect()
    }
}

/// What a plan prunes from nodes.
fn prunes(plan: &Plan) -> BTreeSet<StepId> {
    let ids = plan.steps.iter().map(|step| &step.id);
    ids.filter(|id| id.removes_from_node()).cloned().collect()
}

/// What steps found changed since it was observed.
fn changes(outcomes: &BTreeMap<StepId, Outcome>) -> Vec<String> {
    let changes = outcomes.values().filter_map(|outcome| match outcome {
        Outcome::Outdated { what } => Some(what.clone()),
        _ => None,
    });
    changes.collect()
}
