//! Plans that are saved, reviewed and applied.

use std::os::unix::fs::PermissionsExt;

use super::*;

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
const OTHER: &str = "talos-v1.10.8-nocloud-amd64-376567988ad3.iso";

/// The steps of a plan, by their identities.
fn ids(plan: &serde_json::Value) -> Vec<String> {
    let steps = plan["steps"].as_array().unwrap().iter();
    steps.map(|step| step["id"].to_string()).collect()
}

#[test]
fn a_saved_plan_is_applied_while_it_is_right_and_only_then() {
    let world = World::new();
    let (program, dir) = (&world.program, world.dir.path());
    let ran = program.run(&["plan", "--out", "plan.json", "-o", "json"]);
    let ran = ran.expect(0);
    let ran = ran.complains("Plan saved; run `talos-order apply plan.json` to apply it");
    let file = program.dir.join("plan.json");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let saved: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(saved["plan"], ran.json()["plan"]);
    assert_eq!(saved["format"], 1);

    // Another order came in between.
    world.order("other", "{type: exact, value: v1.10.8}");
    let ran = program.run(&["apply", "plan.json"]).expect(1);
    assert_eq!(ran.stdout, "", "{ran}");
    let ran = ran.complains("plan.json is not what a run would do now; nothing was done");
    let ran = ran.complains(&format!("  + fetch {OTHER}: a new step\n"));
    ran.complains("hint: run `talos-order plan --out plan.json` to plan again");
    assert!(!dir.join("cache").join(ISO).exists());

    fs::remove_file(dir.join("orders/other.yaml")).unwrap();
    let ran = program.run(&["apply", "plan.json", "-o", "json"]).expect(0);
    let applied = ran.json();
    assert_eq!(ids(&applied["plan"]), ids(&saved["plan"]));
    assert_eq!(images(&dir.join("iso")), [ISO]);

    // What is done is not done again.
    let ran = program.run(&["apply", "plan.json"]).expect(1);
    ran.complains("no longer a step, it is in sync");
}

#[test]
fn a_saved_plan_brings_its_options() {
    let world = World::new();
    let program = &world.program;
    world.order("other", "{type: exact, value: v1.10.8}");
    let plan = ["plan", "--order", "oth*", "--out", "plan.json"];
    program.run(&plan).expect(0);
    // What was not selected may change.
    world.order("good", "{type: exact, value: v1.12.1}");
    program.run(&["apply", "plan.json"]).expect(0);
    assert_eq!(images(&world.dir.path().join("iso")), [OTHER]);

    program.run(&["apply"]).expect(0);
    program
        .run(&["plan", "--purge-cache", "--out", "purge.json"])
        .expect(0);
    let ran = program.run(&["apply", "purge.json"]).expect(0);
    ran.says("2 fetched");
    for option in [&["--order=a"][..], &["--node=a"], &["--purge-cache"]] {
        let ran = program.run(&[&["apply", "plan.json"], option].concat());
        ran.expect(2).complains("cannot be used with");
    }
}

#[test]
fn a_file_that_cannot_be_applied_says_why() {
    let world = World::new();
    let program = &world.program;
    program.run(&["plan", "--out", "plan.json"]).expect(0);
    let text = fs::read_to_string(program.dir.join("plan.json")).unwrap();
    let elsewhere = text.replacen("config.yaml", "other.yaml", 1);
    for (name, content, why) in [
        ("text", "hello".to_owned(), "it is not a saved plan"),
        (
            "answer",
            "{\"plan\": {}}".to_owned(),
            "it is not a saved plan",
        ),
        (
            "half",
            text[..text.len() / 2].to_owned(),
            "it is damaged: EOF",
        ),
        (
            "later",
            text.replacen("\"format\": 1", "\"format\": 9", 1),
            "it has format 9",
        ),
        ("elsewhere", elsewhere, "it was made with --config "),
    ] {
        fs::write(program.dir.join(name), content).unwrap();
        let ran = program.run(&["apply", name]).expect(2);
        let ran = ran.complains(&format!("error: cannot apply {name}: "));
        let ran = ran.complains(why);
        ran.complains("  hint: ");
    }
    let ran = program.run(&["apply", "nowhere.json"]).expect(2);
    ran.complains("cannot read the plan nowhere.json: No such file");
    let ran = program
        .run(&["plan", "--out", "nowhere/plan.json"])
        .expect(1);
    ran.complains("cannot write nowhere/plan.json");
    assert_eq!(images(&world.dir.path().join("iso")), [""; 0]);
}

#[test]
fn a_plan_replaces_a_file_and_nothing_else() {
    let world = World::new();
    let (program, dir) = (&world.program, &world.program.dir);
    fs::write(dir.join("kept"), "kept").unwrap();
    std::os::unix::fs::symlink("kept", dir.join("link")).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.join("device")).unwrap();
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("pipe"), mode).unwrap();
    for (name, why) in [
        ("link", "it is a link"),
        ("device", "it is a link"),
        ("pipe", "it is a device, a pipe or a socket"),
    ] {
        let ran = program.run(&["plan", "--out", name]).expect(1);
        let ran = ran.complains(&format!("cannot write {name}: "));
        assert_eq!(ran.stdout, "", "nothing is planned: {ran}");
        ran.complains(why);
    }
    assert_eq!(fs::read_to_string(dir.join("kept")).unwrap(), "kept");
    assert!(fs::symlink_metadata(dir.join("link")).unwrap().is_symlink());
    fs::write(dir.join("earlier"), "earlier").unwrap();
    program.run(&["plan", "--out", "earlier"]).expect(0);
}
