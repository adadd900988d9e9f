//! Debian's Alertmanager: an alert fires, is shown by its API, and is resolved.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::wait_for;
use crate::world::Told;

struct Alertmanager {
    child: Child,
    url: String,
}

impl Alertmanager {
    fn start(dir: &Path) -> Self {
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        fs::create_dir_all(dir).unwrap();
        let config = dir.join("alertmanager.yml");
        fs::write(
            &config,
            "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n",
        )
        .unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager; tests/run installs it");
        let url = format!("http://127.0.0.1:{port}");
        let started = Self { child, url };
        wait_for("Alertmanager answers", || started.get("/-/ready").is_some());
        started
    }

    fn get(&self, path: &str) -> Option<String> {
        let url = format!("{}{path}", self.url);
        let output = Command::new("curl").args(["-sf", &url]).output().unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// The alerts that are firing.
    fn alerts(&self) -> Vec<Value> {
        let text = self.get("/api/v2/alerts").unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_alert_fires_in_alertmanager_and_is_resolved() {
    let dir = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::start(dir.path());
    let url = &alertmanager.url;
    let provider = format!("{{name: am, type: alertmanager, url: \"{url}\"}}");
    let told = Told::new(&[provider], "  rules: [{after: 0s}]\n", "");
    told.program()
        .run(&["notify", "test", "am"])
        .expect(0)
        .says("answer: 200 OK");
    let alerts = alertmanager.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["labels"]["key"], "sample");

    told.fails();
    told.apply().expect(1);
    let alerts = alertmanager.alerts();
    let alert = alerts
        .iter()
        .find(|alert| alert["labels"]["order"] == "one");
    let alert = alert.unwrap_or_else(|| panic!("{alerts:#?}"));
    assert_eq!(alert["labels"]["alertname"], "TalosOrderNotReady");
    assert_eq!(alert["labels"]["severity"], "error");
    assert_eq!(alert["labels"]["controller"], "homelab");
    assert!(
        alert["annotations"]["description"]
            .as_str()
            .unwrap()
            .contains("v9.9.9")
    );
    assert_eq!(alert["status"]["state"], "active");

    told.is_well();
    told.apply().expect(0);
    // Its API shows what is firing only.
    wait_for("it is resolved", || {
        let alerts = alertmanager.alerts();
        alerts.iter().all(|alert| alert["labels"]["order"] != "one")
    });
}
