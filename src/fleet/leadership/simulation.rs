//! Several controllers, one store and two nodes on a clock of their own, with everything
//! that goes wrong between them: requests that are late or lost on either way, errors after
//! a write was accepted, processes that stop for a while or for ever, clocks that run
//! unequally, and stores that are restored from a backup. Each seed is another history.

mod events;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::body::{ControllerName, LeadershipBody};
use super::machine::{LeadershipMachine, SiteStanding, Wrote};

/// Milliseconds of the time that really passes.
type Time = u64;

const TTL: Duration = Duration::from_secs(30);
const SECOND: Time = 1000;
/// So long things go wrong.
const TROUBLE: Time = 300 * SECOND;
/// So long nothing does afterwards.
const PEACE: Time = 200 * SECOND;
/// Within this somebody leads after things go well again: 40 s by a clock that is slow by a
/// tenth.
const AGAIN: Time = 40 * SECOND * 10 / 9 + SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Occurrence {
    /// A controller looks for what it has to do.
    Turn { controller: usize, life: u64 },
    /// A request reaches the store.
    Arrives { request: u64 },
    /// Its answer reaches the controller, or the controller gives it up.
    Answered { request: u64, given_up: bool },
    /// A leader's work on a node gets there.
    Work {
        controller: usize,
        life: u64,
        epoch: u64,
        node: usize,
    },
    /// A controller goes on after it was stopped.
    Continues { controller: usize, life: u64 },
    /// Something happens to somebody.
    Strikes,
}

/// What is on its way to the store or back.
#[derive(Debug, Clone)]
struct Request {
    controller: usize,
    life: u64,
    /// `None` to read.
    write: Option<(LeadershipBody, Option<LeadershipBody>)>,
    answer: Option<StoreAnswer>,
    is_over: bool,
}

#[derive(Debug, Clone)]
enum StoreAnswer {
    Read(Option<LeadershipBody>),
    Wrote(Wrote<LeadershipBody>),
    Failed,
}

struct SimController {
    machine: LeadershipMachine<LeadershipBody>,
    /// Which process of this controller; the numbers of processes are never used again.
    life: u64,
    rate: f64,
    offset: f64,
    is_alive: bool,
    paused_until: Time,
    /// The answer came while it was stopped.
    late: Vec<u64>,
    asked: Option<u64>,
    /// The highest epoch that a node told it in this life.
    told: u64,
}

#[derive(Default)]
struct SimNode {
    epoch: u64,
    /// The process that wrote under it.
    by: Option<u64>,
}

struct World {
    random: fastrand::Rng,
    now: Time,
    number: u64,
    lives: u64,
    queue: BinaryHeap<Reverse<(Time, u64, Occurrence)>>,
    controllers: Vec<SimController>,
    requests: BTreeMap<u64, Request>,
    store: Option<LeadershipBody>,
    backups: Vec<LeadershipBody>,
    nodes: [SimNode; 2],
    /// Who took each epoch.
    holders: BTreeMap<u64, u64>,
    restores: bool,
    was_restored: bool,
    /// Cut off from the store until then.
    cut: Vec<Time>,
    /// Works that nodes accepted.
    done: u64,
    leaders: u64,
}

impl World {
    fn new(seed: u64, restores: bool) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(2..=4);
        let mut world = Self {
            random,
            now: 0,
            number: 0,
            lives: 0,
            queue: BinaryHeap::new(),
            controllers: Vec::new(),
            requests: BTreeMap::new(),
            store: None,
            backups: Vec::new(),
            nodes: Default::default(),
            holders: BTreeMap::new(),
            restores,
            was_restored: false,
            cut: vec![0; count],
            done: 0,
            leaders: 0,
        };
        for at in 0..count {
            let rate = 0.9 + 0.2 * world.random.f64();
            let offset = world.random.f64() * 1e6;
            let machine = world.machine(at, Duration::from_secs_f64(offset));
            let life = world.lives;
            world.controllers.push(SimController {
                machine,
                life,
                rate,
                offset,
                is_alive: true,
                paused_until: 0,
                late: Vec::new(),
                asked: None,
                told: 0,
            });
            let begins = world.random.u64(0..10 * SECOND);
            world.at(
                begins,
                Occurrence::Turn {
                    controller: at,
                    life,
                },
            );
        }
        world.at(5 * SECOND, Occurrence::Strikes);
        world
    }

    fn machine(&mut self, at: usize, now: Duration) -> LeadershipMachine<LeadershipBody> {
        self.lives += 1;
        let me = ControllerName::new(&format!("host-{at}"), "cache");
        LeadershipMachine::new(me, format!("life-{}", self.lives), TTL, now)
    }

    fn at(&mut self, time: Time, what: Occurrence) {
        self.number += 1;
        self.queue
            .push(Reverse((time.max(self.now), self.number, what)));
    }

    fn local(&self, at: usize) -> Duration {
        let controller = &self.controllers[at];
        let seconds = controller.offset + self.now as f64 / 1000.0 * controller.rate;
        Duration::from_secs_f64(seconds)
    }

    /// When a controller's clock shows this.
    fn real(&self, at: usize, local: Duration) -> Time {
        let controller = &self.controllers[at];
        let seconds = (local.as_secs_f64() - controller.offset) / controller.rate;
        let millis = Duration::from_secs_f64(seconds.max(0.0)).as_millis();
        Time::try_from(millis).unwrap() + 1
    }

    fn is_trouble(&self) -> bool {
        self.now < TROUBLE
    }

    fn runs(&self, at: usize, life: u64) -> bool {
        let controller = &self.controllers[at];
        controller.is_alive && controller.life == life
    }

    /// The whole history.
    fn run(mut self) -> Self {
        let mut peace_begins = Some(());
        let mut last = None;
        while let Some(Reverse((time, _, what))) = self.queue.pop() {
            if time > TROUBLE + PEACE {
                break;
            }
            if time >= TROUBLE && peace_begins.take().is_some() {
                self.now = TROUBLE;
                self.make_peace();
            }
            self.now = time;
            self.occurs(what);
            let leading = self.leading();
            if !self.was_restored {
                assert!(leading.len() <= 1, "{leading:?} lead at {}", self.now);
            }
            // Nodes that know of a higher epoch than the restored store tell it only once a
            // leader works on them, and that one has to take a higher one first.
            let settled = TROUBLE + if self.was_restored { 2 * AGAIN } else { AGAIN };
            if time > settled {
                let [leader] = leading.as_slice() else {
                    panic!("{leading:?} lead at {time}");
                };
                assert!(
                    last.is_none_or(|last| last == *leader),
                    "the leader changes"
                );
                last = Some(*leader);
            }
        }
        assert!(last.is_some(), "the history is too short");
        self
    }

    /// Who takes itself for the leader and is able to act on it.
    fn leading(&self) -> Vec<usize> {
        let all = self.controllers.iter().enumerate();
        let acting = all.filter(|(_, one)| one.is_alive && one.paused_until <= self.now);
        let leads = acting.filter(|(at, one)| {
            matches!(
                one.machine.standing(self.local(*at)),
                SiteStanding::Leader { .. }
            )
        });
        leads.map(|(at, _)| at).collect()
    }

    /// Everything that is on its way is lost, everybody is there, and nothing fails.
    fn make_peace(&mut self) {
        let all: Vec<u64> = self.requests.keys().copied().collect();
        for request in all {
            if let Some(request) = self.requests.get_mut(&request) {
                request.write = None;
                request.answer = Some(StoreAnswer::Failed);
            }
            self.at(
                self.now,
                Occurrence::Answered {
                    request,
                    given_up: true,
                },
            );
        }
        self.cut.fill(0);
        for at in 0..self.controllers.len() {
            if !self.controllers[at].is_alive {
                self.restart(at);
            }
            self.controllers[at].paused_until = self.now;
            let life = self.controllers[at].life;
            self.at(
                self.now,
                Occurrence::Continues {
                    controller: at,
                    life,
                },
            );
        }
    }

    fn restart(&mut self, at: usize) {
        let now = self.local(at);
        let machine = self.machine(at, now);
        let life = self.lives;
        let controller = &mut self.controllers[at];
        controller.machine = machine;
        controller.life = life;
        controller.is_alive = true;
        controller.asked = None;
        controller.told = 0;
        controller.late.clear();
        self.at(
            self.now,
            Occurrence::Turn {
                controller: at,
                life,
            },
        );
    }
}

#[test]
fn one_controller_leads_at_a_time_whatever_goes_wrong() {
    let (mut done, mut leaders, mut epochs) = (0, 0, 0);
    for seed in 0..2500 {
        let world = World::new(seed, false).run();
        done += world.done;
        leaders += world.leaders;
        epochs += world.holders.len();
    }
    // The histories are not empty ones.
    assert!(done > 20_000 && leaders >= done, "{done} of {leaders}");
    assert!(epochs > 6_000, "{epochs}");
}

#[test]
fn a_store_that_is_restored_from_a_backup_heals() {
    for seed in 0..1500 {
        let world = World::new(seed, true).run();
        // The nodes obey whoever leads in the end.
        let leading = world.leading();
        assert_eq!(leading.len(), 1, "seed {seed}: {leading:?}");
        let leader = &world.controllers[leading[0]];
        let by = Some(leader.life);
        let nodes = world.nodes.iter();
        let obeying = nodes.filter(|node| node.by == by).count();
        assert_eq!(obeying, 2, "seed {seed}");
    }
}
