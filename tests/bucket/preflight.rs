//! `validate --online`: what the program says of a store.

use std::process::Command;

use crate::common::seaweed::{self, SECRET_KEY, Seaweed};

const ORDERS: &str = "orderid: homelab\npositions:\n  - {name: iso, version: v1.11.3}\n";

/// The exit code, and everything that was said.
pub fn validate(dir: &std::path::Path, section: &str, form: &[&str]) -> (Option<i32>, String) {
    let config = format!(
        "orders: {0}/orders.yaml\ndefaults: {{cache_dir: {0}/cache}}\n{section}",
        dir.display()
    );
    std::fs::write(dir.join("config.yaml"), config).unwrap();
    std::fs::write(dir.join("orders.yaml"), ORDERS).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_talos-order"))
        .args(["validate", "--online", "--config"])
        .arg(dir.join("config.yaml"))
        .args(form)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(SECRET_KEY), "{text}");
    (output.status.code(), text)
}

#[test]
fn a_right_store_can_be_used_for_everything() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let section = server.section("preflight/", dir.path());
    let (code, text) = validate(dir.path(), &section, &[]);
    for line in [
        "store s3://fleet/preflight\n",
        "  ok       create if absent: works\n",
        "  ok       one winner of concurrent writes: works\n",
        "  ok       can be used: for images and for leaders\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(code, Some(0), "{text}");

    let (code, text) = validate(dir.path(), &section, &["-o", "json"]);
    let start = text.find('{').unwrap();
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
    let json: serde_json::Value = values.next().unwrap().unwrap();
    assert_eq!(json["store"]["store"], "s3://fleet/preflight");
    assert_eq!(json["store"]["checks"][0]["level"], "ok");
    assert_eq!((code, &json["valid"]), (Some(0), &true.into()));
}

#[test]
fn a_wrong_key_fails_the_check_and_names_what_helps() {
    let Some(server) = Seaweed::shared() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let section = server.section("preflight/", dir.path());
    std::fs::write(dir.path().join("store-secret"), "wrong\n").unwrap();
    let (code, text) = validate(dir.path(), &section, &[]);
    assert!(text.contains("access denied: 403"), "{text}");
    assert!(text.contains("hint: check the access key"), "{text}");
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn a_store_that_is_not_there_fails_the_check() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let dir = tempfile::tempdir().unwrap();
    let section = seaweed::section(&endpoint, "preflight/", dir.path());
    let (code, text) = validate(dir.path(), &section, &[]);
    assert!(
        text.contains("  error    access: listing v1/probe/"),
        "{text}"
    );
    assert!(text.contains("Connection refused"), "{text}");
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = validate(dir.path(), &section, &["-o", "github"]);
    assert!(
        text.contains("::error::store s3://fleet/preflight: access:"),
        "{text}"
    );
    assert_eq!(code, Some(1), "{text}");
}
