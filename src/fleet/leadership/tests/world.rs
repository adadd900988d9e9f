//! A whole fleet on a clock of its own: sites with nodes and controllers, a store
//! with leaderships, claims and images, and orders that change. Who leads is decided by
//! `LeadershipMachine`, what is done by the planner, what is remembered by `conclude`, and
//! whether a claim is abandoned by the watch of the images; only what they talk to is a
//! model. Each seed is another fleet with another history of trouble:
//! processes that are killed, stopped and restarted, requests that are late or lost on
//! either way, a store that is down or restored from a backup, nodes that do not answer,
//! deliveries that fail, orders that cannot be read or have an invalid position, instructions
//! that somebody replaces who may not, leaderships that are lost from the store.
//!
//! Three of four fleets have rings. What sites report, what operators say of rollouts, and how
//! both are read and judged is the program's own, over simulated objects: see `telling.rs`.
//!
//! What has to hold is asserted where it could break: see `nodes.rs` for writes and removals,
//! `requests.rs` for leaders, `objects.rs` for reports, `begun.rs` for rings. At the end, after
//! a time without trouble, every node has what the orders want.

mod begun;
mod controllers;
mod ending;
mod faults;
mod fetching;
mod histories;
mod looking;
mod nodes;
mod objects;
mod orders;
mod requests;
mod rollouts;
mod running;
mod telling;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Runtime;

use self::begun::SiteLook;
use self::controllers::{SeatId, WorldController};
use self::fetching::{FetchTask, WorldStore};
use self::nodes::{NodeWork, WorldNode};
use self::objects::{ObjectMap, ObjectPut, WorldObjects};
use self::orders::Revision;
use self::requests::WorldRequest;
use self::rollouts::WorldRings;

/// Milliseconds of the time that really passes.
type Time = u64;

const SECOND: Time = 1000;
const TTL: Duration = Duration::from_secs(30);
/// When the first day begins, since 1970.
const DAY_BEGINS: Time = 1_767_225_600 * SECOND;
/// A controller begins a run at least so often.
const INTERVAL: Time = 120 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A controller looks for what it has to do about its leadership of a site.
    Turn(SeatId),
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
    /// A run has asked the store, and looks at the nodes.
    Sees { process: Process, run: u64 },
    /// A controller renews its report, and looks for news.
    Watches { process: Process, goes_on: bool },
    /// A late write gets to the objects of the store.
    Lands(u64),
    /// An operator says something of rollouts.
    Operates,
    /// Operators let all rollouts go on.
    Settles,
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
    /// Rings after the first one that had begun in a run.
    rings: u64,
    /// Rings of other sites that others waited for, until they had soaked.
    awaited: u64,
    /// Rings that began because they were promoted.
    promoted: u64,
    /// Runs in which something waited for its ring.
    waits: u64,
    instructed: u64,
    reports: u64,
    /// Files that were lost on nodes.
    lost: u64,
    /// Late writes of reports that were refused, because others had written meanwhile.
    late_reports: u64,
    /// Reports that were not written, because there was one of a later epoch.
    outdated: u64,
    /// Leaderships that were lost from the store.
    lost_leaderships: u64,
    /// Runs of controllers that led two sites.
    double_runs: u64,
    /// Runs by orders with an invalid position, that delivered something all the same, and
    /// that kept what no order wants.
    partial_pushed: u64,
    partial_kept: u64,
    /// Instructions that somebody without the key replaced or removed.
    garbled: u64,
    /// Runs that kept to a stop in an instruction that was not valid any more.
    stops_kept: u64,
}

/// How large a fleet is, and what may happen to it.
#[derive(Debug, Clone, Copy)]
struct WorldSize {
    sites: usize,
    nodes: usize,
    /// Nothing goes wrong, so nothing is done twice.
    is_calm: bool,
    restores: bool,
    loses_leaders: bool,
    has_rings: bool,
}

impl WorldSize {
    /// So long things go wrong.
    const fn trouble(self) -> Time {
        match self.has_rings {
            true => 2000 * SECOND,
            false => 600 * SECOND,
        }
    }

    /// So long nothing does afterwards at most.
    const fn peace(self) -> Time {
        match self.has_rings {
            true => 2400 * SECOND,
            false => 900 * SECOND,
        }
    }
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
    /// What else is in the store: reports, and what operators said.
    objects: WorldObjects,
    /// Writes to it that nobody waits for any more.
    late: BTreeMap<u64, ObjectPut>,
    backups: Vec<(WorldStore, ObjectMap)>,
    was_restored: bool,
    rings: WorldRings,
    revisions: Vec<Revision>,
    requests: BTreeMap<u64, WorldRequest>,
    works: BTreeMap<u64, NodeWork>,
    fetches: BTreeMap<u64, FetchTask>,
    /// Where the watches of claims count from.
    begun: tokio::time::Instant,
    /// Who took each epoch of each site.
    holders: BTreeMap<(usize, u64), u64>,
    /// Which controller led each site last.
    led_by: Vec<Option<usize>>,
    /// The runs of each site that came to their end.
    looks: Vec<Vec<SiteLook>>,
    /// Its clock is paused, and shows how much time passed.
    runtime: Rc<Runtime>,
    /// When the store was last asked for objects.
    asked_at: Time,
    counts: Counts,
}

impl FleetWorld {
    fn new(seed: u64, size: WorldSize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let rings = WorldRings::new(&mut random, size);
        let served = controllers::served(&mut random, size);
        let revisions = orders::revisions(&mut random, size, &rings, &served);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
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
            objects: WorldObjects::default(),
            late: BTreeMap::new(),
            backups: Vec::new(),
            was_restored: false,
            rings,
            revisions,
            requests: BTreeMap::new(),
            works: BTreeMap::new(),
            fetches: BTreeMap::new(),
            begun: fetching::beginning(),
            holders: BTreeMap::new(),
            led_by: vec![None; size.sites],
            looks: (0..size.sites).map(|_| Vec::new()).collect(),
            runtime: Rc::new(runtime),
            asked_at: 0,
            counts: Counts::default(),
        };
        world.staff(served);
        for revision in 1..world.revisions.len() {
            world.at(world.revisions[revision].since, Happening::Orders);
        }
        if !size.is_calm {
            world.at(5 * SECOND, Happening::Strikes);
            if size.has_rings {
                world.at(40 * SECOND, Happening::Operates);
            }
        }
        world
    }

    fn at(&mut self, time: Time, what: Happening) {
        self.number += 1;
        let time = time.max(self.now);
        self.queue.push(Reverse((time, self.number, what)));
    }

    fn after(&mut self, time: Time, what: Happening) {
        self.at(self.now + time, what);
    }

    /// The time of day, which all agree on here: nothing hangs on it but graces.
    fn day(&self) -> Timestamp {
        let time = i64::try_from(DAY_BEGINS + self.now).unwrap();
        Timestamp::from_millisecond(time).unwrap()
    }

    fn is_trouble(&self) -> bool {
        self.now < self.size.trouble() && !self.size.is_calm
    }

    fn stopped(&self, what: Happening) -> Option<Time> {
        let controller = match what {
            Happening::Turn(seat) => seat.process.controller,
            Happening::Looks(process)
            | Happening::Sees { process, .. }
            | Happening::Watches { process, .. }
            | Happening::Ended { process, .. } => process.controller,
            Happening::Answered { request, .. } => {
                self.requests.get(&request)?.seat.process.controller
            }
            Happening::Fetches(task) | Happening::Renews(task) | Happening::Downloaded(task) => {
                self.fetches.get(&task)?.process.controller
            }
            // What is on its way gets there, and is none of a process.
            Happening::Arrives(_)
            | Happening::Lands(_)
            | Happening::Operates
            | Happening::Settles
            | Happening::Works { .. }
            | Happening::Orders
            | Happening::Strikes => return None,
        };
        let until = self.controllers[controller].stopped_until;
        (until > self.now).then_some(until)
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Turn(seat) => self.turn(seat),
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
            Happening::Sees { process, run } => self.sees(process, run),
            Happening::Watches { process, goes_on } => self.watches(process, goes_on),
            Happening::Lands(put) => self.lands(put),
            Happening::Operates => self.operates(),
            Happening::Settles => self.settles(),
            Happening::Orders => self.orders_changed(),
            Happening::Strikes => self.strikes(),
        }
    }
}
