//! What the earlier version wrote is read, believed, and carried on.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::common::program::Ran;
use crate::common::snapshot::{Snapshot, images};
use crate::scenes::{AGENT_RAW, ISO, Kind, RAW, SLOW, Scene, patch};

impl Scene {
    /// Everything but what the program remembers for itself.
    pub fn seen(&self) -> Snapshot {
        let nodes = self.nodes.iter().map(|(_, node)| node.root.as_path());
        let paths: Vec<_> = [self.world.dir.path()].into_iter().chain(nodes).collect();
        Snapshot::of(&paths).without_memory()
    }

    /// What a plan would do.
    pub fn steps(&self) -> Vec<Value> {
        let plan = self.run(&["plan", "-o", "json"]).json();
        let steps = plan["plan"]["steps"].as_array();
        steps.unwrap_or_else(|| panic!("{plan:#}")).clone()
    }

    /// What is blocked, by the names of the steps.
    fn blocked(&self) -> BTreeSet<String> {
        let status = self.json("status.json");
        let blocked = status["held"].as_array().unwrap().iter();
        blocked
            .map(|blocked| blocked["step"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Neither a warning nor an error of the log, nor a mistake that was found.
#[track_caller]
pub fn assert_quiet(ran: &Ran) {
    let is_loud = ["WARN", "ERROR", "warning", "error"]
        .iter()
        .any(|word| ran.stderr.contains(word));
    assert!(!is_loud, "{ran}");
}

#[test]
fn configuration_and_orders_are_read_as_before() {
    for kind in [Kind::Calm, Kind::Troubled, Kind::Killed, Kind::Owned] {
        let scene = Scene::restored(kind);
        let ran = scene.run(&["validate"]).expect(0);
        assert_eq!(ran.stderr, "", "{kind:?}");
    }
    // The order for another product was told of before, too.
    let ran = Scene::restored(Kind::Legacy).run(&["validate"]).expect(0);
    assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
    assert!(ran.stderr.contains("another-product"), "{ran}");
}

#[test]
fn what_is_in_place_is_neither_fetched_nor_delivered_nor_removed() {
    for kind in [Kind::Calm, Kind::Legacy, Kind::Owned] {
        let scene = Scene::restored(kind);
        let (before, mark) = (scene.seen(), scene.world.factory.mark());
        assert_eq!(scene.steps(), Vec::<Value>::new(), "{kind:?}");
        for _ in 0..2 {
            let ran = scene.run(&["apply"]).expect(0).says("nothing to do");
            assert_quiet(&ran);
        }
        before.assert_same(&scene.seen());
        let asked = scene.world.factory.images_since(mark);
        assert!(asked.is_empty(), "{kind:?}: {asked:?}");
        assert!(!scene.world.factory.changed_since(mark), "{kind:?}");
    }
}

/// The conditions, without their messages, whose words differ between versions, and what
/// the earlier one does not have.
fn without_messages(scene: &Scene) -> Value {
    let mut conditions = scene.json("status.json")["conditions"].clone();
    for condition in conditions.as_array_mut().expect("a list") {
        condition["message"] = Value::Null;
        for key in ["images", "exact_state"] {
            condition.as_object_mut().expect("keys").remove(key);
        }
    }
    conditions
}

#[test]
fn instructions_and_times_of_grace_are_kept() {
    let scene = Scene::restored(Kind::Calm);
    let suspended = scene.json("suspended.json");
    let memory = scene.json("memory.json");
    let conditions = without_messages(&scene);
    let blocked = scene.blocked();
    assert_eq!(memory["unwanted_since"].as_object().unwrap().len(), 1);
    assert!(!memory["verified"].as_object().unwrap().is_empty());
    for _ in 0..2 {
        assert_quiet(&scene.run(&["run", "--once", "--log", "warn"]).expect(0));
    }
    assert_eq!(scene.json("suspended.json"), suspended);
    let later = scene.json("memory.json");
    for what in ["unwanted_since", "verified", "places"] {
        assert_eq!(later[what], memory[what], "{what}");
    }
    assert_eq!(scene.blocked(), blocked);
    let iso = scene.dir("pve-1", "iso");
    scene.world.assert_holds(&iso, &[&patch(1), ISO]);
    scene.world.assert_holds(&scene.dir("pve-2", "iso"), &[ISO]);
    // Since when each order does as it does, as well.
    assert_eq!(without_messages(&scene), conditions);

    // Whoever suspended can take it back.
    scene.run(&["resume", "order", "paused"]).expect(0);
    scene.run(&["resume", "node", "pve-2"]).expect(0);
    scene.run(&["apply"]).expect(0);
    scene.world.assert_holds(&iso, &[&patch(1), &patch(2), ISO]);
    let other = scene.dir("pve-2", "iso");
    scene.world.assert_holds(&other, &[&patch(0), ISO]);
    scene
        .world
        .assert_holds(&scene.dir("pve-1", "import"), &[AGENT_RAW]);
}

#[test]
fn failures_and_approvals_are_kept() {
    let scene = Scene::restored(Kind::Troubled);
    let (memory, mark) = (scene.json("memory.json"), scene.world.factory.mark());
    assert_eq!(scene.failures("v1.99.0"), 3);
    let ran = scene.run(&["run", "--once", "--log", "warn"]).expect(1);
    assert_quiet(&ran);
    // Neither the image nor the node is asked for before its time.
    let later = scene.json("memory.json");
    for what in ["backoff", "circuits"] {
        assert_eq!(later[what], memory[what], "{what}");
    }
    assert_eq!(scene.world.factory.images_since(mark), [""; 0]);
    // What was approved goes, and nothing else does.
    scene.world.assert_holds(&scene.world.at("nas/iso"), &[ISO]);
    // While a node is silent it is not known whether the approval is of use to it.
    assert_eq!(scene.json("approved.json")["approved"][0], scene.approval());
}

#[test]
fn manifests_history_and_events_go_on() {
    let scene = Scene::restored(Kind::Calm);
    let world = &scene.world;
    let list = |verb: &[&str]| {
        let ran = scene.run(verb).expect(0);
        assert_quiet(&ran);
        ran
    };
    scene.run(&["status"]).expect(1).complains("");
    let runs = list(&["history", "-o", "json"]).json();
    let runs = runs.as_array().unwrap().len();
    assert!(runs >= 4);
    let events = list(&["events", "-o", "json"]).stdout.lines().count();
    assert!(events >= 10);
    let before = world.manifest("base");

    let file = world.at("orders/base.yaml");
    let more = "    - {name: more, image_format: iso, version: {type: exact, value: v1.11.2}}\n";
    let orders = fs::read_to_string(&file).unwrap() + more;
    fs::write(&file, orders).unwrap();
    scene.run(&["run", "--once"]).expect(0);
    let after = world.manifest("base");
    assert_ne!(after["generated_at"], before["generated_at"]);
    for entry in 0..2 {
        assert_eq!(after["entries"][entry], before["entries"][entry]);
    }
    assert_eq!(after["entries"][2]["name"], "more");
    let later = list(&["history", "-o", "json"]).json();
    assert_eq!(later.as_array().unwrap().len(), runs + 1);
    let later = list(&["events", "-o", "json"]).stdout.lines().count();
    assert!(later > events);
}

#[test]
fn what_a_kill_left_is_taken_up() {
    let scene = Scene::restored(Kind::Killed);
    let iso = scene.dir("pve-1", "iso");
    let part = iso.join(format!(".talos-order.{ISO}.part"));
    let begun = fs::metadata(&part).unwrap().ino();
    scene.hurry();
    scene.lease(-1, "homelab");
    scene.run(&["apply"]).expect(0).says("1 fetched");
    scene.world.assert_holds(&iso, &[ISO]);
    scene
        .world
        .assert_holds(&scene.dir("pve-1", "import"), &[RAW]);
    let ends = fs::metadata(iso.join(ISO)).unwrap().ino();
    assert_eq!(ends, begun, "the part became the file");
    // The download began anew: nothing proves what that version had of it.
    let requests = scene.world.factory.requests();
    let ranges = requests
        .iter()
        .filter_map(|request| request.header("range"));
    assert_eq!(ranges.count(), 0);
    assert_no_parts(&iso);
    assert_no_parts(&scene.world.cache());
}

#[test]
fn a_part_that_nobody_needs_any_more_goes() {
    let scene = Scene::restored(Kind::Killed);
    let iso = scene.dir("pve-1", "iso");
    scene.hurry();
    scene.lease(-1, "homelab");
    let config = scene.world.at("config.yaml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, text + "prune: {grace: 0s}\n").unwrap();
    // Somebody brought the image there meanwhile.
    fs::write(iso.join(ISO), scene.world.image(ISO)).unwrap();
    // It is found to be in place, then to have a part that is missed by nobody.
    for _ in 0..3 {
        scene.run(&["apply"]).expect(0);
    }
    scene.world.assert_holds(&iso, &[ISO]);
    assert_no_parts(&iso);
}

#[track_caller]
fn assert_no_parts(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.contains(".part"), "{name} is left");
    }
}

impl Scene {
    /// Nothing is slowed down any more.
    pub fn hurry(&self) {
        let config = self.world.at("config.yaml");
        let text = fs::read_to_string(&config).unwrap();
        assert!(text.contains(SLOW));
        fs::write(&config, text.replace(SLOW, "bandwidth_limit: none")).unwrap();
    }

    /// The lease that the earlier version left, with other words.
    pub fn lease(&self, seconds: i64, owner: &str) -> String {
        let path = self.dir("pve-1", "iso").join(".talos-order.lock");
        let text = fs::read_to_string(&path).unwrap();
        let words: Vec<&str> = text.trim_end().split(' ').collect();
        let [_, token, node, _] = words[..] else {
            panic!("{text}");
        };
        let until = jiff::Timestamp::now().as_second() + seconds;
        let text = format!("{until} {token} {node} {owner}\n");
        fs::write(&path, &text).unwrap();
        text
    }
}

#[test]
fn a_lease_that_stands_is_respected() {
    let scene = Scene::restored(Kind::Killed);
    let iso = scene.dir("pve-1", "iso");
    scene.hurry();
    // Another controller of that version.
    let lease = scene.lease(600, "berlin");
    let before = Snapshot::of(&[&iso]);
    let ran = scene.run(&["apply"]).expect(1);
    assert!(ran.to_string().contains("berlin"), "{ran}");
    before.assert_same(&Snapshot::of(&[&iso]));
    let now = fs::read_to_string(iso.join(".talos-order.lock")).unwrap();
    assert_eq!(now, lease);
    // A controller of the same name, on another machine for all that is known: it is
    // waited for, since what a crash left expires soon.
    scene.lease(3, "homelab");
    scene.run(&["apply"]).expect(0);
    assert_eq!(images(&iso), [ISO]);
    assert!(!iso.join(".talos-order.lock").exists());
}
