//! A running controller, asked with curl.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::daemon::{Daemon, ON_REQUEST};
use crate::world::World;

const PAGE: &str = include_str!("../../docs/operations.md");

/// Where the page says that the socket is.
const SOCKET: &str = "/var/lib/talos-order/control/socket";

/// Runs curl, and gives back the code and the answer.
fn curl(socket: &Path, args: &[&str]) -> (String, Value) {
    let mut command = Command::new("curl");
    command.arg("--silent").arg("--show-error");
    command.arg("--unix-socket").arg(socket).args(args);
    command.args(["--write-out", "%{http_code}"]);
    let output = command.output().expect("curl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    let text = String::from_utf8(output.stdout).expect("text");
    let (answer, code) = text.rsplit_once('\n').expect("lines");
    let answer = serde_json::from_str(answer).unwrap_or_else(|why| panic!("{why}: {answer}"));
    (code.to_owned(), answer)
}

/// Everything in the page on operations that is asked with curl.
fn asked_in_the_page() -> Vec<Vec<String>> {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("$ curl "));
    let words = lines.map(|line| shell_words::split(line).expect("words"));
    words
        .map(|words| {
            assert_eq!(words[..2], ["--unix-socket", SOCKET]);
            words[2..].to_vec()
        })
        .collect()
}

#[test]
fn what_the_page_asks_with_curl_is_answered() {
    let world = World::small();
    world.configure_local(1, ON_REQUEST);
    world.order_one("iso", "");
    let daemon = Daemon::start(&world);
    let state = daemon.beside(&["status", "-o", "json"]).expect(0).json();
    let socket = world.cache().join(".talos-order/control/socket");

    let asked = asked_in_the_page();
    assert_eq!(asked.len(), 5);
    for words in asked {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let url = *words.last().unwrap();
        let (code, answer) = curl(&socket, &words);
        if url.ends_with("run") {
            // Nobody waits for it.
            assert_eq!(
                (code.as_str(), &answer["message"]),
                ("202", &"a run begins".into())
            );
            continue;
        }
        assert_eq!(code, "200", "{words:?}: {answer:#}");
        match url.ends_with("health") {
            true => assert_eq!(answer["message"], "the controller runs"),
            false => assert_eq!(answer["owner"], state["owner"], "{answer:#}"),
        }
    }
    daemon.wait("the run that nobody waits for", || daemon.runs().len() == 4);
    daemon.until("it is over", |status| status["running"].is_null());
    let causes: Vec<Value> = daemon
        .runs()
        .iter()
        .map(|run| run["trigger"].clone())
        .collect();
    assert_eq!(causes, ["start", "manual", "manual", "manual"]);
    let status = daemon.beside(&["status", "-o", "json"]).expect(0).json();
    let (_, told) = curl(&socket, &["http://localhost/v1/status"]);
    assert_eq!(told, status);

    for (words, code, says) in [
        (
            &["-d", "what?", "http://localhost/v1/reconcile"][..],
            "400",
            "invalid request",
        ),
        (&["http://localhost/v0/status"], "404", "/v0/status"),
        (
            &[
                "-d",
                "{\"wait_seconds\":0}",
                "http://localhost/v1/reconcile",
            ],
            "202",
            "it continues",
        ),
    ] {
        let (answered, answer) = curl(&socket, words);
        assert_eq!(answered, code, "{answer:#}");
        assert!(
            answer["message"].as_str().unwrap().contains(says),
            "{answer:#}"
        );
    }
    daemon.stop();
    assert!(!socket.exists());
}
