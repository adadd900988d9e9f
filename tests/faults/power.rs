//! The power goes, at any call of a run, with what was not synced lost in some way.

use std::fs;
use std::time::Instant;

use crate::control::Calls;
use crate::disk::{Disk, Kept};
use crate::scenes::{Scene, Stage};

/// The run that the power goes in.
struct Outage {
    stage: Stage,
    disk: Disk,
    boot: String,
}

impl Outage {
    /// Lets a run happen, and keeps what it did.
    fn new(scene: Scene) -> Self {
        let stage = Stage::without_state(scene);
        let ready = stage.prepare();
        ready.unwrap_or_else(|why| panic!("{}: {why}", scene.name()));
        let mut disk = Disk::before(&stage.roots());
        let log = stage.world.at("log");
        stage.seams.log_to(&log);
        let command = stage.world.program.command(scene.verb());
        let (ended, rest) = stage.seams.run(&command, None, Calls::Files).unwrap();
        drop(rest);
        stage.end_sessions();
        assert!(ended.status.success(), "{}", stage.seams.said());
        let replayed = disk.replay(&fs::read(log).unwrap());
        replayed.unwrap_or_else(|why| panic!("{}: {why}", scene.name()));
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        Self {
            stage,
            disk,
            boot: boot.trim().to_owned(),
        }
    }

    /// One outage, and what becomes of it.
    fn cut(&self, at: usize, kept: Kept) -> Result<(), String> {
        let describe = |why| format!("{why}\n  before {}", self.disk.said(at));
        self.stage.end_sessions();
        self.disk.cut(at, kept, &self.boot);
        self.stage
            .tell_truth("after the outage")
            .map_err(describe)?;
        self.stage.converge().map_err(describe)?;
        self.stage.end_sessions();
        self.stage.in_sync().map_err(describe)
    }

    fn run(&self, outages: impl IntoIterator<Item = (usize, Kept)>) {
        let name = self.stage.scene.name();
        let begin = Instant::now();
        let (mut cases, mut broken) = (0, Vec::new());
        for (at, kept) in outages {
            cases += 1;
            if let Err(why) = self.cut(at, kept) {
                println!("OUTAGE={name} {at} {kept:?}: {why}\n");
                broken.push(format!("{at} {kept:?}"));
            }
        }
        println!("{name}: {cases} outages in {:.0?}", begin.elapsed());
        assert!(
            broken.is_empty(),
            "{name}: {} of {cases} did not hold: {broken:?}",
            broken.len()
        );
    }

    /// What the log leads to is the state that the run left; nothing is to be done.
    fn assert_true(&self) {
        self.disk.cut(self.disk.lines(), Kept::All, &self.boot);
        let there = self.stage.in_sync();
        there.unwrap_or_else(|why| panic!("{}: {why}", self.stage.scene.name()));
    }

    fn sample(&self, count: usize) {
        self.assert_true();
        let lines = self.disk.lines();
        self.run((0..count).map(|index| {
            let at = (2 * index + 1) * lines / (2 * count) + 1;
            (at, variants(at)[index % 5])
        }));
    }

    fn every(&self) {
        self.assert_true();
        println!("{}: {} calls", self.stage.scene.name(), self.disk.lines());
        self.run((0..=self.disk.lines()).flat_map(|at| variants(at).map(|kept| (at, kept))));
    }
}

/// The ways in which what was not synced can be lost before a call.
fn variants(at: usize) -> [Kept; 6] {
    let seed = at as u64 * 2;
    [
        Kept::Names,
        Kept::Some(seed),
        Kept::Nothing,
        Kept::Lengths,
        Kept::Bytes,
        Kept::Some(seed + 1),
    ]
}

macro_rules! scenes {
    ($($name:ident $every:ident $scene:ident $count:literal)+) => { $(
        #[test]
        fn $name() {
            Outage::new(Scene::$scene).sample($count);
        }

        #[test]
        #[ignore = "minutes: every call of the run, six ways each"]
        fn $every() {
            Outage::new(Scene::$scene).every();
        }
    )+ };
}

scenes! {
    the_power_goes_in_a_local_delivery every_outage_in_a_local_delivery Local 8
    the_power_goes_in_a_stream every_outage_in_a_stream Stream 6
    the_power_goes_in_a_replacement every_outage_in_a_replacement Replace 6
    the_power_goes_in_rsync every_outage_in_rsync Rsync 4
    the_power_goes_in_a_removal every_outage_in_a_removal Prune 4
    the_power_goes_in_a_controller every_outage_in_a_controller Controller 6
}

/// A part that looks whole, of the right size and time, and holds nothing.
#[test]
fn rsync_believes_no_part_for_its_size_and_time() {
    let outage = Outage::new(Scene::Rsync);
    let lines = outage.disk.lines();
    // It is synced and renamed somewhere in the second half of the run.
    let late = (lines / 2..lines).step_by(3);
    outage.run(late.map(|at| (at, Kept::Lengths)));
}

#[test]
#[ignore = "minutes: every call of the runs that the samples leave out"]
fn every_outage_elsewhere() {
    for scene in [Scene::Update, Scene::Relay, Scene::Resume, Scene::Redeliver] {
        Outage::new(scene).every();
    }
}

/// `OUTAGE="scene number variant"`, where a variant is its place in the list, from 0.
#[test]
#[ignore = "one case, named by the variable OUTAGE"]
fn one_outage() {
    let Ok(text) = std::env::var("OUTAGE") else {
        return;
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let outage = Outage::new(Scene::named(words[0]).expect("a scene"));
    outage.assert_true();
    let at: usize = words[1].parse().expect("a number");
    let kept = match words[2] {
        "Names" => Kept::Names,
        "Nothing" => Kept::Nothing,
        "Lengths" => Kept::Lengths,
        "Bytes" => Kept::Bytes,
        some => {
            let digits: String = some.chars().filter(char::is_ascii_digit).collect();
            Kept::Some(digits.parse().expect("a seed"))
        }
    };
    let from = at.saturating_sub(8);
    for line in from..at {
        println!("{line} {}", outage.disk.said(line));
    }
    let went = outage.cut(at, kept);
    went.unwrap_or_else(|why| panic!("{why}"));
}
