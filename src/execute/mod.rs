//! Doing what the plan says, exactly, and reporting what came of it.
//!
//! The executor decides nothing: which step runs, on what and why is written in
//! the plan. It knows the order (a step runs when everything it needs has
//! succeeded), the limits (so many downloads, so many nodes, one delivery per
//! node at a time) and how to stop. What it learns becomes an [`Outcome`] per
//! step; where the world has moved on since it was observed, the outcome says so
//! and the next look decides.

mod downloads;
mod event;
mod failure;
mod run;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use downloads::Downloads;
pub use event::Event;

/// How far a step has come.
pub use crate::io::Meter;

use crate::cache::Cache;
use crate::facts::{CacheState, Outcome, StepId};
use crate::model::{Network, Node, NodeId, SiteName, Via};
use crate::nodes::Nodes;
use crate::plan::{Action, Plan, Step};
use crate::upstream::Upstream;

/// Everything that steps act on.
pub struct World<F, N> {
    /// The upstream.
    pub factory: Arc<F>,
    /// The cache.
    pub cache: Arc<Cache>,
    /// The nodes.
    pub nodes: Arc<N>,
    /// How each node of the plan is reached.
    pub specs: BTreeMap<NodeId, Node>,
    /// Which nodes are near each other.
    pub network: Network,
    /// The revision of the orders, for records.
    pub revision: Option<String>,
    /// The time of the pass, for records.
    pub now: Timestamp,
    /// The downloads under way, and how many there may be.
    pub downloads: Arc<Downloads>,
    /// Cancelled when there is other work to look for: what downloads is left running,
    /// and everything else comes to its end.
    pub handover: CancellationToken,
    /// Nodes worked on at once.
    pub nodes_at_once: usize,
}

/// Runs every step of a plan and returns an outcome for each.
///
/// `known` is what the cache was observed to hold: a delivery takes size and
/// digest from there, or from the step that brought the file in. Events go to
/// `events` as they happen; a closed receiver is no error.
pub async fn execute<F: Upstream, N: Nodes>(
    plan: &Plan,
    known: &CacheState,
    world: Arc<World<F, N>>,
    events: mpsc::UnboundedSender<Event>,
    cancel: CancellationToken,
) -> BTreeMap<StepId, Outcome> {
    let mut schedule = Schedule::new(plan);
    let downloads = Arc::clone(&world.downloads);
    let wanted: Vec<_> = plan.steps.iter().filter_map(run::as_fetch).collect();
    downloads.keep_only(&wanted).await;
    let handover = world.handover.clone();
    let bench = Arc::new(run::Bench::new(world, known));
    let mut tasks: JoinSet<(usize, Outcome)> = JoinSet::new();
    let mut running = Tally::new(plan, &downloads);
    loop {
        while let Some(at) = schedule.ready.pop_front() {
            let step = &plan.steps[at];
            if let Some(outcome) = schedule.refusal(step, &cancel) {
                schedule.finish(at, outcome, &events);
                continue;
            }
            running.begins(at);
            let (step, bench) = (step.clone(), Arc::clone(&bench));
            let (events, cancel) = (events.clone(), cancel.clone());
            let handover = handover.clone();
            tasks.spawn(async move {
                let is_download = matches!(step.action, Action::Fetch { .. });
                let outcome = tokio::select! {
                    biased;
                    () = cancel.cancelled() => Outcome::Cancelled,
                    () = handover.cancelled(), if is_download => Outcome::UnderWay,
                    outcome = bench.run(&step, &events) => outcome,
                };
                (at, outcome)
            });
        }
        // Whoever waits for this pass does not wait for what an earlier one has begun.
        if running.is_of_earlier_passes(&downloads) {
            handover.cancel();
        }
        match tasks.join_next().await {
            Some(Ok((at, outcome))) => {
                running.ends(at);
                schedule.finish(at, outcome, &events);
            }
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => break,
        }
    }
    if cancel.is_cancelled() {
        downloads.keep_only(&[]).await;
    }
    schedule.outcomes
}

/// What runs: to tell when nothing is left but downloads that an earlier pass began,
/// and those that wait for their places.
struct Tally {
    downloads: BTreeSet<usize>,
    earlier: BTreeSet<usize>,
    running: BTreeSet<usize>,
}

impl Tally {
    fn new(plan: &Plan, downloads: &Downloads) -> Self {
        let fetches = plan.steps.iter().enumerate();
        let fetches = fetches.filter_map(|(at, step)| Some((at, run::as_fetch(step)?)));
        let fetches: Vec<_> = fetches.collect();
        Self {
            earlier: fetches
                .iter()
                .filter(|(_, fetch)| downloads.find(fetch).is_some())
                .map(|(at, _)| *at)
                .collect(),
            downloads: fetches.into_iter().map(|(at, _)| at).collect(),
            running: BTreeSet::new(),
        }
    }

    fn begins(&mut self, at: usize) {
        self.running.insert(at);
    }

    fn ends(&mut self, at: usize) {
        self.running.remove(&at);
    }

    /// True if nothing that this pass has begun, or is about to begin, is running.
    fn is_of_earlier_passes(&self, downloads: &Downloads) -> bool {
        let mut earlier = 0;
        let mut waiting = false;
        for at in &self.running {
            match (self.earlier.contains(at), self.downloads.contains(at)) {
                (true, _) => earlier += 1,
                (false, true) => waiting = true,
                (false, false) => return false,
            }
        }
        // What waits has no place only if the earlier ones have them all.
        earlier > 0 && (!waiting || earlier >= downloads.at_once())
    }
}

/// Which steps may run next, kept up to date in time proportional to the number
/// of needs.
struct Schedule<'a> {
    plan: &'a Plan,
    ready: VecDeque<usize>,
    waiting_for: Vec<usize>,
    dependents: HashMap<&'a StepId, Vec<usize>>,
    outcomes: BTreeMap<StepId, Outcome>,
}

impl<'a> Schedule<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut dependents: HashMap<&StepId, Vec<usize>> = HashMap::new();
        let mut waiting_for = Vec::with_capacity(plan.steps.len());
        let mut ready = VecDeque::new();
        for (at, step) in plan.steps.iter().enumerate() {
            waiting_for.push(step.needs.len());
            if step.needs.is_empty() {
                ready.push_back(at);
            }
            for need in &step.needs {
                dependents.entry(need).or_default().push(at);
            }
        }
        Self {
            plan,
            ready,
            waiting_for,
            dependents,
            outcomes: BTreeMap::new(),
        }
    }

    /// Why a step whose turn has come is not run after all.
    fn refusal(&self, step: &Step, cancel: &CancellationToken) -> Option<Outcome> {
        let failed = step
            .needs
            .iter()
            .find(|need| !self.outcomes[*need].is_success());
        match failed {
            Some(need) => Some(Outcome::Skipped {
                needs: need.clone(),
            }),
            None => cancel.is_cancelled().then_some(Outcome::Cancelled),
        }
    }

    fn finish(&mut self, at: usize, outcome: Outcome, events: &mpsc::UnboundedSender<Event>) {
        let step = &self.plan.steps[at];
        let _ = events.send(Event::Finished {
            step: step.id.clone(),
            outcome: outcome.clone(),
        });
        self.outcomes.insert(step.id.clone(), outcome);
        for &next in self.dependents.get(&step.id).into_iter().flatten() {
            self.waiting_for[next] -= 1;
            if self.waiting_for[next] == 0 {
                self.ready.push_back(next);
            }
        }
    }
}

/// How many neighbours a relay serves at once. While one of them proves what it got,
/// the other receives; more would only share the relay's link.
const SERVED_AT_ONCE: usize = 2;

/// The limits on what happens at once.
struct Gates {
    /// What is unpacked or read back here. Not the gate of downloads: what is in the
    /// cache does not wait for what is still to come.
    disk: Semaphore,
    nodes: Semaphore,
    /// One delivery at a time per node: they share its disk and its link.
    node: BTreeMap<NodeId, Semaphore>,
    /// What a relay sends on. It is not the node's own gate: over a slow link a relay
    /// receives for long, and its neighbours need not wait for that.
    relay: BTreeMap<NodeId, Semaphore>,
    /// What goes from here into a site.
    site: BTreeMap<SiteName, Semaphore>,
}

impl Gates {
    fn new<F, N>(world: &World<F, N>) -> Self {
        let node = world.specs.keys();
        let sites = &world.network.sites;
        let relays = sites.values().filter_map(|site| site.relay.clone());
        let limits = sites.iter().filter_map(|(name, site)| {
            let limit = Semaphore::new(site.at_once?.max(1));
            Some((name.clone(), limit))
        });
        Self {
            disk: Semaphore::new(world.downloads.at_once()),
            nodes: Semaphore::new(world.nodes_at_once.max(1)),
            node: node.map(|id| (id.clone(), Semaphore::new(1))).collect(),
            relay: relays
                .map(|id| (id, Semaphore::new(SERVED_AT_ONCE)))
                .collect(),
            site: limits.collect(),
        }
    }

    /// Lets a delivery begin when there is room for it everywhere.
    ///
    /// Gates are always passed in this order (the node's own, its relay's or its
    /// site's, that of all nodes), so nobody waits in a circle. A place that many
    /// share is taken late: whoever waits for a busy node takes none from others.
    async fn delivery(&self, network: &Network, node: &NodeId, via: Option<&Via>) -> Passes<'_> {
        let own = pass(&self.node[node]).await;
        let between = match via {
            Some(via) => self.relay.get(&via.node),
            None => {
                let site = network.site_of.get(node);
                site.and_then(|site| self.site.get(site))
            }
        };
        let between = match between {
            Some(gate) => Some(pass(gate).await),
            None => None,
        };
        Passes {
            _held: (own, between, pass(&self.nodes).await),
        }
    }
}

/// Places in gates, given back when this goes.
struct Passes<'a> {
    _held: (Pass<'a>, Option<Pass<'a>>, Pass<'a>),
}

type Pass<'a> = SemaphorePermit<'a>;

/// Waits for a place; the gates are never closed.
async fn pass(gate: &Semaphore) -> Pass<'_> {
    gate.acquire().await.expect("gates are never closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Site;

    fn node(name: &str) -> NodeId {
        name.parse().expect("a node")
    }

    /// Four nodes; one delivery at a time into the site of the first three, which
    /// `pve-01` serves.
    fn gates() -> (Gates, Network) {
        let names = ["pve-01", "pve-02", "pve-03", "pve-04"].map(node);
        let site: SiteName = "berlin".parse().expect("a site");
        let berlin = Site {
            relay: Some(names[0].clone()),
            at_once: Some(1),
            ..Site::default()
        };
        let network = Network {
            site_of: names[..3]
                .iter()
                .map(|name| (name.clone(), site.clone()))
                .collect(),
            sites: BTreeMap::from([(site, berlin)]),
        };
        let specs = names.map(|id| {
            let reach = crate::model::Reach::Local;
            (id.clone(), Node { id, reach })
        });
        let world: World<(), ()> = World {
            factory: Arc::new(()),
            cache: Arc::new(Cache::new(std::path::PathBuf::from("unused"))),
            nodes: Arc::new(()),
            specs: specs.into(),
            network: network.clone(),
            revision: None,
            now: Timestamp::UNIX_EPOCH,
            downloads: Arc::new(Downloads::new(1)),
            handover: CancellationToken::new(),
            nodes_at_once: 8,
        };
        (Gates::new(&world), network)
    }

    /// True if the delivery may begin at once; its places are kept in `held`.
    fn begins<'a>(
        gates: &'a Gates,
        network: &Network,
        name: &str,
        via: Option<&Via>,
        held: &mut Vec<Passes<'a>>,
    ) -> bool {
        use std::future::Future;
        let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
        let name = node(name);
        let delivery = std::pin::pin!(gates.delivery(network, &name, via));
        match delivery.poll(&mut waker) {
            std::task::Poll::Ready(passes) => {
                held.push(passes);
                true
            }
            std::task::Poll::Pending => false,
        }
    }

    /// The relay of the site.
    fn via() -> Via {
        Via {
            node: node("pve-01"),
            dir: "/iso".parse().expect("a directory"),
            file: "a.iso".parse().expect("a name"),
            site: "berlin".parse().expect("a site"),
        }
    }

    #[test]
    fn a_site_takes_so_many_from_here_and_its_relay_serves_beside_that() {
        let (gates, network) = gates();
        let via = via();
        let mut held = Vec::new();
        assert!(begins(&gates, &network, "pve-01", None, &mut held));
        assert!(!begins(&gates, &network, "pve-02", None, &mut held));
        assert!(begins(&gates, &network, "pve-04", None, &mut held));
        // The relay receives and sends on at the same time.
        assert!(begins(&gates, &network, "pve-02", Some(&via), &mut held));
        assert!(!begins(&gates, &network, "pve-02", Some(&via), &mut held));
        assert!(begins(&gates, &network, "pve-03", Some(&via), &mut held));
        held.remove(0);
        assert!(begins(&gates, &network, "pve-01", None, &mut held));
    }

    #[test]
    fn a_relay_serves_two_at_once() {
        let (gates, network) = gates();
        let via = via();
        let mut held = Vec::new();
        for (name, begun) in [("pve-02", true), ("pve-03", true), ("pve-04", false)] {
            let begins = begins(&gates, &network, name, Some(&via), &mut held);
            assert_eq!(begins, begun, "{name}");
        }
    }
}
