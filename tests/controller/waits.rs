//! Waiting for the controller, as a step of a pipeline.

use std::fs;
use std::io::Read;
use std::process::{Child, Command};

use serde_json::Value;

use crate::common::program::kill;
use crate::daemon::{Daemon, ON_CHANGE};
use crate::world::{World, position};

/// The orders are a git work tree of their own.
fn git(world: &World, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(world.at("orders"))
        .args(["-c", "user.name=lab", "-c", "user.email=lab@localhost"])
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(world: &World) -> String {
    git(world, &["add", "--all"]);
    git(
        world,
        &["commit", "--quiet", "--allow-empty", "--message=change"],
    );
    git(world, &["rev-parse", "HEAD"])
}

/// What a waiting process says on standard output, and its exit code.
fn ended(mut child: Child) -> (Value, Option<i32>) {
    let mut text = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let code = child.wait().unwrap().code();
    kill(&mut child);
    (serde_json::from_str(&text).expect(&text), code)
}

#[test]
fn a_pipeline_waits_for_what_it_has_pushed() {
    let world = World::small();
    world.configure_local(2, ON_CHANGE);
    world.order_one("iso", "");
    git(&world, &["init", "--quiet", "--initial-branch=main"]);
    let first = commit(&world);
    let wait = |args: &[&str]| world.program.run(&[&["wait"], args].concat());
    wait(&["--timeout", "0s"])
        .expect(1)
        .complains("the first run");

    let daemon = Daemon::start(&world);
    let ready = wait(&["--revision", &first, "--timeout", "1m"]).expect(0);
    ready.says(&first);
    wait(&["--order", "one", "--node", "pve-1", "-q"])
        .expect(0)
        .omits("ready");
    // A pattern that fits nothing is a mistake in writing.
    wait(&["--order", "two", "--timeout", "0s"])
        .expect(2)
        .complains("no order matches two");

    // An order that is new in a commit is waited for as soon as that has come.
    world.order("two.yaml", &position("two", "iso", ""));
    let second = commit(&world);
    let words = [
        "wait",
        "--order",
        "two",
        "--revision",
        &second,
        "-o",
        "json",
    ];
    let (answer, code) = ended(world.program.start_heard(&words));
    assert_eq!(
        (answer["result"].as_str(), code),
        (Some("ready"), Some(0)),
        "{answer}"
    );
    assert_eq!(answer["revision"], format!("main@sha1:{second}"));

    // A commit that changes no orders starts no run, and is not waited for. Those
    // before it are in it.
    let third = commit(&world);
    wait(&["--revision", &third[..10], "--timeout", "0s"]).expect(0);
    wait(&["--revision", &first, "--timeout", "0s"]).expect(0);
    let unknown = wait(&["--revision", &"a".repeat(40), "--timeout", "0s"]).expect(1);
    unknown.complains("timed out");

    daemon.beside(&["suspend", "order", "two"]).expect(0);
    wait(&["--order", "two"])
        .expect(1)
        .complains("two: Suspended");
    wait(&["--skip-suspended"]).expect(0);

    // What an operator has to correct is not waited for.
    world.order(
        "bad.yaml",
        "- orderid: bad\n  positions: [{version: {type: newest}}]\n",
    );
    let bad = commit(&world);
    let words = ["wait", "--revision", &bad, "--skip-suspended", "-o", "json"];
    let (answer, code) = ended(world.program.start_heard(&words));
    assert_eq!(
        (answer["result"].as_str(), code),
        (Some("stalled"), Some(1)),
        "{answer}"
    );
    assert_eq!(answer["not_ready"][0]["reason"], "InvalidOrder");
    wait(&["--order", "one", "--timeout", "0s"]).expect(0);
    daemon
        .beside(&["reconcile", "-q"])
        .expect(1)
        .omits("Ready")
        .complains("bad: Stalled");
    fs::remove_file(world.at("orders/bad.yaml")).unwrap();
    let quiet = daemon.beside(&["reconcile", "-q"]).expect(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}
