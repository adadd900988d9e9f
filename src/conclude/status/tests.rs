//! A status made of a real plan: orders are read, resolved and planned; only what
//! came of the steps is made up.

mod counters;
mod other_sites;
mod site_reports;
mod states;

use std::collections::BTreeSet;

use super::*;
use crate::conclude::{ConditionState, Verdict};
use crate::config;
use crate::facts::VersionKnowledge;
use crate::facts::{
    CacheState, Catalog, DirState, Failure, FailureKind, NodeState, Observed, Outcome, References,
};
use crate::model::Windows;
use crate::orders;
use crate::plan::Look;
use crate::plan::{
    self, Blocked, Create, Naming, Policy, PrunePolicy, Retention, RunOptions, SharedStorages,
    Step, TransportPolicy,
};

const ORDERS: &str = "
- orderid: alpha
  positions:
    - name: iso
      version: v1.11.2
      push: {enabled: true, hosts: [{node: pve-01}, {node: pve-02}]}
- orderid: beta
  positions:
    - {name: x, version: latest, platform: metal}
- orderid: gamma
  positions:
    - {name: bad, platform: abacus}
- orderid: delta
  positions: []
- orderid: broken
  colour: red
  positions: []
";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn orders() -> OrderSet {
    let config = "nodes: [{name: pve-01}, {name: pve-02}]";
    let settings = config::parse("config.yaml", config, &|_| None).unwrap();
    orders::parse("o.yaml", ORDERS, &settings.orders)
}

/// The first node is silent, the second empty, the versions are not known.
fn report(orders: &OrderSet, outcome: impl Fn(&Step) -> Outcome) -> Report {
    report_of(orders, &RunOptions::default(), outcome)
}

fn report_of(
    orders: &OrderSet,
    options: &RunOptions,
    outcome: impl Fn(&Step) -> Outcome,
) -> Report {
    let catalog = Catalog {
        versions: VersionKnowledge::Unknown {
            failures: vec!["factory: no answer".to_owned()],
        },
        ..Catalog::default()
    };
    let settings = config::parse("none", "", &|_| None).unwrap();
    let naming = Naming {
        template: settings.naming,
        factory_url: "https://factory.example.net/".to_owned(),
        qcow2_clusters: BTreeSet::new(),
    };
    let desired = plan::resolve(orders, &catalog, &naming);
    let silent = NodeState::Unreachable {
        why: "no route to host".to_owned(),
        lasting: None,
    };
    let dir = "/var/lib/vz/template/iso".parse().unwrap();
    let empty = NodeState::Listed {
        dirs: BTreeMap::from([(dir, DirState::default())]),
        tools: BTreeSet::new(),
        references: References::default(),
    };
    let node = |name: &str| name.parse::<NodeId>().unwrap();
    let observed = Observed {
        fleet: None,
        catalog,
        cache: CacheState::default(),
        nodes: BTreeMap::from([(node("pve-01"), silent), (node("pve-02"), empty)]),
        vms: BTreeMap::new(),
        memory: Memory::default(),
        now: at(100),
    };
    let policy = Policy {
        rollout: crate::model::Rollout::default(),
        retention: Retention {
            keep_versions: None,
            orphan_grace_seconds: 0,
        },
        node_reserve: 0,
        cache_reserve: 0,
        prune: PrunePolicy {
            owner: "us".to_owned(),
            default: false,
            nodes: BTreeMap::new(),
            keep_versions: 3,
            grace_seconds: 0,
            max_files: 5,
            max_percent: 20,
        },
        shared: SharedStorages::default(),
        create: Create::default(),
        transport: TransportPolicy::default(),
        windows: Windows::default(),
    };
    let plan = plan::plan(&desired, &observed, &policy, options);
    let outcomes = plan
        .steps
        .iter()
        .map(|step| (step.id.clone(), outcome(step)))
        .collect();
    Report {
        look: Look {
            desired,
            observed,
            plan,
        },
        outcomes,
        manifests: BTreeMap::new(),
        source: None,
        verdict: Verdict::Stalled,
    }
}

/// The download fails, and what needs it is skipped.
fn full(step: &Step) -> Outcome {
    if let Some(needs) = step.needs.first() {
        let needs = needs.clone();
        return Outcome::Skipped { needs };
    }
    Outcome::Failed {
        failure: Failure {
            error: "no space left on device".to_owned(),
            hint: None,
            transient: true,
            kind: FailureKind::NoSpace,
        },
    }
}

fn occasion(second: i64) -> Occasion {
    Occasion {
        owner: "homelab".to_owned(),
        started: at(second),
        finished: at(second + 1),
        trigger: Trigger::Change,
        revision: Some("main@sha1:abc".to_owned()),
        source: None,
        requests: crate::facts::RequestCounts::new(),
        source_use: crate::facts::SourceUse::default(),
    }
}

fn memory() -> Memory {
    let mut memory = Memory::default();
    let circuit = Backoff {
        failures: 1,
        until: at(130),
        error: "no route to host".to_owned(),
        lasting: None,
    };
    memory.circuits.insert("pve-01".parse().unwrap(), circuit);
    memory.suspended.orders.insert("delta".parse().unwrap());
    memory
}

/// `order node state reason` for each condition.
fn lines(status: &Status) -> Vec<String> {
    let line = |condition: &Condition| {
        format!(
            "{} {} {} {}",
            condition.order.as_deref().unwrap_or("-"),
            condition.node.as_ref().map_or("-", NodeId::as_str),
            condition.state,
            condition.reason.map_or("-".to_owned(), |r| r.to_string()),
        )
    };
    status.conditions.iter().map(line).collect()
}

#[test]
fn every_order_and_each_of_its_nodes_has_a_condition_with_a_reason() {
    let orders = orders();
    let report = report(&orders, full);
    let begun = Status::default().begun("me", Trigger::Change, at(99));
    assert_eq!(begun.running.as_ref().map(|r| r.since), Some(at(99)));
    let status = begun.finished(&occasion(100), &orders, &report, &memory());
    assert_eq!(
        lines(&status),
        [
            "alpha - Stalled InsufficientSpace",
            "alpha pve-01 Reconciling TargetUnreachable",
            "alpha pve-02 Stalled InsufficientSpace",
            "beta - Reconciling UpstreamUnavailable",
            "broken - Stalled InvalidOrder",
            "delta - Suspended Suspended",
            "gamma - Stalled InvalidOrder",
        ]
    );
    assert!(!status.is_ready() && status.running.is_none());
    assert_eq!(status.revision.as_deref(), Some("main@sha1:abc"));
    assert_eq!(status.notes, ["versions unknown: factory: no answer"]);
    let silent = status
        .blocked
        .iter()
        .find(|blocked| blocked.step.as_str().contains("pve-01"));
    assert_eq!(silent.and_then(|blocked| blocked.next_try), Some(at(130)));
}

#[test]
fn what_was_not_selected_keeps_its_reason_and_its_last_failure() {
    let orders = orders();
    let options = RunOptions {
        selection: plan::Selection {
            orders: vec!["beta".parse().unwrap()],
            nodes: Vec::new(),
        },
        ..RunOptions::default()
    };
    let report = report_of(&orders, &options, full);
    assert!(report.look.plan.steps.is_empty(), "beta has none");
    let alpha = |memory: &Memory| {
        let status = Status::default().finished(&occasion(100), &orders, &report, memory);
        assert!(
            status
                .notes
                .iter()
                .any(|note| note.contains("not selected"))
        );
        let blocked = status.blocked.iter().map(|blocked| blocked.reason);
        assert!(
            blocked
                .clone()
                .any(|reason| reason == Reason::TargetUnreachable)
        );
        assert!(blocked.clone().all(|reason| reason != Reason::NotSelected));
        let lines = lines(&status);
        let alpha = lines.into_iter().filter(|line| line.starts_with("alpha "));
        alpha.collect::<Vec<_>>()
    };
    // What is blocked anyway has its reason; what would be done is not in sync.
    let expected = [
        "alpha - Reconciling TargetUnreachable",
        "alpha pve-01 Reconciling TargetUnreachable",
        "alpha pve-02 Reconciling NotSelected",
    ];
    assert_eq!(alpha(&memory()), expected);
    // A failure of an earlier run is not forgotten, though a manual run resets back-offs.
    let push = report.look.plan.blocked.iter().map(|blocked| &blocked.id);
    let mut push = push.filter(|id| id.as_str().starts_with("push/pve-02/"));
    let failed = Backoff {
        failures: 3,
        until: at(500),
        error: "no space left on device".to_owned(),
        lasting: None,
    };
    let before = BTreeMap::from([(push.next().unwrap().clone(), failed)]);
    let mut memory = memory();
    crate::conclude::memory::keep_failures(&mut memory, &before, &report.look.plan);
    assert_eq!(memory.backoff, before);
    assert_eq!(alpha(&memory)[2], "alpha pve-02 Reconciling BackingOff");
}

#[test]
fn since_stays_while_nothing_changes_and_a_failed_look_forgets_nothing() {
    let orders = orders();
    let status = |before: Status, second| {
        let report = report(&orders, full);
        before.finished(&occasion(second), &orders, &report, &memory())
    };
    let first = status(Status::default(), 100);
    let second = status(first.clone(), 200);
    assert!(second.conditions.iter().all(|c| c.since == at(101)));
    let unable = second
        .clone()
        .unable(&occasion(300), "the cache is gone".to_owned());
    assert_eq!(unable.conditions, second.conditions);
    assert!(!unable.is_ready());
    let last = unable.last_run.expect("a last run");
    assert_eq!(last.verdict, Verdict::Failed);
    assert_eq!(last.error.as_deref(), Some("the cache is gone"));
}

#[test]
fn what_is_written_can_be_read_back() {
    let orders = orders();
    let report = report(&orders, full);
    let status = Status::default().finished(&occasion(100), &orders, &report, &memory());
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    let record = RunRecord::new(&occasion(100), &report);
    assert!(record.steps.iter().any(|step| step.message.is_some()));
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record);
}

/// `order node version image state` for each image of each condition.
fn images(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    for condition in &status.conditions {
        for image in &condition.images {
            let version = image.version.as_ref();
            lines.push(format!(
                "{} {} {} {} {:?}",
                condition.order.as_deref().unwrap_or("-"),
                condition.node.as_ref().map_or("-", NodeId::as_str),
                version.map_or("unknown".to_owned(), ToString::to_string),
                image.image.as_deref().unwrap_or("unknown"),
                image.state
            ));
        }
    }
    lines
}

#[test]
fn conditions_name_the_images_and_unknown_is_unknown() {
    let orders = orders();
    let report = report(&orders, full);
    let status = Status::default().finished(&occasion(100), &orders, &report, &memory());
    assert_eq!(
        images(&status),
        [
            "alpha - v1.11.2 nocloud-amd64.iso Unknown",
            "alpha pve-01 v1.11.2 nocloud-amd64.iso Unknown",
            "alpha pve-02 v1.11.2 nocloud-amd64.iso OutOfSync",
            "beta - unknown unknown Unknown",
        ]
    );
    let node = |name: &str| &status.nodes[&name.parse().unwrap()];
    assert!(!node("pve-01").is_reachable && node("pve-02").is_reachable);
    assert_eq!(
        (node("pve-01").seen, node("pve-02").seen),
        (None, Some(at(100)))
    );
    assert_eq!(status.orders.len(), 4, "one could not be read");
    let blocked = status
        .blocked
        .iter()
        .find(|blocked| blocked.step.node().is_some());
    assert_eq!(
        blocked.map(|blocked| blocked.orders.clone()),
        Some(["alpha".parse().unwrap()].into())
    );
}

#[test]
fn what_is_ahead_is_due_still_after_a_run_without_a_plan() {
    let due = |window: Option<i64>, ring: Option<i64>| {
        let status = Status {
            next_window: window.map(at),
            next_ring: ring.map(at),
            ..Status::default()
        };
        status.still_due(at(50)).map(Timestamp::as_second)
    };
    assert_eq!(due(None, None), None);
    assert_eq!(due(None, Some(60)), Some(60));
    assert_eq!(due(Some(40), Some(60)), Some(60));
    assert_eq!(due(Some(70), Some(60)), Some(60));
    assert_eq!(due(Some(70), Some(50)), Some(70));
}
