//! Orders that are not there, or move while they are read.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::snapshot::Snapshot;
use crate::world::{World, position};

const OLD: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";
const NEW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const AGENT: &str = "talos-v1.11.3-nocloud-amd64-ce4c980550dd.iso";

fn places(world: &World) -> Snapshot {
    let paths = ["cache", "node1", "manifests"].map(|name| world.at(name));
    Snapshot::of(&[&paths[0], &paths[1], &paths[2]])
}

#[test]
fn missing_orders_are_not_an_empty_set() {
    let world = World::small();
    let keep_nothing = "limits: {retries: 0}\n";
    world.configure_local(1, keep_nothing);
    world.order_one("iso", "");
    world.apply().expect(0);
    let before = places(&world);
    fs::rename(world.at("orders"), world.at("away")).unwrap();
    for args in [
        &["apply"][..],
        &["--once"],
        &["apply", "--purge-cache"],
        &["plan"],
    ] {
        let ran = world.program.run(args).expect(1);
        ran.complains("do not exist").complains("hint:");
    }
    before.assert_same(&places(&world));
    // A link to nowhere is as good as missing.
    symlink(world.at("nowhere"), world.at("orders")).unwrap();
    world.apply().expect(1).complains("do not exist");
    before.assert_same(&places(&world));
}

#[test]
fn an_unreadable_file_among_the_orders_stops_removals_only() {
    let world = World::small();
    world.configure_local(1, "");
    // A grace of nothing: whatever no order wants any more goes in the run after the one
    // that first misses it.
    let path = world.at("config.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "defaults:\n",
        "defaults:\n  cache_policy: {orphan_grace: 0s}\n",
    );
    fs::write(&path, text).unwrap();
    world.order(
        "a.yaml",
        &position("a", "iso", "      version: {type: exact, value: v1.11.2}\n"),
    );
    world.apply().expect(0);
    world.order("a.yaml", "- orderid: a\n  positions: [");
    let agent = "      customization: {systemExtensions: [siderolabs/qemu-guest-agent]}\n";
    world.order("b.yaml", &position("b", "iso", agent));
    world.apply().expect(1).says("nothing is pruned");
    world.assert_holds(&world.cache(), &[OLD, AGENT]);
    world.assert_holds(&world.at("node1/iso"), &[OLD, AGENT]);
    // The order is really gone: now the cache is cleaned up.
    fs::remove_file(world.at("orders/a.yaml")).unwrap();
    world.apply().expect(0).omits("removed");
    world.apply().expect(0).says("1 pruned");
    world.assert_holds(&world.cache(), &[AGENT]);
}

#[test]
fn a_link_that_is_swapped_gives_one_of_the_two_trees() {
    let world = World::small();
    world.configure_local(1, "");
    // As git-sync does it: a link to a tree, replaced by another in one step.
    let trees = [("rev-a", OLD, "v1.11.2"), ("rev-b", NEW, "v1.11.3")];
    for (tree, _, version) in trees {
        let dir = world.at(tree);
        fs::create_dir_all(dir.join("sub")).unwrap();
        for id in ["x", "y"] {
            let version = format!("      version: {{type: exact, value: {version}}}\n");
            fs::write(
                dir.join(format!("sub/{id}.yaml")),
                position(id, "iso", &version),
            )
            .unwrap();
        }
    }
    let swap = |tree: &str| {
        let new = world.at("new-link");
        symlink(world.at(tree), &new).unwrap();
        fs::rename(new, world.at("orders")).unwrap();
    };
    for (tree, name, _) in trees {
        swap(tree);
        world.apply().expect(0);
        assert!(world.at("node1/iso").join(name).exists(), "{tree}");
    }
    // Swapped all the time while it is read: each run sees orders, or says that it
    // does not; it never takes them for none.
    for round in 0..6 {
        let run = world.program.start_heard(&["apply"]);
        for turn in 0..40 {
            swap(trees[(turn + round) % 2].0);
        }
        let output = run.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        assert!(!text.contains("panicked"), "{text}");
        world.assert_holds(&world.at("node1/iso"), &[OLD, NEW]);
    }
    swap("rev-b");
    world.apply().expect(0);
}
