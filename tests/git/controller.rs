//! The controller follows a repository.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::daemon::{Daemon, converged};
use crate::repository::{Fleet, NEWER, OLDER};

/// No run but for what is fetched, asked for often.
const QUIET: &str = "reconcile: {interval: 1d}\n";

fn fleet() -> Fleet {
    let fleet = Fleet::new("");
    let url = fleet.url();
    fleet.configure(&format!("url: {url}, interval: 5s"), QUIET);
    fleet
}

fn source<'a>(status: &'a Value, key: &str) -> &'a str {
    status["source"][key].as_str().unwrap_or_default()
}

#[test]
fn a_push_is_delivered_and_a_force_push_is_not() {
    let fleet = fleet();
    let daemon = Daemon::start(&fleet.world);
    assert_eq!(fleet.delivered(), [OLDER]);
    let good = fleet.order("v1.11.3");
    let status = daemon.until("the push is delivered", |status| {
        converged(status) && source(status, "commit") == good
    });
    assert_eq!(status["last_pass"]["cause"], "change");
    assert_eq!(fleet.delivered(), [OLDER, NEWER]);

    fleet.git(&["commit", "-q", "--amend", "-m", "rewritten"]);
    fleet.publish();
    let status = daemon.until("the force-push is refused", |status| {
        source(status, "state") == "rejected"
    });
    assert_eq!(source(&status, "commit"), good);
    assert!(
        source(&status, "message").contains("force-pushed"),
        "{status:#}"
    );
    // Who waits for it hears so at once, and who waits for what is in effect is done.
    let refused = fleet.git(&["rev-parse", "HEAD"]);
    let wait = |commit: &str| daemon.beside(&["wait", "--revision", commit]);
    let words = wait(&refused).expect(1);
    words.complains("is refused: branch main was rewound or force-pushed");
    daemon
        .beside(&["wait"])
        .expect(1)
        .complains("orders: Stalled SourceRejected");
    wait(&good).expect(0).says(&good);
    // It is refused once, and not with every look.
    let runs = daemon.runs().len();
    let status = daemon.reconcile();
    assert_eq!(source(&status, "state"), "rejected");
    assert_eq!(daemon.runs().len(), runs + 1);
    let log = daemon.log();
    assert!(
        log.contains("orders fetched") && log.contains("is refused"),
        "{log}"
    );

    fleet.git(&["reset", "-q", "--hard", &good]);
    let next = fleet.push("two.yaml", "[]\n");
    // It is not what was refused before it was pushed.
    wait(&next).expect(0).says(&next);
    wait(&good).expect(0);
    daemon.until("what leads on is used again", |status| {
        converged(status) && source(status, "commit") == next
    });
    // Start, push, force-push, the one that was asked for, push.
    assert_eq!(daemon.runs().len(), runs + 2);
    daemon.stop();
}

#[test]
fn a_server_that_is_away_is_reported_and_so_is_its_return() {
    let fleet = fleet();
    let daemon = Daemon::start(&fleet.world);
    let away = fleet.world.at("away.git");
    fs::rename(fleet.world.at("fleet.git"), &away).unwrap();
    let status = daemon.reconcile();
    assert_eq!(source(&status, "state"), "unavailable");
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().filter(|c| c["state"] == "Ready").count();
    assert_eq!(ready, conditions.len() - 1, "{status:#}");
    fs::rename(&away, fleet.world.at("fleet.git")).unwrap();
    daemon.until("it is back", |status| {
        converged(status) && source(status, "state") == "ok"
    });
    daemon.stop();
}

/// Long before the interval is over.
#[test]
fn a_hook_lets_the_controller_ask_the_server_at_once() {
    let fleet = Fleet::new("");
    let (socket, secret) = (fleet.world.at("web.sock"), fleet.world.at("secret"));
    fs::write(&secret, "0123456789abcdef").unwrap();
    let more = format!(
        "{QUIET}listen: unix:{}\nhooks: [{{name: orders, kind: gitlab, secret_file: {}}}]\n",
        socket.display(),
        secret.display()
    );
    let url = fleet.url();
    fleet.configure(&format!("url: {url}, interval: 1d"), &more);
    let daemon = Daemon::start(&fleet.world);
    let call = || {
        let answer = Command::new("curl")
            .args(["--silent", "--fail", "--request", "POST", "--data", "{}"])
            .args([
                "--header",
                "X-Gitlab-Token: 0123456789abcdef",
                "--unix-socket",
            ])
            .arg(&socket)
            .arg("http://localhost/hooks/orders")
            .output()
            .unwrap();
        assert!(answer.status.success(), "{answer:?}\n{}", daemon.log());
    };
    // Nothing new is no reason for a run.
    call();
    let good = fleet.order("v1.11.3");
    call();
    daemon.until("the push is delivered", |status| {
        converged(status) && source(status, "commit") == good
    });
    assert_eq!(daemon.runs().len(), 2);
    daemon.stop();
}

/// The configuration is read anew: another branch, then a directory.
#[test]
fn a_reload_follows_another_branch_and_a_directory() {
    let fleet = fleet();
    let daemon = Daemon::start(&fleet.world);
    fleet.git(&["checkout", "-q", "-b", "other"]);
    let orders = fleet.world.at("checkout/orders/one.yaml");
    let text = fs::read_to_string(&orders)
        .unwrap()
        .replace("v1.11.2", "v1.11.3");
    fs::write(&orders, text).unwrap();
    fleet.git(&["commit", "-q", "-a", "-m", "other"]);
    fleet.git(&["push", "-q", "origin", "other"]);
    let url = fleet.url();
    fleet.configure(&format!("url: {url}, interval: 5s, branch: other"), QUIET);
    daemon.signal(rustix::process::Signal::HUP);
    daemon.until("the other branch", |status| {
        converged(status) && source(status, "reference") == "branch other"
    });
    assert!(fleet.delivered().contains(&NEWER.to_owned()));
    let dir = fleet.world.at("checkout/orders");
    fleet
        .world
        .configure_local(1, &format!("orders: {{path: {}}}\n{QUIET}", dir.display()));
    daemon.signal(rustix::process::Signal::HUP);
    daemon.until("the directory", |status| {
        converged(status) && status["source"].is_null()
    });
    // It is watched from then on.
    fs::write(dir.join("two.yaml"), "- orderid: two\n  positions: []\n").unwrap();
    daemon.until("a change in it", |status| {
        let orders = status["orders"].as_object();
        orders.is_some_and(|orders| orders.contains_key("two"))
    });
    daemon.stop();
}
