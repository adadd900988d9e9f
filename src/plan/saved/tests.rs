//! Saved plans against plans that are made later: what counts as the same.

use super::*;
use crate::model::{FileName, PositionRef, PushTarget, Sha256};
use crate::plan::step::{Action, Step, Why};
use crate::plan::{BlockedReason, WantedBy};

fn target(node: &str) -> PushTarget {
    PushTarget {
        node: node.parse().unwrap(),
        dir: "/iso".parse().unwrap(),
    }
}

fn prune(node: &str, digest: u8, bytes: u64, hours: u64) -> Step {
    let action = Action::PruneNode {
        target: target(node),
        file: "a.iso".parse().unwrap(),
        bytes,
        sha256: Sha256::from_bytes([digest; 32]),
    };
    Step {
        id: action.step_id(),
        action,
        why: Why::NotWanted { hours },
        needs: Vec::new(),
        wanted_by: WantedBy::default(),
    }
}

fn fetch(why: Why, bytes: Option<u64>) -> Step {
    let artifact = crate::model::ArtifactId {
        version: "v1.11.3".parse().unwrap(),
        platform: crate::model::Platform::Nocloud,
        arch: crate::model::Arch::Amd64,
        secureboot: false,
        schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
            .parse()
            .unwrap(),
        format: crate::model::Format::Iso,
    };
    let action = Action::Fetch {
        url: "https://factory.example.net/a.iso".to_owned(),
        download: artifact,
        file: "a.iso".parse().unwrap(),
        unpack: None,
        pinned: None,
        bytes: bytes.into(),
        stored: false,
    };
    Step {
        id: action.step_id(),
        action,
        why,
        needs: Vec::new(),
        wanted_by: WantedBy::one(PositionRef {
            order: "one".parse().unwrap(),
            index: 0,
            name: "x".to_owned(),
        }),
    }
}

fn switch(vmid: u32, notes: &str) -> Step {
    let retired = crate::plan::RetiredTemplate {
        node: "pve-01".parse().unwrap(),
        vmid: 9000_u32.try_into().unwrap(),
        notes: notes.to_owned(),
    };
    let action = Action::SwitchTemplate(Box::new(crate::plan::SwitchTemplate {
        node: "pve-02".parse().unwrap(),
        name: "talos".parse().unwrap(),
        vmid: vmid.try_into().unwrap(),
        tags: vec!["talos".to_owned()],
        notes: None,
        deletion: None,
        retired: vec![retired],
    }));
    Step {
        id: action.step_id(),
        action,
        why: Why::NotSwitched,
        needs: Vec::new(),
        wanted_by: WantedBy::default(),
    }
}

#[test]
fn a_template_under_another_number_is_another_plan() {
    let before = plan(vec![switch(9001, "one")], Vec::new());
    // What people write into the notes changes nothing that is done.
    let noted = plan(vec![switch(9001, "two")], Vec::new());
    assert_eq!(changes(&before, &noted), [""; 0]);
    let other = plan(vec![switch(9002, "one")], Vec::new());
    assert_eq!(changes(&before, &other).len(), 1);
    // The node whose template loses the name is changed as well.
    let saved: Value = serde_json::from_slice(&file(&before)).unwrap();
    assert_eq!(saved["nodes"]["pve-01"], "10.0.0.1");
}

fn blocked(node: &str, reason: BlockedReason) -> Blocked {
    let file: FileName = "b.iso".parse().unwrap();
    Blocked {
        id: StepId::push(&target(node), &file),
        reason,
        wanted_by: WantedBy::default(),
    }
}

fn plan(steps: Vec<Step>, blocked: Vec<Blocked>) -> Plan {
    Plan {
        steps,
        blocked,
        ..Plan::default()
    }
}

fn file(plan: &Plan) -> Vec<u8> {
    let origin = PlanOrigin {
        made_at: Timestamp::UNIX_EPOCH,
        configuration: Some("/etc/talos-order/config.yaml".to_owned()),
        orders: "/orders".to_owned(),
        revision: Some("main@sha1:abc".to_owned()),
        options: SavedOptions {
            ignore_windows: false,
            purge_cache: true,
            selection: Selection {
                orders: vec!["a*".parse().unwrap()],
                nodes: Vec::new(),
            },
        },
    };
    serde_json::to_vec_pretty(&SavedPlan::new(plan, &nodes("pve-01", "10.0.0.1"), origin)).unwrap()
}

/// The only node whose address is known.
fn nodes(name: &str, address: &str) -> BTreeMap<NodeId, Node> {
    let node = Node {
        id: name.parse().unwrap(),
        reach: crate::model::Reach::Ssh {
            host: address.parse().unwrap(),
            user: None,
            port: None,
        },
    };
    BTreeMap::from([(node.id.clone(), node)])
}

fn changes(before: &Plan, after: &Plan) -> Vec<String> {
    let saved = SavedPlan::read(&file(before)).unwrap();
    let changes = saved.changes(after, &nodes("pve-01", "10.0.0.1")).unwrap();
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_written_is_read_with_its_options() {
    let saved = SavedPlan::read(&file(&Plan::default())).unwrap();
    assert!(saved.options.purge_cache && saved.options.selection.has_order("abc"));
    assert!(!saved.options.selection.has_order("b"));
    assert_eq!(saved.revision.as_deref(), Some("main@sha1:abc"));
    assert!(saved.program.starts_with("talos-order "));
}

#[test]
fn figures_are_measured_and_no_difference() {
    let down = |why: &str| BlockedReason::NodeUnreachable {
        node: "pve-02".parse().unwrap(),
        why: why.to_owned(),
        lasting: None,
    };
    let before = plan(
        vec![fetch(Why::Missing, None), prune("pve-01", 1, 10, 5)],
        vec![blocked("pve-02", down("timed out"))],
    );
    let after = plan(
        vec![
            fetch(Why::Partial { have: 7 }, Some(12)),
            prune("pve-01", 1, 10, 6),
        ],
        vec![
            blocked("pve-02", down("no route to host")),
            blocked("pve-03", BlockedReason::NotSelected { otherwise: None }),
        ],
    );
    assert_eq!(changes(&before, &after), [""; 0]);
    assert_eq!(changes(&after, &before), [""; 0]);
}

#[test]
fn whatever_would_be_done_otherwise_is_named() {
    let file: FileName = "a.iso".parse().unwrap();
    let mut elsewhere = fetch(Why::Missing, None);
    if let Action::Fetch { url, .. } = &mut elsewhere.action {
        *url = "https://other.example.net/a.iso".to_owned();
    }
    let before = plan(
        vec![
            fetch(Why::Missing, None),
            prune("pve-01", 1, 10, 5),
            prune("pve-02", 1, 10, 5),
        ],
        vec![blocked("pve-03", BlockedReason::Changed)],
    );
    let mut after = plan(
        vec![
            elsewhere,
            prune("pve-02", 2, 10, 5),
            prune("pve-04", 1, 1, 1),
        ],
        vec![
            blocked("pve-03", BlockedReason::NotPlanned),
            blocked("pve-05", BlockedReason::Changed),
        ],
    );
    after.in_sync = vec![StepId::prune_node(&target("pve-01"), &file)];
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    assert_eq!(
        changes(&before, &after),
        [
            "~ fetch a.iso: url: https://factory.example.net/a.iso → \
             https://other.example.net/a.iso"
                .to_owned(),
            "- prune a.iso from pve-01: no longer a step, it is in sync".to_owned(),
            format!("~ prune a.iso from pve-02: sha256: {one} → {two}"),
            "+ prune a.iso from pve-04: a new step".to_owned(),
            "! push b.iso to pve-03: blocked for another reason: not in the first plan of this run; \
             the next run prunes it"
                .to_owned(),
            "! push b.iso to pve-05: blocked now: changed since talos-order placed it".to_owned(),
        ]
    );
    let unblocked = changes(&before, &Plan::default());
    assert!(unblocked.contains(&"- push b.iso to pve-03: no longer blocked".to_owned()));
}

#[test]
fn another_reason_to_act_is_another_plan() {
    let before = plan(vec![fetch(Why::Missing, None)], Vec::new());
    let after = plan(vec![fetch(Why::Touched, None)], Vec::new());
    let found = changes(&before, &after);
    assert_eq!(found, ["~ fetch a.iso: why.reason: missing → touched"]);
}

#[test]
fn a_step_at_another_address_is_another_one() {
    let plan = plan(vec![prune("pve-01", 1, 10, 5)], Vec::new());
    let saved = SavedPlan::read(&file(&plan)).unwrap();
    let found = |address| {
        let changes = saved.changes(&plan, &nodes("pve-01", address)).unwrap();
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found("10.0.0.1"), [""; 0]);
    assert_eq!(
        found("10.0.0.9"),
        ["~ node pve-01: address: 10.0.0.1 → 10.0.0.9"]
    );
}

#[test]
fn what_is_no_plan_says_so() {
    let whole = file(&plan(vec![prune("pve-01", 1, 10, 5)], Vec::new()));
    for length in 1..whole.len() - 1 {
        let found = SavedPlan::read(&whole[..length]);
        assert!(matches!(found, Err(SavedPlanError::Damaged(_))), "{length}");
    }
    for other in [
        "",
        "hello",
        "[]",
        "{}",
        "{\"plan\": {\"steps\": []}}",
        "{\"format\": 0, \"plan\": {}}",
        "\u{0}",
    ] {
        let found = SavedPlan::read(other.as_bytes());
        assert!(matches!(found, Err(SavedPlanError::NoPlan)), "{other}");
    }
    let later = String::from_utf8(whole.clone()).unwrap();
    let later = later.replace("\"format\": 1", "\"format\": 2");
    let found = SavedPlan::read(later.as_bytes()).unwrap_err();
    assert_eq!(
        found.to_string(),
        "it has format 2, and this program reads format 1"
    );
    let without = String::from_utf8(whole)
        .unwrap()
        .replace("\"steps\"", "\"stepz\"");
    let found = SavedPlan::read(without.as_bytes());
    assert!(matches!(found, Err(SavedPlanError::Damaged(_))));
}
