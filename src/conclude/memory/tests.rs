//! What is remembered, over several runs.

mod promotions;
mod rollouts;
mod templates;
mod travel;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use self::world::World;
use super::*;
use crate::facts::{
    ApprovalId, Backoff, CacheState, Catalog, DirState, Fact, Failure, FailureKind, KnownNode,
    NodeState, Observed, References, RelayBackoff,
};
use crate::model::{FileName, Node, NodeId, PushTarget, Reach};
use crate::plan::{Action, Blocked, BlockedReason, Desired, Placed, Plan, Step, Why};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn target(name: &str) -> PushTarget {
    PushTarget {
        node: node(name),
        dir: "/iso".parse().unwrap(),
    }
}

fn file() -> FileName {
    "a.iso".parse().unwrap()
}

fn prune() -> StepId {
    StepId::prune_node(&target("pve"), &file())
}

fn grace() -> BlockedReason {
    BlockedReason::InGrace { until: at(9999) }
}

fn blocked() -> BlockedReason {
    BlockedReason::PruneBlocked { why: String::new() }
}

fn outside() -> BlockedReason {
    BlockedReason::OutsideWindow {
        until: at(9999),
        local: String::new(),
    }
}

fn failed() -> Outcome {
    Outcome::Failed {
        failure: Failure {
            error: "it broke".to_owned(),
            hint: None,
            transient: true,
            kind: FailureKind::Other,
        },
    }
}

fn removed() -> Outcome {
    Outcome::Done {
        fact: Fact::Removed { bytes: 1 },
    }
}

#[test]
fn a_clock_starts_once_and_stops_when_the_file_is_wanted_again() {
    let mut world = World::new();
    let since = |memory: &Memory| memory.unwanted_since.get(&prune()).copied();
    assert_eq!(
        since(world.blocked(&prune(), grace()).run(10)),
        Some(at(10))
    );
    assert_eq!(since(world.run(20)), Some(at(10)));
    // Neither silence nor a broken order resets it.
    assert_eq!(since(world.silent().run(30)), Some(at(10)));
    world.listed(true);
    assert_eq!(
        since(world.blocked(&prune(), blocked()).run(40)),
        Some(at(10))
    );
    assert_eq!(since(world.prune(failed()).run(50)), Some(at(10)));
    // Wanted again, even while nobody can look.
    assert_eq!(since(world.silent().wanted(true).run(60)), None);
    world.listed(true).wanted(false);
    assert_eq!(
        since(world.blocked(&prune(), grace()).run(70)),
        Some(at(70))
    );
    assert_eq!(since(world.prune(removed()).run(80)), None);
}

#[test]
fn of_a_directory_whose_record_cannot_be_read_nothing_is_forgotten() {
    let mut world = World::new();
    let verify = StepId::verify_node(&target("pve"), &file());
    world.memory.verified.insert(verify, at(5));
    world.blocked(&prune(), grace()).run(10);
    let before = world.memory.clone();
    assert!(!before.unwanted_since.is_empty() && !before.verified.is_empty());
    let memory = world.unread().run(20);
    assert_eq!(memory, &before);
    // A word that was given for it stays as well.
    let id = ApprovalId("0123".to_owned());
    world.memory.approved.insert(id.clone());
    let reason = BlockedReason::RecordUnread {
        place: "pve:/iso".to_owned(),
        why: "it is longer than 32 MiB".to_owned(),
    };
    let record = StepId::record(&target("pve"));
    assert!(
        world
            .blocked(&record, reason)
            .run(30)
            .approved
            .contains(&id)
    );
    assert_eq!(world.memory.unwanted_since, before.unwanted_since);
    // Read again, and empty: nothing of ours is there any more.
    let memory = world.listed(false).nothing_planned().run(40);
    assert!(memory.unwanted_since.is_empty() && memory.places.is_empty());
}

#[test]
fn while_orders_are_not_known_no_clock_starts() {
    let mut world = World::new();
    let memory = world.blocked(&prune(), blocked()).run(10);
    assert!(memory.unwanted_since.is_empty());
}

#[test]
fn failures_count_up_until_success_or_until_nobody_wants_the_step() {
    let mut world = World::new();
    let mut last = Duration::ZERO;
    for failures in 1..=12 {
        let memory = world.prune(failed()).run(100);
        let entry = &memory.backoff[&prune()];
        let wait = Duration::try_from(entry.until.duration_since(at(100))).unwrap();
        assert_eq!(
            (entry.failures, entry.error.as_str()),
            (failures, "it broke")
        );
        assert!(wait >= Duration::from_millis(750) && wait <= Duration::from_secs(900));
        assert!(wait > last || wait > Duration::from_secs(600), "{wait:?}");
        last = wait;
    }
    // Blocked or not reached, the history stays.
    let before = world.memory.backoff.clone();
    let reason = BlockedReason::BackingOff {
        failures: 12,
        until: at(900),
        error: String::new(),
        lasting: None,
    };
    assert_eq!(world.blocked(&prune(), reason).run(200).backoff, before);
    assert_eq!(world.prune(Outcome::Cancelled).run(200).backoff, before);
    assert!(world.prune(removed()).run(300).backoff.is_empty());
    world.prune(failed()).run(400);
    assert!(world.nothing_planned().run(500).backoff.is_empty());
}

#[test]
fn what_failed_and_waits_for_its_window_is_not_tried_before() {
    let mut world = World::new();
    let failed = world.prune(failed()).run(100).backoff.clone();
    let until = failed[&prune()].until;
    assert_eq!(next_try(&world.memory, &world.look.plan), Some(until));
    // Who asks for a run does not make it forget that.
    let before = world.memory.backoff.clone();
    reset_back_off(&mut world.memory, &Scope::All);
    world.blocked(&prune(), outside()).run(200);
    keep_failures(&mut world.memory, &before, &world.look.plan);
    assert_eq!(world.memory.backoff, failed);
    assert_eq!(next_try(&world.memory, &world.look.plan), None);
}

#[test]
fn a_circuit_opens_is_probed_once_and_closes() {
    let mut world = World::new();
    let first = world.silent().run(1000).circuits[&node("pve")].clone();
    assert_eq!((first.failures, first.error.as_str()), (1, "no route"));
    assert!(first.until > at(1000));
    // While it is open nobody asks, and nothing is counted.
    assert_eq!(world.run(1001).circuits[&node("pve")], first);
    // The probe fails: longer than before.
    let second = world.run(2000).circuits[&node("pve")].clone();
    assert_eq!(second.failures, 2);
    assert!(second.until.duration_since(at(2000)) > first.until.duration_since(at(1000)));
    assert!(world.listed(true).run(3000).circuits.is_empty());
}

#[test]
fn an_approval_is_spent_when_all_removals_were_decided_and_done() {
    let id = ApprovalId("x".to_owned());
    let mut world = World::new();
    world.memory.approved.insert(id.clone());
    for undecided in 0..4 {
        match undecided {
            3 => world.listed(true).blocked(&prune(), outside()),
            0 => world.silent(),
            1 => world.listed(true).blocked(&prune(), blocked()),
            _ => world.prune(failed()),
        };
        assert!(world.run(10).approved.contains(&id), "{undecided}");
    }
    assert!(world.prune(removed()).run(20).approved.is_empty());
    // Another list asks for another approval.
    world.memory.approved.insert(id);
    let over = BlockedReason::OverBudget {
        files: 9,
        limit: 5,
        approval: ApprovalId("y".to_owned()),
    };
    assert!(world.blocked(&prune(), over).run(30).approved.is_empty());
}

/// What the run used up is spent. Which nodes the others are for is not known.
#[test]
fn in_a_run_for_some_sites_other_approvals_stay() {
    let elsewhere = ApprovalId("x".to_owned());
    let mut world = World::new();
    for (outcome, is_spent) in [(failed(), false), (removed(), true)] {
        world.prune(outcome);
        world.look.plan.steps[0].why = Why::NotWanted { hours: 1 };
        let used = approvals_used(world.look.plan.steps.iter());
        let own = used.first().unwrap().clone();
        world.memory.approved = [elsewhere.clone(), own.clone()].into();
        let before = world.memory.clone();
        let mut memory = world.run(10).clone();
        keep_approvals(&mut memory, &before, &world.look.plan, &world.outcomes);
        assert!(memory.approved.contains(&elsewhere));
        assert_eq!(memory.approved.contains(&own), !is_spent);
    }
}

#[test]
fn places_stay_until_nothing_of_ours_is_there() {
    let mut world = World::new();
    assert!(world.run(1).places.contains_key(&node("pve")));
    assert!(world.silent().run(2).places.contains_key(&node("pve")));
    world.listed(true);
    assert!(
        world
            .prune(failed())
            .run(3)
            .places
            .contains_key(&node("pve"))
    );
    assert!(world.prune(removed()).run(4).places.is_empty());
}

#[test]
fn read_backs_are_remembered_as_long_as_the_file_is_there() {
    let mut world = World::new();
    let verify = StepId::verify_node(&target("pve"), &file());
    let action = Action::VerifyNode {
        target: target("pve"),
        file: file(),
        bytes: 1,
        sha256: "0".repeat(64).parse().unwrap(),
    };
    let same = Outcome::Done {
        fact: Fact::Verified { bytes: 1 },
    };
    assert_eq!(world.step(action, same).run(5).verified[&verify], at(5));
    assert_eq!(world.silent().run(6).verified[&verify], at(5));
    world.nothing_planned().listed(true);
    assert_eq!(world.run(7).verified[&verify], at(5));
    assert!(world.listed(false).run(8).verified.is_empty());
}

#[test]
fn asking_for_a_node_resets_the_back_off_of_that_node_only() {
    let entry = Backoff {
        failures: 1,
        until: at(0),
        error: String::new(),
        lasting: None,
    };
    let file: FileName = "a".parse().unwrap();
    let ids = [
        StepId::push(&target("pve"), &file),
        StepId::push(&target("pve-2"), &file),
        StepId::fetch(&file),
    ];
    let memory = || Memory {
        backoff: ids.iter().map(|id| (id.clone(), entry.clone())).collect(),
        circuits: ["pve", "pve-2"].map(|n| (node(n), entry.clone())).into(),
        ..Memory::default()
    };
    let mut one = memory();
    reset_back_off(&mut one, &Scope::Node(node("pve")));
    assert_eq!(one.backoff.len(), 2);
    assert!(!one.backoff.contains_key(&ids[0]) && !one.circuits.contains_key(&node("pve")));
    let mut all = memory();
    reset_back_off(&mut all, &Scope::All);
    assert_eq!(all, Memory::default());
}
