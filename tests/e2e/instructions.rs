//! What an operator said holds, also where it cannot be read any more.

use std::fs;

use crate::common::snapshot::images;
use crate::world::World;

#[test]
fn suspensions_that_cannot_be_read_suspend_everything() {
    let newer = "{\"version\": 2, \"paused\": [\"node pve-1\"]}";
    for damaged in [newer, "garbage", "{\"version\": 1, \"all\": tr"] {
        let world = World::small();
        world.configure_local(1, "");
        world.order_one("iso", "");
        let state = world.cache().join(".talos-order");
        let file = state.join("suspended.json");
        fs::create_dir_all(&state).unwrap();
        fs::write(&file, damaged).unwrap();

        let plan = world.program.run(&["plan"]);
        plan.says("everything is suspended")
            .says("suspended.json cannot be read");
        world.apply();
        assert_eq!(images(&world.cache()), [""; 0]);
        assert_eq!(images(&world.at("node1/iso")), [""; 0]);

        // Neither a run nor a command overwrites it.
        for command in [
            &["suspend", "node", "pve-1"][..],
            &["resume", "node", "pve-1"],
        ] {
            let ran = world.program.run(command).expect(1);
            ran.complains("cannot be read").complains("resume --all");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);

        world
            .program
            .run(&["resume", "--all"])
            .expect(0)
            .complains("is kept as");
        let kept = fs::read_dir(&state).unwrap().flatten().find(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("suspended.json.")
        });
        assert_eq!(fs::read_to_string(kept.unwrap().path()).unwrap(), damaged);
        world.apply().expect(0);
        assert_eq!(images(&world.at("node1/iso")).len(), 1);
    }
}
