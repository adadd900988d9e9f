//! What a plan and a run show, as text and as JSON.

use super::*;

#[test]
fn a_detailed_exit_code_tells_three_things_apart() {
    let world = World::new();
    let detailed = ["plan", "--detailed-exitcode"];
    world.program.run(&detailed).expect(2);
    world.program.run(&["plan"]).expect(0);
    world
        .program
        .run(&["--dry-run", "--detailed-exitcode"])
        .expect(2);
    world.program.run(&["--once", "--dry-run"]).expect(0);
    world.program.run(&["apply"]).expect(0);
    world.program.run(&detailed).expect(0);
    world.order("bad", "{type: newest}");
    world.program.run(&detailed).expect(1);
    world.program.run(&["plan"]).expect(1);
    world.program.run(&["validate"]).expect(1);
}

#[test]
fn json_says_what_the_text_says() {
    let world = World::new();
    world.order("bad", "{type: newest}");
    let program = &world.program;
    let name = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

    let text = program.run(&["plan", "-v", "--manifests"]).expect(1);
    let json = program.run(&["plan", "-o", "json"]).expect(1);
    assert_eq!(json.stderr, text.stderr, "stderr is the same");
    let plan = json.json();
    let steps = plan["plan"]["steps"].as_array().unwrap();
    let kinds: Vec<&str> = steps
        .iter()
        .map(|step| step["action"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["register", "fetch", "push"]);
    for kind in kinds {
        assert!(text.stdout.contains(&format!("+ {kind}")), "{text}");
    }
    assert_eq!(steps[1]["action"]["file"], name);
    assert!(
        text.stdout
            .contains(steps[1]["action"]["url"].as_str().unwrap())
    );
    for manifest in plan["manifests"].as_array().unwrap() {
        let path = manifest["path"].as_str().unwrap();
        assert!(text.stdout.contains(&format!("+++ {path}")), "{text}");
        assert!(manifest["diff"].as_str().unwrap().contains(path));
    }
    let problem = plan["problems"][0].to_string();
    assert!(problem.contains("newest"), "{problem}");

    let checked = program.run(&["validate", "-o", "json"]).expect(1).json();
    assert_eq!(checked["valid"], false);
    assert_eq!(checked["orders"], 2);
    assert_eq!(checked["problems"].as_array().unwrap().len(), 1);
    let checked = program.run(&["validate"]).expect(1).complains("newest");
    checked.says("2 orders with 1 valid position in 2 files, 1 problem");

    let applied = program.run(&["apply", "-o", "json"]).expect(1).json();
    assert_eq!(applied["converged"], false, "because of the bad order");
    assert_eq!(applied["outcomes"].as_object().unwrap().len(), 3);
    assert_eq!(images(&world.dir.path().join("iso")), [name]);

    let versions = program.run(&["versions", "-o", "json"]).expect(0).json();
    let listed = program.run(&["versions"]).expect(0);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(versions["versions"], serde_json::json!(lines));
    assert_eq!(lines[0], "v1.12.1", "newest first, no pre-release");
    assert_eq!(versions["source"], "factory");
    let all = program.run(&["versions", "--all"]).expect(0);
    assert_eq!(all.stdout.lines().next(), Some("v1.13.0-beta.0"));
    let minor = program.run(&["versions", "--minor", "v1.10"]).expect(0);
    assert_eq!(minor.stdout, "v1.10.8\nv1.10.7\n");
}

#[test]
fn manifests_are_shown_when_asked_for_and_counted_in_a_dry_run() {
    let world = World::new();
    let program = &world.program;
    let path = world.dir.path().join("manifests/manifest-good.yaml");
    let head = format!("+++ {}", path.display());
    let counted = format!("  {}: ", path.display());
    let short = program.run(&["plan"]).expect(0);
    short.omits("manifest").says("order good, position image: ");
    program
        .run(&["plan", "--manifests"])
        .expect(0)
        .says(&head)
        .says("order good, position image: ");
    program
        .run(&["--dry-run"])
        .expect(0)
        .omits(&head)
        .says(&counted)
        .says(" lines added, 0 removed");
    let detailed = program.run(&["--dry-run", "-v"]).expect(0).says(&head);
    detailed.says("\n  + fetch     talos-").says("from http://");
}

#[test]
fn a_selection_plans_and_does_a_part_and_forgets_nothing_of_the_rest() {
    let world = World::new();
    let program = &world.program;
    world.order("other", "{type: exact, value: v1.10.8}");
    let plan = |args: &[&str]| {
        let args = [&["plan", "--detailed-exitcode"], args].concat();
        program.run(&args).expect(2)
    };
    plan(&[]).says("order good").says("order other");
    plan(&["--order", "g*d"])
        .says("order good")
        .omits("order other")
        .says("Not selected: 2 steps");
    plan(&["--order", "good", "--order", "other"]).omits("Not selected");
    plan(&["--node", "pve-*"]).omits("Not selected");
    let json = plan(&["--order", "other", "-o", "json"]).json();
    let manifests = json["manifests"].as_array().unwrap().len();
    assert_eq!(manifests, 1);
    let ids = |steps: &serde_json::Value| -> Vec<String> {
        let steps = steps.as_array().unwrap().iter();
        steps.map(|step| step["id"].to_string()).collect()
    };

    // A run does exactly that.
    let applied = program.run(&["apply", "--order", "other", "-o", "json"]);
    let applied = applied.expect(0).json();
    assert_eq!(ids(&applied["plan"]["steps"]), ids(&json["plan"]["steps"]));
    assert_eq!(applied["outcomes"].as_object().unwrap().len(), 3);
    let iso = world.dir.path().join("iso");
    assert_eq!(
        images(&iso),
        ["talos-v1.10.8-nocloud-amd64-376567988ad3.iso"]
    );
    assert!(
        !world
            .dir
            .path()
            .join("manifests/manifest-good.yaml")
            .exists()
    );

    // What was left out is out of sync, and nobody is told otherwise.
    let status = |args: &[&str]| program.run(&[&["status"], args].concat());
    status(&["--order", "go*", "--node", "*1"])
        .expect(1)
        .says("NotSelected")
        .omits("other ");
    status(&["--order", "other"]).expect(0).omits("good ");
    plan(&[]).says("order good").omits("order other");
    program.run(&["run", "--once"]).expect(0);
    status(&[]).expect(0).says("good ").says("other ");
}

#[test]
fn a_selection_that_fits_nothing_names_what_there_is() {
    let world = World::new();
    let program = &world.program;
    for verb in ["plan", "apply"] {
        let ran = program.run(&[verb, "--order", "goood"]).expect(2);
        ran.complains("error: no order matches goood\n  hint: known orders: good\n");
        let ran = program.run(&[verb, "--node", "pve-2", "--node", "pve-1"]);
        let ran = ran.expect(2).complains("no node matches pve-2");
        ran.complains("known nodes: pve-1");
        let ran = program.run(&[verb, "--purge-cache", "--node", "pve-1"]);
        ran.expect(2).complains("cannot be used with");
    }
    program.run(&["apply"]).expect(0);
    let ran = program.run(&["status", "--order", "x"]).expect(2);
    ran.complains("known orders: good");
    program.run(&["status", "--node", "x"]).expect(2);
}

#[test]
fn objects_are_listed_from_records() {
    let world = World::new();
    let program = &world.program;
    let name = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
    let before = program.run(&["get", "nodes"]).expect(0);
    before
        .complains("there has been no run yet")
        .says("unknown");
    program.run(&["apply"]).expect(0);
    program
        .run(&["get", "orders"])
        .expect(0)
        .says("NAME  CUSTOMER  POSITIONS  NODES  STATE  VERSIONS  AGE\ngood  -         1          1/1    Ready  v1.11.3 ");
    let nodes = program.run(&["get", "node"]).expect(0);
    nodes.says("pve-1  local  reachable  1       1/1 ");
    let names = program.run(&["get", "images", "-o", "name"]).expect(0);
    assert_eq!(names.stdout, format!("{name}\n"));
    let wide = program.run(&["get", "images", "-o", "wide"]).expect(0);
    wide.says("SHA256").says("nocloud-amd64.iso");
    let missing = program.run(&["get", "orders", "nope", "go*"]).expect(1);
    missing.complains("there is no order nope").says("good");
    let image = &program
        .run(&["get", "images", "-o", "json"])
        .expect(0)
        .json()[0];
    assert_eq!(
        (&image["name"], &image["in_cache"]),
        (&name.into(), &true.into())
    );
    assert_eq!(
        image["nodes"],
        serde_json::json!({"in_sync": 1, "total": 1})
    );
    let status = program.run(&["status", "--order", "nope"]).expect(2);
    status
        .complains("no order matches nope")
        .complains("known orders: good");
}

/// Every command that writes JSON writes the same as YAML.
#[test]
fn yaml_says_what_json_says() {
    let world = World::new();
    let program = &world.program;
    program
        .run(&["apply", "-o", "yaml"])
        .expect(0)
        .says("converged: true");
    program.run(&["suspend", "node", "pve-1"]).expect(0);
    for args in [
        &["status"][..],
        &["history"],
        &["plan"],
        &["diff"],
        &["validate"],
        &["get", "orders"],
        &["get", "nodes"],
        &["get", "images"],
    ] {
        let of = |form| program.run(&[args, &["-o", form]].concat()).expect(0);
        let yaml = of("yaml").stdout;
        let yaml: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(yaml, of("json").json(), "{args:?}");
    }
}

#[test]
fn what_differs_is_shown_by_place_with_an_exit_code() {
    let world = World::new();
    let program = &world.program;
    let iso = world.dir.path().join("iso");
    let name = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
    let ran = program.run(&["diff"]).expect(2);
    ran.says("+++ cache (desired)")
        .says(&format!("+{name}  v1.11.3  unknown  sha256:unknown"))
        .says("manifest-good.yaml");
    assert!(!iso.exists(), "nothing is changed");
    program.run(&["apply"]).expect(0);
    let same = program.run(&["diff"]).expect(0);
    same.omits("@@").complains("no differences");

    fs::write(iso.join(name), "short").unwrap();
    program.run(&["suspend", "order", "good"]).expect(0);
    let ran = program.run(&["diff"]).expect(2);
    ran.says(&format!("-{name}  v1.11.3  5  sha256:unknown"))
        .says(&format!("+{name}  v1.11.3  307200  sha256:"));
    let other = program.run(&["diff", "--order", "other"]).expect(2);
    other.complains("no order matches other");
    program.run(&["diff", "--node", "pve-2"]).expect(2);
    world.order("bad", "{type: newest}");
    program.run(&["diff"]).expect(1).complains("newest");
}

#[test]
fn an_unknown_minor_line_names_those_that_exist() {
    let world = World::new();
    let lines = "v1.12, v1.11, v1.10";
    let ran = world
        .program
        .run(&["versions", "--minor", "v1.2"])
        .expect(1);
    ran.complains("there is no minor line v1.2")
        .complains(lines);
    let ran = world
        .program
        .run(&["versions", "--minor", "v1.13"])
        .expect(1);
    ran.complains("--all lists its pre-releases");
    world.order("old", "{type: latest-in-minor, minor: v1.2}");
    let ran = world.program.run(&["plan"]).expect(1);
    ran.says("no released version matches latest-in-minor v1.2; minor lines are v1.13, v1.12");
}
