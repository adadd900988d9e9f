//! What an operator said holds, also where it cannot be read any more.

use std::fs;

use crate::common::snapshot::images;
use crate::world::{Config, World, position};

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

/// Orders these patches of v1.11, an order each.
fn order(world: &World, patches: &[u32]) {
    let one = |patch: &u32| {
        let version = format!("      version: {{type: exact, value: v1.11.{patch}}}\n");
        position(&format!("order-{patch}"), "iso", &version)
    };
    world.order("all.yaml", &patches.iter().map(one).collect::<String>());
}

#[test]
fn approvals_that_cannot_be_read_approve_nothing() {
    let world = World::small();
    let dir = world.at("node1");
    let dir = dir.display();
    world.configure(&Config {
        nodes: vec![(
            "pve-1".to_owned(),
            format!("local: true, iso_dir: {dir}/iso, import_dir: {dir}/import, prune: true"),
        )],
        more: "prune: {vm_configs: false, grace: 0s, keep_versions: 1, max_files: 0, max_percent: 0}\n",
        ..Config::default()
    });
    order(&world, &[2, 3]);
    world.apply().expect(0);
    order(&world, &[3]);
    world.apply();
    let iso = world.at("node1/iso");
    let plan = world.program.run(&["plan", "-o", "json"]).json();
    let held = plan["plan"]["held"].as_array().unwrap();
    let approval = held
        .iter()
        .find_map(|held| held["reason"]["approval"].as_str());
    let approval = approval.unwrap_or_else(|| panic!("nothing to approve: {plan:#}"));

    let file = world.cache().join(".talos-order/approved.json");
    let later = "written by a later version of talos-order";
    for (text, why) in [
        (
            format!("{{\"version\": 2, \"approved\": [\"{approval}\"]}}"),
            later,
        ),
        ("{\"version\": 2, \"words\": {}}".to_owned(), later),
        (
            format!("{{\"approved\": [\"{approval}\"]}}"),
            "missing field",
        ),
        (
            format!("{{\"version\": 1, \"approved\": [\"{approval}\""),
            "EOF",
        ),
    ] {
        fs::write(&file, &text).unwrap();
        for command in ["plan", "apply"] {
            let ran = world.program.run(&[command]).expect(1);
            let ran = ran.complains("approved.json cannot be read").complains(why);
            ran.complains("nothing counts as approved").says(approval);
        }
        assert_eq!(images(&iso).len(), 2, "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    // A word that is given now counts, and the file with the others is kept.
    let before = fs::read_to_string(&file).unwrap();
    let ran = world.program.run(&["approve", approval]).expect(0);
    ran.complains("it is kept as");
    let kept = world.cache().join(".talos-order/approved.json.set-aside-1");
    assert_eq!(fs::read_to_string(kept).unwrap(), before);
    world.apply().expect(0).says("1 pruned");
    assert_eq!(images(&iso).len(), 1);
}
