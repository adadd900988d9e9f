//! One run with a memory: what the loop and a manual run have in common.

mod keep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::instruction_watch::InstructionWatch;
use super::run::{FinishedRun, RunError, RunObserver};
use super::site_reports::{SiteTeller, in_time};
use crate::app::{App, LiveReconciler, OrdersAt, RecordsMoment, StartError};
use crate::conclude::memory::{next_try, reset_back_off};
use crate::conclude::{self, OtherSites, RetryLimits, Scope, Status};
use crate::daemon::Waker;
use crate::execute::Recall;
use crate::facts::{Backoff, Clusters, KnownInstructions, Memory, StepId};
use crate::model::{OrderId, OrderSet, SiteName, Trigger, UnknownNode};
use crate::plan::{Look, Plan, RunOptions};
use crate::reconcile::{Inputs, Signals};
use crate::store::{self, StateDir};

/// One run: what is remembered before it, the run, and what is kept after it.
pub(crate) struct Session<'a> {
    app: &'a App,
    orders: &'a OrdersAt,
    state: StateDir,
    started: Timestamp,
    trigger: Trigger,
    revision: Option<String>,
    memory: Memory,
    /// The failures before those that hold back this run were forgotten.
    failures: BTreeMap<StepId, Backoff>,
    options: RunOptions,
    /// The sites that it is for; `None` for all nodes.
    sites: Option<BTreeSet<SiteName>>,
    /// What it tells other sites is renewed until the next run.
    is_renewed: bool,
    /// Wakes whoever begins the next run, where somebody does.
    waker: Option<Waker>,
}

/// What the orders want.
struct Surveyed {
    /// Of the nodes that the run is for.
    orders: Arc<OrderSet>,
    /// At other sites that are served.
    others: OrderSet,
    /// All orders.
    known_orders: BTreeSet<OrderId>,
    /// The nodes that only clusters of other sites can know.
    unknown_nodes: Vec<UnknownNode>,
    clusters: Clusters,
}

impl<'a> Session<'a> {
    /// Begins: reads what is remembered, without what would hold back whoever asks
    /// for a run by name. What is written is right only if the cache is locked from
    /// before this until the end.
    pub(crate) async fn begin(
        app: &'a App,
        orders: &'a OrdersAt,
        trigger: Trigger,
        asked: &[Scope],
        options: RunOptions,
    ) -> Self {
        let (state, now) = (app.state(), app.now());
        let status = state.status().unwrap_or_default();
        app.count_on(&status.counters);
        let last_run = status.last_run.map(|run| run.finished);
        let clocks = store::reading(now);
        let limits = RetryLimits::default();
        let (mut memory, jump) =
            conclude::clock::settle(state.memory(), now, clocks, last_run, &limits);
        if let Some(jump) = jump {
            let direction = if jump.is_negative() {
                "back"
            } else {
                "forward"
            };
            let by = SignedDuration::from_secs(jump.as_secs().abs());
            tracing::warn!(
                "the clock of this machine jumped {direction} by {by:#}; waiting times start over"
            );
        }
        let failures = memory.backoff.clone();
        for scope in asked {
            reset_back_off(&mut memory, scope);
        }
        Self {
            revision: match (orders.source(), orders.local()) {
                (Some(source), _) => source.revision.clone(),
                (None, Some(path)) => store::revision::of(path).await,
                (None, None) => None,
            },
            app,
            orders,
            started: now,
            state,
            trigger,
            memory,
            failures,
            options,
            sites: app.served_sites().cloned(),
            is_renewed: false,
            waker: None,
        }
    }

    /// The same for the nodes of these sites only, in the place of all that are served.
    pub(crate) fn for_sites(self, sites: Option<BTreeSet<SiteName>>) -> Self {
        Self { sites, ..self }
    }

    /// The sites that this controller serves and that the run is not for.
    fn other_sites(&self) -> BTreeSet<SiteName> {
        match (self.app.served_sites(), &self.sites) {
            (Some(served), Some(led)) => served.difference(led).cloned().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// What is known of them: what `before` and the memory know of their nodes is kept.
    fn others(&self, before: &Status, orders: OrderSet) -> OtherSites {
        let sites = self.other_sites();
        let nodes = self.app.site_nodes(&sites);
        let known = before.nodes.keys().chain(self.memory.places.keys());
        let named = before.conditions.iter().filter_map(|one| one.node.as_ref());
        let known = known.chain(named).filter(|node| nodes.covers(node));
        OtherSites {
            nodes: known.cloned().collect(),
            sites,
            orders,
        }
    }

    /// When the first of the failures is to be tried again that the run is for.
    pub(crate) fn next_try(&self, memory: &Memory, plan: &Plan) -> Option<Timestamp> {
        let Some(sites) = &self.sites else {
            return next_try(memory, plan);
        };
        let nodes = self.app.site_nodes(sites);
        next_try(&memory.clone().divided(|node| nodes.covers(node)).0, plan)
    }

    /// The same for a controller that goes on after it: it renews what other sites are told.
    pub(crate) fn renewing(self, is_renewed: bool) -> Self {
        Self { is_renewed, ..self }
    }

    /// The same in a loop: where operators say something else of rollouts during the run, it
    /// hands over to the next one. Without a loop it ends, and whoever began it is told.
    pub(crate) fn waking(self, waker: Option<Waker>) -> Self {
        Self { waker, ..self }
    }

    /// What is remembered of the nodes that the run is for, and of others.
    fn memory(&self) -> (Memory, Memory) {
        match &self.sites {
            None => (self.memory.clone(), Memory::default()),
            Some(sites) => {
                let nodes = self.app.site_nodes(sites);
                self.memory.clone().divided(|node| nodes.covers(node))
            }
        }
    }

    /// What operators say of rollouts now.
    async fn instructed(&self) -> Result<KnownInstructions, StartError> {
        let instructions = self.app.instructions()?;
        let known = instructions.known(&self.memory.instructed).await;
        for trouble in known.troubles() {
            tracing::warn!("{trouble}");
        }
        Ok(known)
    }

    /// The revision of the orders, where they are under git.
    pub(crate) fn revision(&self) -> Option<&str> {
        self.revision.as_deref()
    }

    /// Reads the orders, which are told on, and looks. Changes nothing anywhere.
    ///
    /// # Errors
    /// When there is nothing to look with, or `stop` is cancelled.
    pub(crate) async fn look(
        &self,
        reconciler: &LiveReconciler,
        stop: &CancellationToken,
        read: impl FnOnce(&OrderSet),
    ) -> Result<(Inputs, Look), RunError> {
        let others = self.app.fleet_view(self.sites.as_ref());
        let asked = async { tokio::try_join!(self.survey(reconciler), others, self.instructed()) };
        let (surveyed, fleet, instructed) = tokio::select! {
            answered = asked => answered?,
            () = stop.cancelled() => return Err(RunError::Stopped),
        };
        let Surveyed {
            orders,
            others,
            known_orders,
            unknown_nodes,
            clusters,
        } = surveyed;
        read(&orders);
        // A look by hand, which leads nothing, knows what this controller recorded.
        let sites = self.sites.as_ref();
        tokio::select! {
            () = self.app.share_deliveries(sites, RecordsMoment::BeforeRun) => {}
            () = stop.cancelled() => return Err(RunError::Stopped),
        }
        let memory = Memory {
            instructed: instructed.over(orders.orders.iter().map(|order| &order.id)),
            instruction_troubles: instructed.troubles(),
            instructions_read: instructed.read,
            ..self.app.known_by(sites, self.memory().0)
        };
        let inputs = Inputs {
            orders,
            elsewhere: Arc::new(others.images_only()),
            known_orders,
            unknown_nodes,
            revision: self.revision.clone(),
            source: self.orders.source().cloned(),
            memory,
            clusters,
            fleet,
            options: self.options.clone(),
        };
        let look = tokio::select! {
            look = reconciler.look(&inputs, self.app.now()) => look?,
            () = stop.cancelled() => return Err(RunError::Stopped),
        };
        Ok((inputs, look))
    }

    /// Asks the clusters for their nodes, and reads the orders with those.
    async fn survey(&self, reconciler: &LiveReconciler) -> Result<Surveyed, StartError> {
        let mut clusters = self.app.survey(&self.memory).await?;
        self.app.introduce(reconciler)?;
        let mut orders = self.app.orders(self.orders)?;
        let others = self.of_others(&orders);
        let known_orders = orders.orders.iter().map(|order| order.id.clone());
        let known_orders = known_orders.collect();
        let unknown_nodes = self.app.unknown_nodes(&orders);
        if let Some(sites) = &self.sites {
            orders = Arc::new(self.app.site_nodes(sites).of_orders(&orders));
        }
        self.app.add_rights(&mut clusters, &orders).await?;
        Ok(Surveyed {
            orders,
            others,
            known_orders,
            unknown_nodes,
            clusters,
        })
    }

    /// What orders want at the sites that are served and that the run is not for.
    fn of_others(&self, orders: &OrderSet) -> OrderSet {
        let others = self.other_sites();
        match others.is_empty() {
            true => OrderSet::default(),
            false => self.app.site_nodes(&others).of_orders(orders),
        }
    }

    /// The whole run: looks, does what is planned, and keeps what came of it.
    ///
    /// # Errors
    /// When it cannot look, or nobody can be told the plan.
    pub(crate) async fn run(
        &self,
        reconciler: &LiveReconciler,
        stop: &CancellationToken,
        handover: &CancellationToken,
        observer: &mut impl RunObserver,
    ) -> Result<FinishedRun, RunError> {
        let read = |orders: &OrderSet| observer.read(orders);
        let (inputs, look) = self.look(reconciler, stop, read).await?;
        let (events, told) = mpsc::unbounded_channel();
        let following = observer.planned(&look, told)?;
        if let Some(status) = self.keep_planned(&inputs, &look.plan) {
            observer.under_way(&status);
        }
        let signals = Signals {
            events,
            cancel: stop.clone(),
            handover: handover.clone(),
            recall: Recall::default(),
            shows_manifests: observer.shows_manifests(),
        };
        let sites = self.sites.as_ref();
        let teller = sites.map(|sites| SiteTeller::new(self.app, sites, self.is_renewed));
        let begun = teller.as_ref().map(|teller| teller.begun(&look));
        let instructions = self.app.instructions()?;
        let waker = self.waker.as_ref();
        let watch = InstructionWatch::start(instructions.clone(), &look, &signals, waker);
        let (again, mut further) = mpsc::unbounded_channel();
        let (watched, told) = (watch.as_ref(), teller.as_ref());
        // Gone with the run, which ends what follows.
        let replanned = move |look: &Look| {
            if let Some(watch) = watched {
                watch.replanned(look);
            }
            let begun = told.map(|teller| teller.begun(look));
            let _ = again.send((look.plan.clone(), begun));
        };
        let telling = async {
            if let (Some(teller), Some(begun)) = (&teller, begun) {
                in_time(stop, teller.run_planned(begun)).await;
            }
            // What is in rings by a further plan can be stopped as well.
            while let Some((plan, begun)) = further.recv().await {
                if let Some(status) = self.keep_planned(&inputs, &plan) {
                    observer.under_way(&status);
                }
                if let (Some(teller), Some(begun)) = (&teller, begun) {
                    in_time(stop, teller.run_planned(begun)).await;
                }
            }
        };
        let running = reconciler.run(&inputs, look, &signals, replanned);
        let (report, ()) = tokio::join!(Box::pin(running), Box::pin(telling));
        let said = watch.as_ref().and_then(InstructionWatch::said);
        drop(watch);
        let is_recalled = said.is_some();
        drop(signals);
        if let Err(error) = following.await {
            tracing::warn!(reason = %error, "the event log failed");
        }
        let shared = self.app.share_deliveries(sites, RecordsMoment::AfterRun);
        in_time(stop, shared).await;
        let report = report?;
        let kept = self
            .keep(&inputs, &report, (&instructions, said), stop)
            .await;
        if let Some(teller) = teller {
            let kept = kept.as_ref().map(|(status, memory)| (status, memory));
            in_time(stop, teller.run_over(kept, &report)).await;
        }
        Ok(FinishedRun {
            orders: inputs.orders,
            report,
            kept,
            is_recalled,
        })
    }
}
