//! Concurrent runs.

use talos_order::factory_stub::StubFault;

use crate::common::program::kill;
use crate::common::wait_for;
use crate::world::World;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

fn world() -> World {
    let world = World::small();
    world.configure_local(1, "");
    world.order_one("iso", "");
    world
}

fn has_begun(world: &World) -> bool {
    world.factory.bytes_since(0) > 0
}

#[test]
fn the_second_says_who_holds_the_cache() {
    let world = world();
    world.factory.inject("GET /blob/", StubFault::Stall(1000));
    let mut first = world.program.start(&["apply"]);
    wait_for("the first is at work", || has_begun(&world));
    for wait in ["0s", "100ms"] {
        let ran = world
            .program
            .run(&["apply", "--lock-timeout", wait])
            .expect(1);
        ran.complains(&format!("process {}", first.id()))
            .complains("apply")
            .complains("hint:");
    }
    // Looking needs no lock.
    world.program.run(&["plan"]).expect(0);
    kill(&mut first);
    // A lock dies with its holder.
    world
        .program
        .run(&["apply", "--lock-timeout", "0s"])
        .expect(0);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}

#[test]
fn the_second_waits_and_finds_the_work_done() {
    let world = world();
    let lock = world.cache().join(".talos-order.lock");
    std::fs::create_dir_all(world.cache()).unwrap();
    // The test itself is the first run, which it can end when the second waits.
    let held = std::fs::File::create(&lock).unwrap();
    held.lock().unwrap();
    let second = world.program.start_heard(&["apply"]);
    let third = world.program.start_heard(&["apply"]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(world.factory.images_since(0).is_empty());
    drop(held);
    for run in [second, third] {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(world.factory.images_since(0).len(), 1);
    world.assert_holds(&world.at("node1/iso"), &[ISO]);
}
