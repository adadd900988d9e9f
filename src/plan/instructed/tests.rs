//! Which instructions make a plan out of date, and which pushes end with it.

use super::*;
use crate::facts::{CacheState, Catalog, Memory, Observed, RolloutChange, VersionSource};
use crate::model::{
    Arch, ArtifactId, FileName, Format, Method, NodeId, Platform, Proof, PushTarget, StoredForm,
};
use crate::plan::{
    Desired, Plan, PlannedRing, PlannedRollout, PositionWant, Resolved, RingState, Size, Transport,
    TransportReason, WantedBy, Why,
};

type SaidByOrder = BTreeMap<OrderId, RolloutInstruction>;

fn artifact(version: &str) -> ArtifactId {
    ArtifactId {
        version: version.parse().unwrap(),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot: false,
        schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
            .parse()
            .unwrap(),
        format: Format::Iso,
    }
}

fn release(version: &str) -> Release {
    Release::of(&artifact(version))
}

fn position(order: &str) -> PositionRef {
    PositionRef {
        order: order.parse().unwrap(),
        index: 0,
        name: "iso".to_owned(),
    }
}

/// An order that wants a version.
fn want(order: &str, version: &str) -> PositionWant {
    let artifact = artifact(version);
    PositionWant {
        position: position(order),
        elsewhere: BTreeSet::new(),
        elsewhere_awaited: BTreeSet::new(),
        outcome: Ok(Resolved {
            version: artifact.version.clone(),
            version_source: VersionSource::Order,
            download: artifact.clone(),
            url: "https://factory.example.net/a.iso".to_owned(),
            unpacked: None,
            delivered: artifact,
            targets: Vec::new(),
            unplaced: Vec::new(),
            awaited: Vec::new(),
        }),
    }
}

/// An order with a ring that has begun and one that has, or waits.
fn rollout(order: &str, version: &str, is_second_open: bool) -> PlannedRollout {
    let ring = |name: &str, node: &str, is_open| PlannedRing {
        name: Some(name.parse().unwrap()),
        state: RingState::Open,
        nodes: BTreeSet::from([node.parse().unwrap()]),
        out_of_sync: BTreeSet::new(),
        may_be_out_of_sync: 0,
        elsewhere: BTreeMap::new(),
        in_sync_since: None,
        soak_seconds: 0,
        is_open,
        is_manual: false,
    };
    PlannedRollout {
        order: order.parse().unwrap(),
        release: release(version),
        version: version.parse().unwrap(),
        doubt: None,
        rings: vec![
            ring("canary", "pve-1", true),
            ring("prod", "pve-2", is_second_open),
        ],
        without_nodes: BTreeMap::new(),
    }
}

fn push(node: &str, version: &str, orders: &[&str]) -> Step {
    let node: NodeId = node.parse().unwrap();
    let file: FileName = format!("{version}.iso").parse().unwrap();
    let dir = "/iso".parse().unwrap();
    let action = Action::Push {
        target: PushTarget { node, dir },
        artifact: artifact(version),
        cache_file: file.clone(),
        file,
        bytes: Size::Unknown,
        form: StoredForm::Same,
        replace: false,
        deletion: None,
        transport: Transport {
            method: Method::Copy,
            because: TransportReason::Local,
            wire_bytes: None,
            via: None,
            unrelayed: None,
            while_fetching: None,
            proof: Proof::Readback,
        },
    };
    Step {
        id: action.step_id(),
        action,
        why: Why::Missing,
        needs: Vec::new(),
        wanted_by: orders
            .iter()
            .map(|order| position(order))
            .collect::<WantedBy>(),
    }
}

/// A look with two orders in rings and one without.
fn look(is_second_open: bool, said: &SaidByOrder) -> Look {
    Look {
        desired: Desired {
            positions: vec![
                want("db", "v1.11.3"),
                want("free", "v1.11.3"),
                want("web", "v1.11.3"),
            ],
            ..Desired::default()
        },
        observed: Observed {
            fleet: None,
            catalog: Catalog::default(),
            cache: CacheState::default(),
            nodes: BTreeMap::new(),
            vms: BTreeMap::new(),
            memory: Memory {
                instructed: said.clone(),
                ..Memory::default()
            },
            now: Timestamp::UNIX_EPOCH,
        },
        plan: Plan {
            rollouts: vec![
                rollout("db", "v1.11.3", is_second_open),
                rollout("web", "v1.11.3", is_second_open),
            ],
            steps: vec![
                push("pve-1", "v1.11.3", &["web"]),
                push("pve-2", "v1.11.3", &["db", "web"]),
                push("pve-3", "v1.11.3", &["free", "web"]),
            ],
            ..Plan::default()
        },
    }
}

fn change(said: &SaidByOrder, order: &str, change: &RolloutChange) -> SaidByOrder {
    let mut said = said.clone();
    said.entry(order.parse().unwrap())
        .or_default()
        .change(change, Timestamp::UNIX_EPOCH);
    said
}

fn stop(version: &str) -> RolloutChange {
    RolloutChange::Stop(BTreeSet::from([release(version)]))
}

fn promote() -> RolloutChange {
    RolloutChange::Promote {
        releases: BTreeSet::from([release("v1.11.3")]),
        to: Promotion::Everywhere,
    }
}

/// The orders that another instruction is about, and the nodes whose pushes end.
fn otherwise(look: &Look, now: &SaidByOrder) -> Option<(Vec<String>, Vec<String>)> {
    let other = InstructedPlan::of(look).otherwise(now)?;
    let nodes = other.stopped.iter().filter_map(StepId::node);
    Some((
        other.orders.iter().map(ToString::to_string).collect(),
        nodes.map(|node| node.to_string()).collect(),
    ))
}

fn some(orders: &[&str], nodes: &[&str]) -> Option<(Vec<String>, Vec<String>)> {
    let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Some((owned(orders), owned(nodes)))
}

#[test]
fn a_stop_ends_the_pushes_that_only_stopped_images_are_for() {
    let nothing = SaidByOrder::new();
    for is_second_open in [true, false] {
        let look = look(is_second_open, &nothing);
        let now = change(&nothing, "web", &stop("v1.11.3"));
        // Another order wants the one on `pve-2`, and one without rings that on `pve-3`.
        assert_eq!(otherwise(&look, &now), some(&["web"], &["pve-1"]));
        let both = change(&now, "db", &stop("v1.11.3"));
        let ended = some(&["db", "web"], &["pve-1", "pve-2"]);
        assert_eq!(otherwise(&look, &both), ended);
        let other = change(&nothing, "web", &stop("v1.11.2"));
        assert_eq!(otherwise(&look, &other), None, "another image");
        let other = change(&nothing, "free", &stop("v1.11.3"));
        assert_eq!(otherwise(&look, &other), None, "an order without rings");
    }
}

#[test]
fn a_storage_that_nodes_share_is_served_for_all_who_want_it_there() {
    let nothing = SaidByOrder::new();
    let mut look = look(true, &nothing);
    let made = look.plan.steps[0].id.clone();
    let other = PushTarget {
        node: "pve-9".parse().unwrap(),
        dir: "/iso".parse().unwrap(),
    };
    let file: FileName = "v1.11.3.iso".parse().unwrap();
    let own = StepId::push(&other, &file);
    look.plan.shared.insert(own, made);
    let placed = crate::plan::Placed {
        artifact: artifact("v1.11.3"),
        form: StoredForm::Same,
        is_our_name: true,
        deletion: None,
        method: None,
        wanted_by: WantedBy::one(position("db")),
    };
    look.desired
        .placed
        .insert(other, BTreeMap::from([(file, placed)]));
    let now = change(&nothing, "web", &stop("v1.11.3"));
    assert_eq!(otherwise(&look, &now), some(&["web"], &[]));
}

#[test]
fn a_pause_and_a_promotion_concern_a_plan_while_a_ring_waits() {
    let nothing = SaidByOrder::new();
    for said in [RolloutChange::Pause, promote()] {
        let now = change(&nothing, "web", &said);
        assert_eq!(otherwise(&look(false, &nothing), &now), some(&["web"], &[]));
        assert_eq!(otherwise(&look(true, &nothing), &now), None);
        // It goes by it already: runs do not follow each other for ever.
        assert_eq!(otherwise(&look(false, &now), &now), None);
    }
    let paused = change(&nothing, "web", &RolloutChange::Pause);
    let resumed = change(&paused, "web", &RolloutChange::Resume);
    assert_eq!(
        otherwise(&look(false, &paused), &resumed),
        some(&["web"], &[])
    );
}

#[test]
fn what_was_stopped_concerns_a_plan_again_when_it_is_promoted() {
    let stopped = change(&SaidByOrder::new(), "web", &stop("v1.11.3"));
    let look = look(false, &stopped);
    let paused = change(&stopped, "web", &RolloutChange::Pause);
    assert_eq!(otherwise(&look, &paused), None);
    let promoted = change(&stopped, "web", &promote());
    assert_eq!(otherwise(&look, &promoted), some(&["web"], &[]));
}

/// A stop and a promotion between two looks of the watch leave no stop to be seen.
#[test]
fn what_was_stopped_and_promoted_since_concerns_a_plan_whose_rings_have_begun() {
    let promoted = change(&SaidByOrder::new(), "web", &promote());
    let look = look(true, &promoted);
    let again = change(
        &change(&promoted, "web", &stop("v1.11.3")),
        "web",
        &promote(),
    );
    assert_eq!(again[&"web".parse().unwrap()].promoted.len(), 1);
    assert_eq!(otherwise(&look, &again), some(&["web"], &[]));
    // An earlier instruction that takes the place of a later one begins nothing anew.
    let look = self::look(true, &again);
    assert_eq!(otherwise(&look, &promoted), None);
}

#[test]
fn nothing_hangs_on_instructions_where_nothing_is_in_rings() {
    let nothing = SaidByOrder::new();
    let mut look = look(true, &nothing);
    assert!(!InstructedPlan::of(&look).is_empty());
    look.plan.rollouts.clear();
    let plan = InstructedPlan::of(&look);
    assert!(plan.is_empty());
    let now = change(&nothing, "web", &stop("v1.11.3"));
    assert_eq!(plan.otherwise(&now), None);
}
