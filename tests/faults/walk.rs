//! Something goes wrong at one system call of a run, at each of them in turn.

use std::time::Instant;

use crate::control::{Calls, Fault, KINDS, Kind};
use crate::scenes::{SCENES, Scene, Stage};

/// Walks through some of the calls of a scene, or all of them, and tells what did not
/// hold, each with the words that do it again.
struct Walk {
    stage: Stage,
    calls: Calls,
    kinds: Vec<Kind>,
}

impl Walk {
    fn new(scene: Scene, calls: Calls) -> Self {
        let kinds = KINDS.into_iter().filter(|kind| scene.knows(*kind));
        // A program that does not start has nothing to be short of.
        let kinds = kinds.filter(|kind| calls == Calls::Files || *kind != Kind::Short);
        Self {
            stage: Stage::new(scene),
            calls,
            kinds: kinds.collect(),
        }
    }

    /// How many calls a run makes when nothing goes wrong.
    fn count(&self) -> u64 {
        let went = self.stage.case(None, self.calls);
        let went = went.unwrap_or_else(|why| panic!("{} alone: {why}", self.stage.scene.name()));
        assert!(went.ended.status.success(), "{}", self.stage.seams.said());
        assert!(went.ended.calls > 20, "only {} calls", went.ended.calls);
        went.ended.calls
    }

    fn run(&self, faults: impl IntoIterator<Item = Fault>) {
        let name = self.stage.scene.name();
        let begin = Instant::now();
        let (mut cases, mut met, mut again, mut broken) = (0, 0, 0, Vec::new());
        for fault in faults {
            cases += 1;
            match self.stage.case(Some(fault), self.calls) {
                Ok(went) => {
                    met += u64::from(!went.ended.met.is_empty());
                    again += u64::from(went.runs > 1);
                }
                Err(why) => {
                    let again = format!("{name}:{}:{}:{:?}", fault.at, fault.kind, self.calls);
                    println!("FAULT={again}: {why}\n");
                    broken.push(again);
                }
            }
        }
        println!(
            "{name}: {cases} faults, {met} met a call, {again} took a second run, \
             {} digests, {:.0?}",
            self.stage.digests(),
            begin.elapsed()
        );
        assert!(
            broken.is_empty(),
            "{} of {cases} did not hold; do one again with\n  FAULT={} \
             cargo test --test faults -- --ignored one_fault --nocapture",
            broken.len(),
            broken.join("\n  FAULT=")
        );
        assert!(met * 2 > cases, "only {met} of {cases} met a call");
    }

    /// So many faults, evenly over the run, of all kinds.
    fn sample(&self, count: u64) {
        let total = self.count();
        let faults = (0..count).map(|index| Fault {
            // In the middle of each part.
            at: (2 * index + 1) * total / (2 * count) + 1,
            kind: self.kinds[index as usize % self.kinds.len()],
        });
        self.run(faults);
    }

    /// At every call: the power goes, something fails, and one of the other kinds.
    fn every(&self) {
        let total = self.count();
        println!("{}: {total} calls", self.stage.scene.name());
        let faults = (1..=total).flat_map(|at| {
            let others = &self.kinds[1..];
            let kinds = [Kind::Power, others[(at - 1) as usize % others.len()]];
            kinds.map(|kind| Fault { at, kind })
        });
        self.run(faults);
    }
}

macro_rules! scenes {
    ($($name:ident $every:ident $scene:ident $count:literal)+) => { $(
        #[test]
        fn $name() {
            Walk::new(Scene::$scene, Calls::Files).sample($count);
        }

        #[test]
        #[ignore = "minutes to an hour: every call of the run"]
        fn $every() {
            Walk::new(Scene::$scene, Calls::Files).every();
        }
    )+ };
}

scenes! {
    a_local_delivery_survives_faults every_call_of_a_local_delivery Local 13
    a_stream_survives_faults every_call_of_a_stream Stream 10
    an_update_survives_faults every_call_of_an_update Update 6
    a_replacement_survives_faults every_call_of_a_replacement Replace 6
    rsync_survives_faults every_call_of_rsync Rsync 6
    a_removal_survives_faults every_call_of_a_removal Prune 6
    a_relay_survives_faults every_call_of_a_relay Relay 6
    a_resumption_survives_faults every_call_of_a_resumption Resume 6
    a_delivery_goes_on_after_faults every_call_of_a_delivery_that_goes_on Redeliver 6
    a_controller_survives_faults every_call_of_a_controller Controller 8
}

#[test]
fn programs_that_do_not_start_cost_nothing_but_time() {
    Walk::new(Scene::Replace, Calls::Programs).sample(4);
}

#[test]
#[ignore = "minutes to an hour: every program that is started"]
fn every_program_that_is_started() {
    for scene in SCENES {
        Walk::new(scene, Calls::Programs).every();
    }
}

/// `FAULT=scene:number:kind[:Programs]`, as a failure prints it.
#[test]
#[ignore = "one case, named by the variable FAULT"]
fn one_fault() {
    let Ok(text) = std::env::var("FAULT") else {
        return;
    };
    let words: Vec<&str> = text.split(':').collect();
    let scene = Scene::named(words[0]).expect("a scene");
    let calls = match words.get(3) {
        Some(&"Programs") => Calls::Programs,
        _ => Calls::Files,
    };
    let walk = Walk::new(scene, calls);
    let fault = match words.get(1) {
        // Only the scene: how many calls there are.
        None => {
            println!("{} calls", walk.count());
            return;
        }
        Some(at) => Fault {
            at: at.parse().expect("a number"),
            kind: Kind::named(words[2]).expect("a kind"),
        },
    };
    let went = walk.stage.case(Some(fault), calls);
    println!("{went:#?}\n{}", walk.stage.seams.said());
    went.unwrap_or_else(|why| panic!("{why}"));
}
