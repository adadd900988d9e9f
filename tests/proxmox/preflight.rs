//! `validate --online` and `pve-setup`: the program itself against the stub.

use std::process::{Command, Output};

use talos_order::proxmox_stub::{StubCertificate, StubStorage};

use crate::lab::{Lab, SECRET, TOKEN};

const ORDERS: &str = "\
orderid: homelab
positions:
  - name: iso
    version: v1.11.3
    push: {enabled: true, hosts: [{group: all, storage: STORAGE}]}
";

/// What the program answers about a cluster, with the orders on one storage.
fn program(lab: &Lab, storage: &str, args: &[&str]) -> Output {
    let dir = lab.dir.path();
    let (first, second) = (lab.stub.url("pve-01"), lab.stub.url("pve-02"));
    let config = format!(
        "orders: {0}/orders.yaml\n\
         defaults: {{cache_dir: {0}/cache, prune: true}}\n\
         clusters:\n  - name: lab\n    endpoints: [{first}, {second}]\n    \
         token_id: {TOKEN}\n    token_env: PVE_SECRET\n    transport: api\n\
         nodes:\n  - {{name: pve-01, cluster: lab, labels: [all]}}\n  \
         - {{name: second, cluster: lab, pve_name: pve-02, labels: [all]}}\n",
        dir.display()
    );
    std::fs::write(dir.join("config.yaml"), config).unwrap();
    let orders = ORDERS.replace("STORAGE", storage);
    std::fs::write(dir.join("orders.yaml"), orders).unwrap();
    Command::new(env!("CARGO_BIN_EXE_talos-order"))
        .args(args)
        .arg("--config")
        .arg(dir.join("config.yaml"))
        .env("PVE_SECRET", SECRET)
        .output()
        .unwrap()
}

fn checked(lab: &Lab, storage: &str) -> (Option<i32>, String) {
    let output = program(lab, storage, &["validate", "--online"]);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    (output.status.code(), text)
}

fn found(text: &str, level: &str, wanted: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.trim_start().starts_with(level) && line.contains(wanted))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_has_everything_is_fine() {
    let lab = Lab::new().await;
    let (code, text) = checked(&lab, "nfs");
    for wanted in [
        "Proxmox VE 9.1.7",
        "node pve-01: online, certificate is valid for",
        "node pve-02: online",
        "storage nfs: active on pve-01, pve-02, takes iso",
        "it has all privileges",
    ] {
        assert!(found(&text, "ok", wanted), "{wanted}: {text}");
    }
    assert_eq!(code, Some(0), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cluster_lacks_is_named_with_what_helps() {
    let mut lab = Lab::with(|options| {
        let ends = |days: i64| StubCertificate {
            fingerprint: ["0A"; 32].join(":"),
            not_after: jiff::Timestamp::now().as_second() + days * 86_400 + 3600,
            names: Vec::new(),
            is_custom: false,
        };
        options.certificates.insert("pve-01".to_owned(), ends(12));
    })
    .await;
    lab.stub.set_storage(StubStorage {
        content: ["backup".to_owned()].into(),
        ..StubStorage::new("local", "dir", "/var/lib/vz")
    });
    lab.stub.power_off("pve-02").await;
    let (code, text) = checked(&lab, "local");
    for (level, wanted) in [
        ("warning", "certificate is valid for 12 days"),
        ("error", &*lab.stub.url("pve-02")),
        ("warning", "node pve-02: offline in its cluster"),
        (
            "error",
            "storage local: it does not have the content type iso",
        ),
        ("#", "pvesm set local --content backup,iso"),
    ] {
        assert!(found(&text, level, wanted), "{wanted}: {text}");
    }
    assert_eq!(code, Some(1), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_is_named_with_its_commands() {
    let lab = Lab::new().await;
    lab.stub.revoke_all();
    for (path, privileges) in [
        ("/", "Sys.Audit"),
        ("/nodes", "Sys.Audit Sys.AccessNetwork"),
        ("/storage/nfs", "Datastore.Audit Datastore.AllocateTemplate"),
    ] {
        lab.stub.grant(TOKEN, path, privileges);
    }
    let output = program(&lab, "nfs", &["validate", "--online", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["valid"], false);
    let checks = answer["clusters"][0]["checks"].as_array().unwrap();
    let errors = checks.iter().filter(|check| check["level"] == "error");
    let errors: Vec<(&str, &str)> = errors
        .map(|check| {
            let command = check["commands"][1].as_str().unwrap();
            (check["message"].as_str().unwrap(), command)
        })
        .collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!(errors[0].0, "missing on /storage/nfs: Datastore.Allocate");
    assert!(errors[0].1.starts_with("pveum acl modify /storage/nfs"));
    assert_eq!(errors[1].0, "missing on /vms: VM.Audit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_and_a_storage_that_is_not_there_are_told() {
    let lab = Lab::new().await;
    let (code, text) = checked(&lab, "nowhere");
    assert!(
        found(&text, "error", "storage nowhere: it does not exist"),
        "{text}"
    );
    assert_eq!(code, Some(1));
    lab.stub.add_token(TOKEN, "another");
    let (code, text) = checked(&lab, "nfs");
    assert!(
        found(&text, "error", "401") || found(&text, "error", "token"),
        "{text}"
    );
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_is_made_of_configuration_and_orders() {
    let lab = Lab::new().await;
    let output = program(&lab, "nfs", &["pve-setup"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for wanted in [
        "pveum user token add 'talos-order@pve' 'ctl'",
        "acl modify /storage/nfs --roles TalosOrderPrune",
        "acl modify /vms --roles TalosOrderUsage",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("/storage/local"), "{text}");
}

/// One certificate is pinned; that of the other endpoint is learned through it.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_endpoints_of_a_pinned_one_are_trusted() {
    use crate::tls::{front, front_task, pin};
    let lab = Lab::with(|options| {
        for (node, name) in [("pve-01", "alone"), ("pve-02", "member")] {
            let known = StubCertificate {
                fingerprint: pin(name).to_string(),
                not_after: jiff::Timestamp::now().as_second() + 20 * 86_400 + 3600,
                names: Vec::new(),
                is_custom: name == "member",
            };
            options.certificates.insert(node.to_owned(), known);
        }
    })
    .await;
    let (first, stop_first) = front_task(lab.stub.address("pve-01"), "alone").await;
    let second = front(lab.stub.address("pve-02"), "member").await;
    let dir = lab.dir.path();
    // The pinned one is not the first.
    let config = format!(
        "orders: {0}/orders.yaml\ndefaults: {{cache_dir: {0}/cache}}\n\
         reconcile: {{interval: 1s}}\nlimits: {{retries: 0}}\nfactory: {{url: \"http://127.0.0.1:1\"}}\n\
         clusters:\n  - name: lab\n    endpoints: [\"https://{second}\", \"https://{first}\"]\n    \
         token_id: {TOKEN}\n    token_env: PVE_SECRET\n    transport: api\n    \
         fingerprint: \"{1}\"\n",
        dir.display(),
        pin("alone"),
    );
    std::fs::write(dir.join("config.yaml"), config).unwrap();
    let orders = ORDERS
        .replace("STORAGE", "nfs")
        .replace("group: all", "group: lab");
    std::fs::write(dir.join("orders.yaml"), orders).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_talos-order"))
            .args(args)
            .arg("--config")
            .arg(dir.join("config.yaml"))
            .env("PVE_SECRET", SECRET)
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let text = run(&["validate", "--online"]);
    for address in [first, second] {
        let wanted = format!("https://{address}: Proxmox VE 9.1.7");
        assert!(found(&text, "ok", &wanted), "{text}");
    }
    assert!(
        found(
            &text,
            "warning",
            "node pve-02: online, certificate is valid for 20 days"
        ),
        "{text}"
    );
    let text = run(&["plan"]);
    assert!(
        text.contains("the certificate of pve-01 expires in 20 days; its `fingerprint` in the"),
        "{text}"
    );
    // A controller goes on with the other one when the pinned one is off.
    let mut controller = Command::new(env!("CARGO_BIN_EXE_talos-order"))
        .arg("run")
        .arg("--config")
        .arg(dir.join("config.yaml"))
        .env("PVE_SECRET", SECRET)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let is_asked = |before: usize, node: &str| {
        let nodes = format!("{node} GET /api2/json/nodes");
        lab.stub.requests().split_off(before).contains(&nodes)
    };
    let before = lab.stub.requests().len();
    for _ in 0..1800 {
        if is_asked(before, "pve-01") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let first_is_asked = is_asked(before, "pve-01");
    // Which certificate the other one has is known when a whole run has asked.
    run(&["reconcile"]);
    stop_first.abort();
    let _ = stop_first.await;
    let before = lab.stub.requests().len();
    run(&["reconcile"]);
    let second_is_asked = is_asked(before, "pve-02");
    controller.kill().unwrap();
    controller.wait().unwrap();
    assert!(
        first_is_asked && second_is_asked,
        "{first_is_asked} {second_is_asked}"
    );
}
