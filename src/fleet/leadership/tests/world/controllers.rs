//! Controllers: the sites that each serves, and who leads them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::begun::BegunRings;
use super::looking::BegunLook;
use super::running::{EndedLook, WorldRun};
use super::telling::StoreAccess;
use super::{FleetWorld, Happening, Process, SECOND, TTL, Time, WorldSize};
use crate::facts::{CacheState, Memory, RolloutInstruction};
use crate::fleet::leadership::body::{ControllerName, LeadershipBody};
use crate::fleet::leadership::machine::{LeadershipMachine, SiteStanding};
use crate::model::OrderId;

/// Sites, by number.
pub(super) type SiteSet = BTreeSet<usize>;

/// The sites that a process leads, with the epochs under which it does.
pub(super) type LedSet = BTreeMap<usize, u64>;

/// A process where it is about one of the sites that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatId {
    pub process: Process,
    pub site: usize,
}

/// What a process knows of the leadership of a site.
pub(super) struct WorldSeat {
    pub machine: LeadershipMachine<LeadershipBody>,
    pub asked: Option<u64>,
    pub led: bool,
    /// The leadership was given up.
    pub is_left: bool,
}

/// A controller, whether it runs or not.
pub(super) struct WorldController {
    /// The sites that it serves.
    pub sites: SiteSet,
    /// What its process knows of each.
    pub seats: BTreeMap<usize, WorldSeat>,
    /// Which process of this controller.
    pub life: u64,
    /// How fast its clock runs, and what it shows at the beginning.
    pub clock: (f64, f64),
    pub is_alive: bool,
    pub stopped_until: Time,
    /// It does not reach the store.
    pub cut_until: Time,
    pub due: Time,
    /// A run is called for that begins after the present one.
    pub is_called: bool,
    /// A run that asked the store and has not looked at the nodes yet.
    pub looking: Option<BegunLook>,
    pub run: Option<WorldRun>,
    /// The last one of this process that came to its end.
    pub last: Option<EndedLook>,
    pub store: StoreAccess,
    /// On its disk.
    pub memory: Memory,
    pub cache: CacheState,
    /// What is true of its memory: the rings that began rightly, and what operators said.
    pub begun: BegunRings,
    pub said: BTreeMap<OrderId, RolloutInstruction>,
}

impl WorldController {
    fn new(clock: (f64, f64), sites: SiteSet, store: StoreAccess) -> Self {
        let cache = CacheState {
            free_bytes: Some(1 << 40),
            ..CacheState::default()
        };
        Self {
            sites,
            seats: BTreeMap::new(),
            life: 0,
            clock,
            is_alive: false,
            stopped_until: 0,
            cut_until: 0,
            due: 0,
            is_called: false,
            looking: None,
            run: None,
            last: None,
            store,
            memory: Memory::default(),
            cache,
            begun: BegunRings::new(),
            said: BTreeMap::new(),
        }
    }
}

/// Which sites each controller serves. Two are there for each site; of two neighbouring
/// sites, both controllers may serve both, or one of three does.
pub(super) fn served(random: &mut fastrand::Rng, size: WorldSize) -> Vec<SiteSet> {
    let mut all = Vec::new();
    let sites: Vec<usize> = (0..size.sites).collect();
    for sites in sites.chunks(2) {
        let both: SiteSet = sites.iter().copied().collect();
        let each = sites.iter().map(|site| SiteSet::from([*site]));
        match random.u8(0..3) {
            0 if both.len() > 1 => all.extend([both.clone(), both]),
            1 if both.len() > 1 => {
                all.extend(each);
                all.push(both);
            }
            _ => all.extend(each.flat_map(|site| [site.clone(), site])),
        }
    }
    all
}

impl FleetWorld {
    /// All controllers begin.
    pub(super) fn staff(&mut self, served: Vec<SiteSet>) {
        for sites in served {
            let rate = 0.9 + 0.2 * self.random.f64();
            let offset = self.random.f64() * 1e6;
            let store = StoreAccess::new(&self.objects, &sites);
            let one = WorldController::new((rate, offset), sites, store);
            self.controllers.push(one);
            let begins = self.random.u64(0..10 * SECOND);
            self.starts(self.controllers.len() - 1, begins);
        }
    }

    /// Another process begins, with what is on the disk.
    pub(super) fn restart(&mut self, at: usize) {
        self.starts(at, self.now);
    }

    fn starts(&mut self, at: usize, time: Time) {
        self.lives += 1;
        let (now, life) = (self.local(at), self.lives);
        let controller = &mut self.controllers[at];
        controller.store = StoreAccess::new(&self.objects, &controller.sites);
        controller.store.remember(&controller.memory);
        for site in &controller.sites {
            let me = ControllerName::new(&format!("host-{at}"), "cache");
            let machine = LeadershipMachine::new(me, format!("life-{life}"), TTL, now);
            let seat = WorldSeat {
                machine,
                asked: None,
                led: false,
                is_left: false,
            };
            controller.seats.insert(*site, seat);
        }
        controller.is_called = false;
        controller.looking = None;
        controller.life = life;
        controller.is_alive = true;
        controller.stopped_until = 0;
        controller.run = None;
        controller.last = None;
        let controller = at;
        self.begins(Process { controller, life }, time);
    }

    /// The first turns of a process, or those after a break.
    pub(super) fn begins(&mut self, process: Process, time: Time) {
        for site in self.controllers[process.controller].sites.clone() {
            self.at(time, Happening::Turn(SeatId { process, site }));
        }
        self.at(time, Happening::Looks(process));
        let watches = Happening::Watches {
            process,
            goes_on: true,
        };
        self.at(time, watches);
    }

    /// What the clock of a controller shows.
    pub(super) fn local(&self, at: usize) -> Duration {
        let (rate, offset) = self.controllers[at].clock;
        Duration::from_secs_f64(offset + self.now as f64 / 1000.0 * rate)
    }

    /// When it shows this.
    pub(super) fn real(&self, at: usize, local: Duration) -> Time {
        let (rate, offset) = self.controllers[at].clock;
        let seconds = (local.as_secs_f64() - offset) / rate;
        let millis = Duration::from_secs_f64(seconds.max(0.0)).as_millis();
        Time::try_from(millis).unwrap() + 1
    }

    pub(super) fn runs(&self, process: Process) -> bool {
        let controller = &self.controllers[process.controller];
        controller.is_alive && controller.life == process.life
    }

    /// The processes of the controllers that serve a site, whether they run or not.
    pub(super) fn serving(&self, site: usize) -> Vec<Process> {
        let all = self.controllers.iter().enumerate();
        let serving = all.filter(|(_, one)| one.sites.contains(&site));
        let processes = serving.map(|(controller, one)| Process {
            controller,
            life: one.life,
        });
        processes.collect()
    }

    pub(super) fn seat(&mut self, id: SeatId) -> &mut WorldSeat {
        let controller = &mut self.controllers[id.process.controller];
        controller.seats.get_mut(&id.site).unwrap()
    }

    /// The epoch under which a process leads a site now.
    pub(super) fn leads(&self, process: Process, site: usize) -> Option<u64> {
        let at = process.controller;
        let seat = &self.controllers[at].seats[&site];
        match seat.machine.standing(self.local(at)) {
            SiteStanding::Leader { epoch, .. } if self.runs(process) => Some(epoch.number()),
            _ => None,
        }
    }

    /// The sites that it leads now.
    pub(super) fn led(&self, process: Process) -> LedSet {
        let served = self.controllers[process.controller].seats.keys();
        let led = served.filter_map(|site| Some((*site, self.leads(process, *site)?)));
        led.collect()
    }

    /// True if it leads all of these under the same epochs.
    pub(super) fn still_leads(&self, process: Process, led: &LedSet) -> bool {
        let mut led = led.iter();
        led.all(|(site, epoch)| self.leads(process, *site) == Some(*epoch))
    }
}
