//! With the program of the earlier version itself: it writes the files, and goes on from
//! what this version left. Nobody has it at hand, so these are run by `tests/compat/run`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::carried::assert_quiet;
use crate::scenes::{ALL, ISO, Kind, RAW, Scene};

/// Where the program of the earlier version is.
const BEFORE: &str = "TALOS_ORDER_BEFORE";

fn program() -> PathBuf {
    std::env::var_os(BEFORE)
        .unwrap_or_else(|| panic!("{BEFORE} names the program of the earlier version"))
        .into()
}

#[test]
#[ignore = "writes the fixtures anew, with the program of the earlier version"]
fn write_fixtures() {
    for kind in ALL {
        let mut scene = Scene::empty(kind);
        scene.world.program.binary = program();
        scene.play();
        for (_, node) in &mut scene.nodes {
            node.stop();
        }
        scene.keep();
    }
}

/// Back and forth, in worlds that either version made: neither finds anything to do in
/// what the other left, complains of it, or forgets what is to be remembered.
#[test]
#[ignore = "needs the program of the earlier version"]
fn each_version_goes_on_from_what_the_other_left() {
    for kind in ALL {
        for made_before in [true, false] {
            let mut scene = match made_before {
                true => Scene::restored(kind),
                false => Scene::empty(kind),
            };
            let versions = [scene.world.program.binary.clone(), program()];
            if !made_before {
                scene.play();
            }
            let code = i32::from(kind == Kind::Troubled);
            if kind == Kind::Killed {
                scene.hurry();
                scene.lease(-1, "homelab");
            }
            // Completed by the version that did not begin it.
            scene.world.program.binary = versions[usize::from(!made_before)].clone();
            scene.run(&["run", "--once"]).expect(code);
            let (seen, mark) = (scene.seen(), scene.world.factory.mark());
            let (memory, runs) = (scene.remembered(), scene.runs());
            for (number, version) in versions.iter().cycle().take(5).enumerate() {
                scene.world.program.binary = version.clone();
                assert_eq!(scene.run(&["validate"]).expect(0).stdout.lines().count(), 1);
                if kind != Kind::Troubled {
                    assert!(scene.steps().is_empty(), "{kind:?}");
                }
                let ran = scene.run(&["run", "--once", "--log", "warn"]).expect(code);
                assert_quiet(&ran);
                for verb in ["status", "events"] {
                    assert_quiet(&scene.run(&[verb]));
                }
                seen.assert_same(&scene.seen());
                let asked = scene.world.factory.images_since(mark);
                assert!(asked.is_empty(), "{kind:?}: {asked:?}");
                assert_eq!(scene.remembered(), memory, "{kind:?}");
                assert_eq!(scene.runs(), runs + number + 1);
            }
            scene.run(&["--purge-cache"]);
        }
    }
}

/// Deliveries and downloads that this version was killed in, and its lease, which the
/// earlier one waits for as long as it stands.
#[test]
#[ignore = "needs the program of the earlier version"]
fn the_earlier_version_completes_what_this_one_was_killed_in() {
    let mut scene = Scene::empty(Kind::Killed);
    let today = scene.world.program.binary.clone();
    scene.play();
    scene.hurry();
    let iso = scene.dir("pve-1", "iso");
    let lease = scene.lease(600, "berlin");
    scene.world.program.binary = program();
    let ran = scene.run(&["apply"]).expect(1);
    assert!(ran.to_string().contains("berlin"), "{ran}");
    let now = fs::read_to_string(iso.join(".talos-order.lock")).unwrap();
    assert_eq!(now, lease);
    scene.lease(3, "homelab");
    scene.run(&["apply"]).expect(0);
    for _ in 0..2 {
        scene.world.assert_holds(&iso, &[ISO]);
        scene
            .world
            .assert_holds(&scene.dir("pve-1", "import"), &[RAW]);
        scene.world.program.binary = today.clone();
        scene.run(&["apply"]).expect(0).says("nothing to do");
    }
}

impl Scene {
    /// What both versions remember. Parts on nodes are missed by this one only.
    fn remembered(&self) -> Vec<Value> {
        let mut memory = self.json("memory.json");
        let unwanted = memory["unwanted_since"].as_object_mut().unwrap();
        unwanted.retain(|step, _| !step.starts_with("clear-part/"));
        ["unwanted_since", "verified", "places", "backoff"]
            .map(|what| memory[what].clone())
            .into()
    }

    /// How many runs are on record.
    fn runs(&self) -> usize {
        let ran = self.run(&["history", "-n", "500", "-o", "json"]).expect(0);
        assert_quiet(&ran);
        ran.json().as_array().unwrap().len()
    }
}
