//! What is told of manual runs, in `status` and `history`.

use std::process::Stdio;

use crate::world::World;

#[test]
fn manual_runs_are_shown_like_those_of_the_controller() {
    let world = World::small();
    world.configure_local(1, "owner: friday\n");
    world.order_one("raw.xz", "");
    world.apply().expect(0).says("1 fetched");
    let status = world.program.run(&["status"]).expect(0);
    status.says("Controller  friday");
    // An image, what was unpacked from it, and its copy on the node.
    world.program.run(&["history"]).expect(0).says("3 in sync");
    world.apply().expect(0).says("nothing to do");
    let history = world.program.run(&["history", "-n", "1"]).expect(0);
    history.says("3 in sync");
}

#[test]
fn an_image_that_is_fetched_anew_after_a_purge_is_no_drift() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.apply().expect(0);
    world
        .program
        .run(&["apply", "--purge-cache"])
        .expect(0)
        .says("1 fetched");
    let status = world
        .program
        .run(&["status", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(status["totals"]["drift_found"], 0);

    std::fs::remove_file(world.cache().join(ISO)).unwrap();
    world.apply().expect(0).says("1 fetched");
    let status = world
        .program
        .run(&["status", "-o", "json"])
        .expect(0)
        .json();
    assert_eq!(status["totals"]["drift_found"], 1, "a lost file is");
    assert_eq!(status["totals"]["drift_repaired"], 1);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world.apply().expect(0);
    for args in [
        &["status"][..],
        &["status", "-o", "json"],
        &["history"],
        &["history", "-o", "json"],
        &["events"],
        &["plan"],
        &["plan", "-o", "json"],
    ] {
        let mut command = world.program.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whatever it writes from here on goes nowhere.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {complaints}");
        assert!(!complaints.contains("pipe"), "{args:?}: {complaints}");
    }
}

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
