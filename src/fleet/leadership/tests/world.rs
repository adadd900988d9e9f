//! A whole fleet on a clock of its own: sites with two controllers each and nodes, a store
//! with leaderships, claims and images, and orders that change. Who leads is decided by
//! [`LeadershipMachine`], what is done by the planner, what is remembered by `conclude`, and
//! whether a claim is abandoned by the watch of the images; only what they talk to is a
//! model. Each seed is another fleet with another history of trouble:
//! processes that are killed, stopped and restarted, requests that are late or lost on
//! either way, a store that is down or restored from a backup, nodes that do not answer,
//! deliveries that fail, orders that cannot be read.
//!
//! What has to hold is asserted where it could break: see `nodes.rs` for writes and removals,
//! `requests.rs` for leaders. At the end, after a time without trouble, every node has what the
//! orders want.
//!
//! Rings are not part of it yet: where a run gets its view of other sites stands in
//! [`FleetWorld::view`].

mod faults;
mod fetching;
mod histories;
mod nodes;
mod orders;
mod requests;
mod running;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::fetching::{FetchTask, WorldStore};
use self::nodes::{NodeWork, WorldNode};
use self::orders::Revision;
use self::requests::WorldRequest;
use self::running::{WorldController, WorldRun};
use crate::facts::FleetView;
use crate::fleet::leadership::body::{ControllerName, LeadershipBody};
use crate::fleet::leadership::machine::{LeadershipMachine, SiteStanding};

/// Milliseconds of the time that really passes.
type Time = u64;

const SECOND: Time = 1000;
const TTL: Duration = Duration::from_secs(30);
/// So long things go wrong.
const TROUBLE: Time = 600 * SECOND;
/// So long nothing does afterwards.
const PEACE: Time = 900 * SECOND;
/// A controller begins a run at least so often.
const INTERVAL: Time = 120 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A controller looks for what it has to do about its leadership.
    Turn(Process),
    /// A request about a leadership reaches the store.
    Arrives(u64),
    /// Its answer reaches the controller, or the controller gives it up.
    Answered { request: u64, is_given_up: bool },
    /// A controller looks whether a run is due.
    Looks(Process),
    /// A step of a run has ended, with what was prepared for it.
    Ended {
        process: Process,
        run: u64,
        step: usize,
    },
    /// A download goes on.
    Fetches(u64),
    /// A claim is renewed.
    Renews(u64),
    /// A download is complete.
    Downloaded(u64),
    /// Work on a node gets there: it begins, or is completed.
    Works { work: u64, is_last: bool },
    /// The orders change.
    Orders,
    /// Something happens to somebody.
    Strikes,
}

/// A process of a controller; the numbers of processes are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    controller: usize,
    life: u64,
}

/// What was counted, to see that histories are not empty ones.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    leaders: u64,
    pushes: u64,
    removals: u64,
    fenced: u64,
    downloads: u64,
    from_store: u64,
    takeovers: u64,
    runs: u64,
}

/// How large a fleet is, and what may happen to it.
#[derive(Debug, Clone, Copy)]
struct WorldSize {
    sites: usize,
    nodes: usize,
    /// Nothing goes wrong, so nothing is done twice.
    is_calm: bool,
    restores: bool,
}

struct FleetWorld {
    size: WorldSize,
    random: fastrand::Rng,
    now: Time,
    number: u64,
    lives: u64,
    queue: BinaryHeap<Reverse<(Time, u64, Happening)>>,
    controllers: Vec<WorldController>,
    nodes: Vec<WorldNode>,
    store: WorldStore,
    backups: Vec<WorldStore>,
    was_restored: bool,
    revisions: Vec<Revision>,
    requests: BTreeMap<u64, WorldRequest>,
    works: BTreeMap<u64, NodeWork>,
    fetches: BTreeMap<u64, FetchTask>,
    /// Where the watches of claims count from.
    begun: tokio::time::Instant,
    /// Who took each epoch of each site.
    holders: BTreeMap<(usize, u64), u64>,
    counts: Counts,
}

impl FleetWorld {
    fn new(seed: u64, size: WorldSize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let revisions = orders::revisions(&mut random, size);
        let nodes = 0..size.sites * size.nodes;
        let mut world = Self {
            size,
            random,
            now: 0,
            number: 0,
            lives: 0,
            queue: BinaryHeap::new(),
            controllers: Vec::new(),
            nodes: nodes.map(|node| WorldNode::new(node, size)).collect(),
            store: WorldStore::new(size.sites),
            backups: Vec::new(),
            was_restored: false,
            revisions,
            requests: BTreeMap::new(),
            works: BTreeMap::new(),
            fetches: BTreeMap::new(),
            begun: fetching::beginning(),
            holders: BTreeMap::new(),
            counts: Counts::default(),
        };
        for controller in 0..size.sites * 2 {
            let rate = 0.9 + 0.2 * world.random.f64();
            let offset = world.random.f64() * 1e6;
            let machine = world.machine(controller, Duration::from_secs_f64(offset));
            let life = world.lives;
            let one = WorldController::new(machine, life, (rate, offset));
            world.controllers.push(one);
            let begins = world.random.u64(0..10 * SECOND);
            world.begins(Process { controller, life }, begins);
        }
        for revision in 1..world.revisions.len() {
            world.at(world.revisions[revision].since, Happening::Orders);
        }
        if !size.is_calm {
            world.at(5 * SECOND, Happening::Strikes);
        }
        world
    }

    /// The first turns of a process.
    fn begins(&mut self, process: Process, time: Time) {
        self.at(time, Happening::Turn(process));
        self.at(time, Happening::Looks(process));
    }

    fn machine(&mut self, at: usize, now: Duration) -> LeadershipMachine<LeadershipBody> {
        self.lives += 1;
        let me = ControllerName::new(&format!("host-{at}"), "cache");
        LeadershipMachine::new(me, format!("life-{}", self.lives), TTL, now)
    }

    fn at(&mut self, time: Time, what: Happening) {
        self.number += 1;
        let time = time.max(self.now);
        self.queue.push(Reverse((time, self.number, what)));
    }

    fn after(&mut self, time: Time, what: Happening) {
        self.at(self.now + time, what);
    }

    /// What the clock of a controller shows.
    fn local(&self, at: usize) -> Duration {
        let (rate, offset) = self.controllers[at].clock;
        Duration::from_secs_f64(offset + self.now as f64 / 1000.0 * rate)
    }

    /// When it shows this.
    fn real(&self, at: usize, local: Duration) -> Time {
        let (rate, offset) = self.controllers[at].clock;
        let seconds = (local.as_secs_f64() - offset) / rate;
        let millis = Duration::from_secs_f64(seconds.max(0.0)).as_millis();
        Time::try_from(millis).unwrap() + 1
    }

    /// The time of day, which all agree on here: nothing hangs on it but graces.
    fn day(&self) -> Timestamp {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        begin + SignedDuration::from_millis(i64::try_from(self.now).unwrap())
    }

    fn is_trouble(&self) -> bool {
        self.now < TROUBLE && !self.size.is_calm
    }

    fn runs(&self, process: Process) -> bool {
        let controller = &self.controllers[process.controller];
        controller.is_alive && controller.life == process.life
    }

    fn site_of(controller: usize) -> usize {
        controller / 2
    }

    /// The epoch under which a process leads its site now.
    fn leads(&self, process: Process) -> Option<u64> {
        let at = process.controller;
        let standing = self.controllers[at].machine.standing(self.local(at));
        match standing {
            SiteStanding::Leader { epoch, .. } if self.runs(process) => Some(epoch.number()),
            _ => None,
        }
    }

    /// What a run knows of the other sites.
    fn view(_site: usize) -> Option<FleetView> {
        None
    }

    /// The whole history.
    fn run(mut self) -> Self {
        let mut was_made = false;
        while let Some(Reverse((time, number, what))) = self.queue.pop() {
            if time > TROUBLE + PEACE {
                break;
            }
            if time >= TROUBLE && !std::mem::replace(&mut was_made, true) {
                self.now = TROUBLE;
                self.make_peace();
            }
            self.now = time;
            // What happens to a process that is stopped happens when it goes on.
            if let Some(until) = self.stopped(what) {
                self.queue.push(Reverse((until, number, what)));
                continue;
            }
            self.happens(what);
        }
        self.is_converged();
        self
    }

    fn stopped(&self, what: Happening) -> Option<Time> {
        let controller = match what {
            Happening::Turn(process)
            | Happening::Looks(process)
            | Happening::Ended { process, .. } => process.controller,
            Happening::Answered { request, .. } => self.requests.get(&request)?.process.controller,
            Happening::Fetches(task) | Happening::Renews(task) | Happening::Downloaded(task) => {
                self.fetches.get(&task)?.process.controller
            }
            // What is on its way gets there, and is none of a process.
            Happening::Arrives(_)
            | Happening::Works { .. }
            | Happening::Orders
            | Happening::Strikes => return None,
        };
        let until = self.controllers[controller].stopped_until;
        (until > self.now).then_some(until)
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Turn(process) => self.turn(process),
            Happening::Arrives(request) => self.arrives(request),
            Happening::Answered {
                request,
                is_given_up,
            } => self.answered(request, is_given_up),
            Happening::Looks(process) => self.looks(process),
            Happening::Ended { process, run, step } => self.step_ended(process, run, step),
            Happening::Fetches(task) => self.fetches(task),
            Happening::Renews(task) => self.renews(task),
            Happening::Downloaded(task) => self.downloaded(task),
            Happening::Works { work, is_last } => self.works(work, is_last),
            Happening::Orders => self.orders_changed(),
            Happening::Strikes => self.strikes(),
        }
    }

    /// Every site has one leader, every node what the orders want, and the planner finds
    /// nothing more to do.
    fn is_converged(&self) {
        for site in 0..self.size.sites {
            let leaders: Vec<usize> = [2 * site, 2 * site + 1]
                .into_iter()
                .filter(|&controller| {
                    let life = self.controllers[controller].life;
                    self.leads(Process { controller, life }).is_some()
                })
                .collect();
            let [leader] = leaders.as_slice() else {
                panic!("{leaders:?} lead site {site} in the end");
            };
            let last: Option<&WorldRun> = self.controllers[*leader].last.as_ref();
            let last = last.unwrap_or_else(|| panic!("no run of site {site} came to an end"));
            let plan = &last.look.plan;
            assert!(
                plan.steps.is_empty() && plan.blocked.is_empty(),
                "site {site} does not come to rest: {:#?} {:#?}",
                plan.steps,
                plan.blocked
            );
            assert_eq!(last.revision, self.revisions.len() - 1, "site {site}");
        }
        if self.size.is_calm {
            // Nobody follows anybody, and every image is downloaded once.
            assert_eq!(self.holders.len(), self.size.sites);
            assert_eq!(self.counts.downloads, self.store.index.len() as u64);
        }
        let wanted = &self.revisions[self.revisions.len() - 1];
        for (node, file) in wanted.wanted() {
            assert!(self.nodes[node].has(&file), "node {node} lacks {file}");
        }
    }
}
