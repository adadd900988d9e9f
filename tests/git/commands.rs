//! Single commands with orders in git.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::common::program::terminate;
use crate::common::wait_for;
use crate::repository::{Fleet, NEWER, OLDER};

/// Every path below the state directory.
fn state(fleet: &Fleet) -> BTreeSet<(PathBuf, Vec<u8>)> {
    let mut found = BTreeSet::new();
    let mut open = vec![fleet.world.at("cache")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => open.push(entry.path()),
                false => {
                    found.insert((entry.path(), fs::read(entry.path()).unwrap_or_default()));
                }
            }
        }
    }
    found
}

#[test]
fn a_plan_fetches_what_a_run_would_fetch_and_keeps_nothing() {
    let fleet = Fleet::new("");
    let program = &fleet.world.program;
    let plan = program.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains(OLDER), "{plan}");
    assert!(!fleet.world.at("cache").exists());
    // Nothing was fetched to be checked, and that is said.
    let ran = program.run(&["validate"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("were never fetched"), "{ran}");
    assert!(ran.stderr.contains("--online"), "{ran}");
    program.run(&["validate", "--online"]).expect(0);

    fleet.world.apply().expect(0);
    let ran = program.run(&["validate"]).expect(0);
    assert!(ran.stderr.contains("note: checking main@sha1:"), "{ran}");
    program.run(&["diff"]).expect(0);
    program.run(&["outputs"]).expect(0);
    let before = state(&fleet);
    fleet.order("v1.11.3");
    let plan = program
        .run(&["plan", "--manifests", "--detailed-exitcode"])
        .expect(2);
    assert!(plan.stdout.contains(NEWER), "{plan}");
    // The same file as in a run, so that its name is no change.
    assert!(!plan.stdout.contains("-source_orders"), "{plan}");
    program.run(&["diff"]).expect(2);
    program.run(&["validate", "--online"]).expect(0);
    assert_eq!(state(&fleet), before);
    // A directory that is named wins.
    let other = fleet.world.at("checkout/orders").display().to_string();
    let mut local = program.clone();
    local.args.push(format!("--orders={other}"));
    fleet.git(&["reset", "-q", "--hard", "HEAD~1"]);
    local.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn the_commit_is_in_status_history_and_manifest() {
    let fleet = Fleet::new("");
    let commit = fleet.git(&["rev-parse", "HEAD"]);
    fleet.world.apply().expect(0);
    let revision = format!("main@sha1:{commit}");
    let program = &fleet.world.program;
    let status = program.run(&["status", "-o", "json"]).expect(0).json();
    assert_eq!(status["revision"], *revision);
    let source = &status["source"];
    assert_eq!(source["state"], "ok");
    assert_eq!(source["author"], "Ann");
    assert_eq!(source["subject"], "Order <b>one</b>");
    assert_eq!(source["commit"], *commit);
    let text = program.run(&["status"]).expect(0).stdout;
    assert!(text.contains("\"Order <b>one</b>\" by Ann"), "{text}");
    let history = program.run(&["history", "-o", "json"]).expect(0).json();
    assert_eq!(history[0]["revision"], *revision);
    let manifest = fleet.world.manifest("one");
    assert_eq!(manifest["revision"], *revision);
    assert_eq!(manifest["revision_author"], "Ann");
    let shown = fleet.home().join("current/orders/one.yaml");
    assert_eq!(manifest["source_orders"], *shown.to_string_lossy());
    assert!(shown.exists());

    // Another commit alone is no change.
    let before = fs::read(fleet.world.manifest_path("one")).unwrap();
    fleet.push("two.yaml", "[]\n");
    fleet.world.apply().expect(0);
    assert_eq!(fs::read(fleet.world.manifest_path("one")).unwrap(), before);
}

#[test]
fn apply_continues_with_the_last_good_revision_and_says_so() {
    let fleet = Fleet::new("");
    let program = &fleet.world.program;
    fleet.world.apply().expect(0);
    fleet.order("v1.11.3");
    fleet.world.apply().expect(0);
    fleet.git(&["reset", "-q", "--hard", "HEAD~1"]);
    fleet.publish();
    fs::remove_file(fleet.node().join(NEWER)).unwrap();
    let ran = fleet.world.apply();
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("was rewound or force-pushed"), "{ran}");
    assert!(ran.stderr.contains("allow_rewind"), "{ran}");
    // Repaired all the same, and nothing of the rewound branch.
    assert!(fleet.delivered().iter().any(|name| name == NEWER));
    for command in ["plan", "diff"] {
        assert_eq!(program.run(&[command]).code, Some(1), "{command}");
    }
    let ran = program.run(&["status", "-o", "json"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let status = ran.json();
    assert_eq!(status["source"]["state"], "rejected");
    let conditions = status["conditions"].as_array().unwrap().iter();
    let of_source = conditions.filter(|c| c["exact_reason"] == "SourceRejected");
    let states: Vec<&Value> = of_source.map(|condition| &condition["state"]).collect();
    assert_eq!(states, ["Stalled"]);
    let last = &status["last_pass"]["verdict"];
    assert_eq!(last, "stalled");

    let url = fleet.url();
    fleet.configure(&format!("url: {url}, allow_rewind: true"), "");
    fleet.world.apply().expect(0);
    program.run(&["status"]).expect(0);
}

/// What no order of the last good revision wants may be wanted by the newest.
#[test]
fn nothing_is_pruned_while_the_newest_revision_is_not_known() {
    let fleet = Fleet::new("");
    let url = fleet.url();
    let prune = "prune: {grace: 0s, keep_versions: 1, vm_configs: false}\n";
    fleet.configure(&format!("url: {url}"), prune);
    let config = fs::read_to_string(fleet.world.at("config.yaml")).unwrap();
    let config = config.replacen("defaults:\n", "defaults:\n  prune: true\n", 1);
    fs::write(fleet.world.at("config.yaml"), config).unwrap();
    fleet.world.apply().expect(0);
    fleet.order("v1.11.3");
    // Delivered, and from now on the older one is not wanted.
    fleet
        .world
        .program
        .run(&["apply", "--node=pve-1"])
        .expect(0);
    assert_eq!(fleet.delivered(), [OLDER, NEWER]);

    let away = fleet.world.at("away.git");
    fs::rename(fleet.world.at("fleet.git"), &away).unwrap();
    let ran = fleet.world.program.run(&["plan", "-v"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stdout
            .contains("the newest revision of the orders is not known"),
        "{ran}"
    );
    let ran = fleet.world.program.run(&["apply", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(fleet.delivered(), [OLDER, NEWER]);
    fs::rename(&away, fleet.world.at("fleet.git")).unwrap();
    fleet.world.program.run(&["apply", "--yes"]).expect(0);
    assert_eq!(fleet.delivered(), [NEWER]);
}

#[test]
fn killed_in_the_middle_and_two_at_once() {
    let fleet = Fleet::new("");
    for round in 0..6 {
        fleet.push("two.yaml", &format!("# {round}\n[]\n"));
        let mut command = fleet.world.program.command(&["apply"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At different points of the fetch: with what it has made by then.
        let home = fleet.home();
        let begun = match round {
            0 => home.join("lock"),
            1 => home.join("repo"),
            2 => home.join("repo/HEAD"),
            _ => home.join("repo/objects"),
        };
        wait_for("it begins", || {
            begun.exists() || child.try_wait().unwrap().is_some()
        });
        std::thread::sleep(std::time::Duration::from_millis(15 * round));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let mut both: Vec<_> = (0..2)
        .map(|_| {
            let mut command = fleet
                .world
                .program
                .command(&["apply", "--lock-timeout", "60s"]);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in both.drain(..) {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(fleet.delivered(), [OLDER]);
    let left = fs::read_dir(fleet.home()).unwrap().flatten();
    let left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let left: BTreeSet<String> = left.collect();
    let expected = ["current", "good.json", "lock", "repo", "trees"];
    assert_eq!(left, BTreeSet::from(expected.map(str::to_owned)));
}

/// A revision with an order that is wrong is used, as one from a directory would be.
#[test]
fn mistakes_in_orders_are_reported_with_their_place() {
    let fleet = Fleet::new("");
    fleet.push(
        "wrong.yaml",
        "- orderid: wrong\n  positions:\n    - name: x\n      platform: cloud9\n",
    );
    let ran = fleet.world.apply();
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.stderr.contains("git/current/orders/wrong.yaml:4:"),
        "{ran}"
    );
    assert_eq!(fleet.delivered(), [OLDER]);
}

/// A fetch may have brought hundreds of megabytes by then.
#[test]
fn a_plan_that_is_interrupted_leaves_nothing_behind() {
    let fleet = Fleet::new("");
    let bin = fleet.world.at("bin");
    fs::create_dir(&bin).unwrap();
    let git = bin.join("git");
    let path = std::env::var("PATH").unwrap();
    // A server that sends nothing more.
    let script = format!(
        "#!/bin/sh\nfor word; do [ \"$word\" = fetch ] && echo $$ > {0}/fetching && exec sleep 600; \
         done\nPATH={path} exec git \"$@\"\n",
        bin.display()
    );
    fs::write(&git, script).unwrap();
    fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
    let temporary = fleet.world.at("tmp");
    fs::create_dir(&temporary).unwrap();
    for verb in [&["plan"][..], &["diff"], &["validate", "--online"]] {
        let mut child = fleet
            .world
            .program
            .command(verb)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let fetching = bin.join("fetching");
        let pid = || {
            fs::read_to_string(&fetching)
                .ok()?
                .trim()
                .parse::<u32>()
                .ok()
        };
        wait_for("the fetch", || pid().is_some());
        terminate(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{verb:?}");
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{verb:?}");
        let process = PathBuf::from(format!("/proc/{}/cwd", pid().unwrap()));
        wait_for("the end of git", || fs::read_link(&process).is_err());
        fs::remove_file(&fetching).unwrap();
    }
}
