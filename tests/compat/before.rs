//! With the program of the earlier version itself: it writes the files, and goes on from
//! what this version left. Nobody has it at hand, so these are run by `tests/compat/before`.

use std::path::PathBuf;

use crate::scenes::{ALL, Kind, Scene};

/// Where the program of the earlier version is.
const BEFORE: &str = "TALOS_ORDER_BEFORE";

fn before_() -> PathBuf {
    std::env::var_os(BEFORE)
        .unwrap_or_else(|| panic!("{BEFORE} names the program of the earlier version"))
        .into()
}

#[test]
#[ignore = "writes the fixtures anew, with the program of the earlier version"]
fn write_fixtures() {
    for kind in ALL {
        let mut scene = Scene::empty(kind);
        scene.world.program.binary = before_();
        scene.play();
        for (_, node) in &mut scene.nodes {
            node.stop();
        }
        scene.keep();
    }
}

/// Each scene, and what a plan of either version may find to do there.
#[test]
#[ignore = "needs the program of the earlier version"]
fn it_goes_on_from_what_this_version_left() {
    for kind in ALL {
        let mut scene = Scene::restored(kind);
        let today = scene.world.program.binary.clone();
        if kind == Kind::Killed {
            scene.lease(-1, "homelab");
        }
        let code = i32::from(kind == Kind::Troubled);
        scene.run(&["run", "--once"]).expect(code);
        scene.run(&["run", "--once"]).expect(code);
        let (before, mark) = (scene.seen(), scene.world.factory.mark());
        for binary in [before_(), today.clone(), before_()] {
            scene.world.program.binary = binary;
            println!("== {kind:?} {}", scene.run(&["validate"]));
            println!("{}", scene.run(&["plan"]));
            println!("{}", scene.run(&["run", "--once"]).expect(code));
            println!("{}", scene.run(&["history"]).expect(0));
            println!("{}", scene.run(&["events"]).expect(0));
            println!("{}", scene.run(&["status"]));
            before.assert_same(&scene.seen());
            let asked = scene.world.factory.images_since(mark);
            assert!(asked.is_empty(), "{kind:?}: {asked:?}");
        }
    }
}
