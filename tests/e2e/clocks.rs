//! What a clock that was wrong does to the cache: nothing.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::common::snapshot::images;
use crate::world::{World, position};

const YEARS: SignedDuration = SignedDuration::from_hours(3 * 365 * 24);

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Moves times in a file: what the clock showed then, as it is seen from now.
fn shift(path: &Path, pointers: &[String], by: SignedDuration) {
    let mut file = read(path);
    for pointer in pointers {
        let place = file.pointer_mut(pointer).unwrap();
        *place = (time(place) + by).to_string().into();
    }
    fs::write(path, file.to_string()).unwrap();
}

struct Orphan {
    world: World,
    /// The record of the image that no order wants any more.
    record: PathBuf,
    memory: PathBuf,
}

/// A cache with an image that is wanted, and one that was first missed a moment ago.
fn orphan(grace: &str) -> Orphan {
    let world = World::small();
    world.configure_local(1, "");
    let path = world.at("config.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let policy = format!("defaults:\n  cache_policy: {{orphan_grace: {grace}}}\n");
    fs::write(&path, text.replace("defaults:\n", &policy)).unwrap();
    world.order("a.yaml", &position("a", "iso", ""));
    world.apply().expect(0);
    let record = format!(".{}.meta.json", images(&world.cache())[0]);
    world.order("a.yaml", &position("b", "raw.xz", ""));
    world.apply().expect(0).omits("removed");
    Orphan {
        record: world.cache().join(record),
        memory: world.cache().join(".talos-order/memory.json"),
        world,
    }
}

impl Orphan {
    /// Since when the memory misses it, as a path in the file.
    fn missed(&self) -> String {
        let memory = read(&self.memory);
        let since = memory["unwanted_since"].as_object().unwrap();
        let [id] = &since.keys().collect::<Vec<_>>()[..] else {
            panic!("one file is missed: {memory:#}")
        };
        format!("/unwanted_since/{}", id.replace('/', "~1"))
    }

    /// As if the clock had been set by so much since the last run.
    fn set_clock(&self, by: SignedDuration) {
        let times = [self.missed(), "/clock/time".to_owned()];
        shift(&self.memory, &times, -by);
        shift(&self.record, &["/last_wanted".to_owned()], -by);
    }
}

#[test]
fn a_clock_that_jumps_by_years_takes_nothing_from_the_cache() {
    let it = orphan("7d");
    let before = images(&it.world.cache());
    it.set_clock(YEARS);
    let ran = it.world.apply().expect(0).omits("removed");
    ran.complains("the clock of this machine jumped");
    assert_eq!(images(&it.world.cache()), before);
    // It stays so once the jump is past.
    it.world.apply().expect(0).omits("removed");
    assert_eq!(images(&it.world.cache()), before);
    // A memory that is lost begins anew.
    fs::remove_file(&it.memory).unwrap();
    it.world.apply().expect(0).omits("removed");
    assert_eq!(images(&it.world.cache()), before);
}

#[test]
fn a_clock_that_was_years_ahead_keeps_nothing_in_the_cache_for_years() {
    let it = orphan("0s");
    it.set_clock(-YEARS);
    assert!(time(&read(&it.record)["last_wanted"]) > Timestamp::now() + YEARS / 2);
    it.world.apply().expect(0).omits("removed");
    assert!(time(&read(&it.record)["last_wanted"]) <= Timestamp::now());
    it.world.apply().expect(0).says("1 pruned");
    assert!(!it.record.exists());
}
