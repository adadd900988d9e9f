//! The log of a controller, line by line.

use std::fs;
use std::os::unix::fs::MetadataExt;

use regex::Regex;
use rustix::process::Signal;
use serde_json::Value;

use crate::common::sshd::Lab;
use crate::daemon::{Daemon, ON_CHANGE, converged, reason};
use crate::world::{Config, World, reach};

const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

const TIME: &str = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z";

/// Forms of Rust that are not for people.
const DEBUG: &str = r#"Some\(|Ok\(|Err\(|\bNone\b|[A-Za-z]\w* \{ |PathBuf|\\n"#;

/// A session: a start, an order that changes, a node that fails and comes back, a
/// configuration that is refused, one that is taken, a suspension, and the end.
fn session(more: &[&str], journal: Option<&dyn Fn(&fs::Metadata) -> String>) -> (String, World) {
    let world = World::small();
    let lab = Lab::new();
    let mut node = lab.node();
    world.configure(&Config {
        lab: Some(&lab),
        nodes: vec![("pve-01".to_owned(), reach(&node))],
        more: ON_CHANGE,
        ..Config::default()
    });
    world.order_one("iso", "      version: {type: exact, value: v1.11.2}\n");
    let mut daemon = Daemon::launch_with(&world, more, journal);
    daemon.until("it starts", converged);

    node.stop();
    world.order_one("iso", "");
    daemon.until("the node is missed", |status| {
        status["running"].is_null() && reason(status, "one", None) == "TargetUnreachable"
    });
    node.start();
    daemon.beside(&["reconcile"]).expect(0);
    world.assert_holds(
        &node.root.join("iso"),
        &["talos-v1.11.2-nocloud-amd64-376567988ad3.iso", ISO],
    );

    let config = fs::read_to_string(world.at("config.yaml")).unwrap();
    fs::write(
        world.at("config.yaml"),
        config.replace("interval: 1d", "interval: no"),
    )
    .unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait("it is refused", || daemon.log().contains("is invalid"));
    fs::write(world.at("config.yaml"), &config).unwrap();
    daemon.signal(Signal::HUP);
    daemon.until("it is taken", |status| {
        converged(status) && status["last_pass"]["trigger"] == "reload"
    });
    daemon.beside(&["suspend", "order", "one"]).expect(0);
    daemon.beside(&["reconcile"]).expect(0);
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().success(), "{}", daemon.log());
    (daemon.log(), world)
}

/// What every line has to be like, given what it says behind its time.
fn assert_plain(line: &str) {
    let debug = Regex::new(DEBUG).unwrap();
    assert!(!debug.is_match(line), "{line}");
    assert!(!Regex::new(TIME).unwrap().is_match(line), "{line}");
    for library in ["hyper", "rustls", "reqwest", "notify", "cron_scheduler"] {
        assert!(!line.contains(library), "{line}");
    }
}

#[test]
fn a_log_has_one_time_a_line_and_reads_like_the_history() {
    let (log, world) = session(&["--log", "debug"], None);
    let line = Regex::new(&format!(r"^{TIME} +(INFO|WARN|ERROR|DEBUG) (.+)$")).unwrap();
    let mut messages = Vec::new();
    for text in log.lines() {
        let read = line.captures(text).unwrap_or_else(|| panic!("{text}"));
        assert_plain(&read[3]);
        messages.push(format!("{} {}", &read[2], &read[3]));
    }
    // Each of them once, and in this order.
    let mut rest = messages.iter();
    for expected in [
        "INFO controller started version=",
        "INFO run started trigger=start",
        "INFO Plan: 1 to register, 1 to fetch",
        "INFO push talos-v1.11.2-nocloud-amd64-376567988ad3.iso to pve-01: done in ",
        "INFO run finished: 2 of 2 ready converged=true took=",
        "INFO run started trigger=change",
        "WARN node does not answer node=\"pve-01\" reason=\"",
        "INFO run finished: 0 of 2 ready, 1 blocked converged=false took=",
        "INFO run started trigger=manual",
        "INFO node answers again node=\"pve-01\"",
        "ERROR the new configuration is invalid, the old one stays in effect reason=\"",
        "INFO configuration reloaded",
        "INFO run started trigger=reload",
        "INFO run started trigger=manual",
        "INFO stopping",
        "INFO controller stopped",
    ] {
        let found = rest.any(|message| message.starts_with(expected));
        assert!(found, "{expected}: {log}");
    }
    // A step is called in the history and in the events as it is here.
    let history = world.program.run(&["history"]).expect(0).stdout;
    let events = world.program.run(&["events"]).expect(0).stdout;
    let done: Vec<&str> = messages
        .iter()
        .filter_map(|message| message.strip_prefix("INFO ")?.split_once(" step="))
        .map(|(message, _)| message)
        .filter(|message| message.contains(": done"))
        .collect();
    assert!(done.len() >= 5, "{log}");
    for message in done {
        assert!(history.contains(message), "{message}: {history}");
        assert!(events.contains(message), "{message}: {events}");
    }
}

#[test]
fn the_journal_and_json_get_each_time_once() {
    let of_file = |file: &fs::Metadata| format!("{}:{}", file.dev(), file.ino());
    let (log, _) = session(&[], Some(&of_file));
    for text in log.lines() {
        let text = text.trim_start();
        assert!(
            ["INFO ", "WARN ", "ERROR "]
                .iter()
                .any(|level| text.starts_with(level)),
            "{text}"
        );
        assert_plain(text);
    }
    // Inherited from whoever started it: this is another stream.
    let of_another = |_: &fs::Metadata| "1:1".to_owned();
    let (log, _) = session(&["--log-format", "json"], Some(&of_another));
    let time = Regex::new(TIME).unwrap();
    for text in log.lines() {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
        assert!(
            value["timestamp"].is_string() && value["level"].is_string(),
            "{text}"
        );
        assert!(value["fields"]["message"].is_string(), "{text}");
        assert_eq!(time.find_iter(text).count(), 1, "{text}");
    }
}
