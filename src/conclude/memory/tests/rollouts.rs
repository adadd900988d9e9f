//! What is remembered and reported of rings.

use super::*;
use crate::conclude::ring_reports;
use crate::conclude::rings_left::RingsLeft;
use crate::facts::{RingMemory, RingReport, RolloutInstruction};
use crate::model::{NodeTraits, Release, RingName, SiteName};
use crate::plan::{PlannedRing, PlannedRollout, RingState};

fn ring_name(name: &str) -> RingName {
    name.parse().unwrap()
}

fn release() -> Release {
    "image/00/v1.11.2/nocloud-amd64.iso".parse().unwrap()
}

fn ring(name: Option<&str>, nodes: &[&str], out_of_sync: &[&str], is_open: bool) -> PlannedRing {
    PlannedRing {
        name: name.map(ring_name),
        state: RingState::Open,
        nodes: nodes.iter().map(|name| node(name)).collect(),
        out_of_sync: out_of_sync.iter().map(|name| node(name)).collect(),
        may_be_out_of_sync: 0,
        elsewhere: BTreeMap::new(),
        in_sync_since: None,
        soak_seconds: 100,
        is_open,
        is_manual: false,
    }
}

/// A ring that gets the image now, and one that waits for it.
fn planned(world: &mut World, since: Option<i64>) {
    let behind: &[&str] = if since.is_some() { &[] } else { &["pve"] };
    let mut first = ring(Some("canary"), &["pve"], behind, true);
    first.in_sync_since = since.map(at);
    world.look.plan.rollouts = vec![PlannedRollout {
        order: "lab".parse().unwrap(),
        release: release(),
        version: "v1.11.2".parse().unwrap(),
        doubt: None,
        without_nodes: [(ring_name("edge"), 300)].into(),
        rings: vec![
            first,
            ring(Some("prod"), &["other"], &["other"], false),
            ring(None, &["last"], &["last"], true),
        ],
    }];
    world.look.desired.complete = true;
    let traits = NodeTraits {
        site: Some("brno".parse().unwrap()),
        ..NodeTraits::default()
    };
    world.look.desired.traits = [(node("pve"), traits)].into();
}

fn known(world: &World) -> &RingMemory {
    let releases = &world.memory.rollouts[&"lab".parse().unwrap()];
    &releases[&release()].rings[&ring_name("canary")]
}

/// The push to `pve`, as the order wants it.
fn push(world: &mut World, outcome: Outcome) {
    world.nothing_planned();
    planned(world, None);
    let step = crate::plan::WantedBy::one(crate::model::PositionRef {
        order: "lab".parse().unwrap(),
        index: 0,
        name: "iso".to_owned(),
    });
    let id = StepId::push(&target("pve"), &file());
    world.look.plan.blocked.push(Blocked {
        id: id.clone(),
        reason: blocked(),
        wanted_by: step,
    });
    world.outcomes.insert(id, outcome);
}

#[test]
fn a_ring_is_in_sync_since_the_run_that_saw_it_and_until_it_is_not() {
    let mut world = World::new();
    world.nothing_planned();
    planned(&mut world, Some(40));
    world.run(50);
    assert_eq!(known(&world).in_sync_since, Some(at(40)));
    assert!(known(&world).is_open);
    let brno: SiteName = "brno".parse().unwrap();
    assert_eq!(known(&world).sites, BTreeSet::from([brno]));
    let releases = &world.memory.rollouts[&"lab".parse().unwrap()];
    assert!(releases[&release()].is_rest_open);
    assert!(!releases[&release()].rings[&ring_name("prod")].is_open);
    // It soaks for 100 seconds, and a run is due then, once.
    assert_eq!(next_ring(&world.look, &world.memory), Some(at(140)));
    world.look.observed.now = at(140);
    assert_eq!(next_ring(&world.look, &world.memory), None);
    planned(&mut world, None);
    world.run(60);
    assert_eq!(known(&world).in_sync_since, None);
    assert!(known(&world).is_open);
    assert_eq!(next_ring(&world.look, &world.memory), None);
    // In doubt what began is kept, and nothing counts as in sync.
    planned(&mut world, Some(40));
    world.run(70);
    world.nothing_planned();
    world.look.desired.complete = false;
    world.run(80);
    assert_eq!(
        (known(&world).in_sync_since, known(&world).is_open),
        (None, true)
    );
    // What the order does not want any more is forgotten.
    world.look.desired.complete = true;
    assert!(world.run(90).rollouts.is_empty());
}

#[test]
fn what_is_stopped_during_a_run_has_not_begun_after_it() {
    let mut world = World::new();
    world.nothing_planned();
    planned(&mut world, Some(40));
    world.run(50);
    assert!(known(&world).is_open);
    let stopped = |release: Release| {
        let said = RolloutInstruction {
            stopped: BTreeSet::from([release]),
            ..RolloutInstruction::default()
        };
        BTreeMap::from([("lab".parse().unwrap(), said)])
    };
    let other = "image/00/v1.11.1/nocloud-amd64.iso".parse().unwrap();
    take_in(&mut world.memory, stopped(other));
    assert!(known(&world).is_open);
    take_in(&mut world.memory, stopped(release()));
    assert!(!known(&world).is_open);
    assert_eq!(known(&world).in_sync_since, Some(at(40)));
    let releases = &world.memory.rollouts[&"lab".parse().unwrap()];
    assert!(!releases[&release()].is_rest_open);
    assert_eq!(world.memory.instructed, stopped(release()));
}

#[test]
fn the_latest_beginning_is_remembered_also_where_an_earlier_instruction_comes_back() {
    let mut world = World::new();
    world.nothing_planned();
    planned(&mut world, Some(40));
    for (said, expected) in [
        (None, None),
        (Some(at(20)), Some(at(20))),
        (Some(at(10)), Some(at(20))),
        (None, Some(at(20))),
        (Some(at(30)), Some(at(30))),
    ] {
        let of_order = world.memory.instructed.entry("lab".parse().unwrap());
        let restarted = said.into_iter().map(|said| (release(), said));
        of_order.or_default().restarted = restarted.collect();
        world.run(50);
        let releases = &world.memory.rollouts[&"lab".parse().unwrap()];
        assert_eq!(releases[&release()].restarted, expected);
    }
}

#[test]
fn nothing_is_due_while_an_operator_holds_it() {
    let mut world = World::new();
    world.nothing_planned();
    planned(&mut world, Some(40));
    world.run(50);
    for is_paused in [true, false] {
        let mut memory = world.memory.clone();
        let said = memory.instructed.entry("lab".parse().unwrap()).or_default();
        said.is_paused = is_paused;
        said.stopped.extend((!is_paused).then(release));
        assert_eq!(next_ring(&world.look, &memory), None);
    }
}

#[test]
fn what_is_shown_of_rings_is_how_the_run_left_them() {
    let shown = |outcome: Outcome| {
        let mut world = World::new();
        push(&mut world, outcome);
        let rings = &mut world.look.plan.rollouts[0].rings;
        rings[1].state = RingState::Waiting {
            why: "ring canary is out of sync on pve".to_owned(),
            waits_for: Some(ring_name("canary")),
            until: None,
            needs_promotion: false,
        };
        let mut memory = world.run(60).clone();
        let releases = memory.rollouts.get_mut(&"lab".parse().unwrap()).unwrap();
        let known = &mut releases.get_mut(&release()).unwrap().rings;
        known.get_mut(&ring_name("canary")).unwrap().in_sync_since = Some(at(60));
        let left = RingsLeft::of(&world.look.plan, &world.outcomes, &memory, at(60));
        // A step that waits for the ring waits for what the ring waits for by now.
        let waits = |why: &str| Blocked {
            id: StepId::push(&target("other"), &file()),
            reason: BlockedReason::WaitsForRing {
                ring: Some(ring_name("prod")),
                why: why.to_owned(),
                until: None,
                needs_promotion: false,
            },
            wanted_by: world.look.plan.blocked[0].wanted_by.clone(),
        };
        let of_another = waits("ring canary soaks in site brno");
        assert_eq!(*left.blocked(&of_another), of_another);
        let step = waits("ring canary is out of sync on pve");
        let step = left.blocked(&step).into_owned().reason;
        (left.rollouts[0].rings.clone(), step)
    };
    let (failing, _) = shown(failed());
    assert_eq!(failing[0].state, RingState::Open);
    assert_eq!(failing[0].out_of_sync, [node("pve")].into());
    assert!(matches!(&failing[1].state, RingState::Waiting { why, .. } if why.ends_with("on pve")));
    let until = Some(at(160));
    let (brought, step) = shown(removed());
    assert_eq!(brought[0].state, RingState::Soaking { until });
    assert!(brought[0].out_of_sync.is_empty());
    let why = "ring canary soaks".to_owned();
    let ring = Some(ring_name("prod"));
    let reason = BlockedReason::WaitsForRing {
        ring,
        why: why.clone(),
        until,
        needs_promotion: false,
    };
    assert_eq!(step, reason);
    let waits_for = Some(ring_name("canary"));
    let waiting = RingState::Waiting {
        why,
        waits_for,
        until,
        needs_promotion: false,
    };
    assert_eq!(brought[1].state, waiting);
}

/// Where the ring after the one that is done begins only with a promotion, no next run goes on.
#[test]
fn a_manual_ring_waits_for_its_promotion_after_the_run_that_brought_the_others() {
    let left = |is_manual: bool, soak_seconds: u64| {
        let mut world = World::new();
        push(&mut world, removed());
        let rings = &mut world.look.plan.rollouts[0].rings;
        rings[0].soak_seconds = soak_seconds;
        rings[1].is_manual = is_manual;
        let waiting = RingState::Waiting {
            why: "ring canary is out of sync on pve".to_owned(),
            waits_for: Some(ring_name("canary")),
            until: None,
            needs_promotion: false,
        };
        rings[1].state = waiting.clone();
        let mut last = ring(Some("last"), &["third"], &["third"], false);
        last.state = waiting;
        rings[2] = last;
        let mut memory = world.run(60).clone();
        let releases = memory.rollouts.get_mut(&"lab".parse().unwrap()).unwrap();
        let known = &mut releases.get_mut(&release()).unwrap().rings;
        known.get_mut(&ring_name("canary")).unwrap().in_sync_since = Some(at(60));
        let left = RingsLeft::of(&world.look.plan, &world.outcomes, &memory, at(60));
        let said = left.rollouts[0].rings.iter().map(|ring| match &ring.state {
            RingState::Waiting {
                why,
                needs_promotion,
                ..
            } => format!("{why}, {needs_promotion}"),
            state => state.as_str().to_owned(),
        });
        said.collect::<Vec<_>>()
    };
    let goes_on = "ring canary has it; the next run goes on, false";
    assert_eq!(left(false, 0), ["done", goes_on, goes_on]);
    let manual = "it begins when the image is promoted to it, true";
    assert_eq!(
        left(true, 0),
        ["done", manual, "ring prod has not begun, false"]
    );
    let soaks = "ring canary soaks, false";
    assert_eq!(left(true, 100), ["soaking", soaks, soaks]);
}

#[test]
fn a_report_tells_of_the_nodes_of_a_site_and_of_what_the_run_brought() {
    let mut world = World::new();
    let report = |world: &World, site: &str| {
        let covers = |id: &NodeId| *id == node(site);
        let all = ring_reports(
            &world.look.plan,
            &world.outcomes,
            &world.memory,
            at(90),
            covers,
        );
        let rings = all.get(&"lab".parse().unwrap())?.get(&release())?.clone();
        Some(rings)
    };
    push(&mut world, failed());
    world.run(50);
    let rings = report(&world, "pve").unwrap();
    let canary = &rings[&ring_name("canary")];
    assert_eq!((canary.nodes, canary.out_of_sync), (1, 1));
    assert_eq!((canary.in_sync_seconds, canary.behind.len()), (None, 1));
    // Nothing is out of sync where a ring has no nodes: who expects some here must not wait.
    let soaked = |seconds| RingReport {
        in_sync_seconds: Some(seconds),
        has_soaked: true,
        ..RingReport::default()
    };
    assert_eq!(rings.len(), 3);
    assert_eq!(rings[&ring_name("prod")], soaked(100));
    assert_eq!(rings[&ring_name("edge")], soaked(300));
    push(&mut world, removed());
    // The memory of a run that ended at 60.
    world.run(60);
    let rings = report(&world, "pve").unwrap();
    assert_eq!(rings[&ring_name("canary")].out_of_sync, 0);
    assert_eq!(
        report(&world, "nobody").unwrap()[&ring_name("canary")],
        soaked(100)
    );
    // While it is not known which nodes there are, it has perhaps some.
    world.look.plan.rollouts[0].doubt = Some("a cluster does not answer".to_owned());
    assert_eq!(report(&world, "nobody"), None);
    delivered(&mut world);
    world.run(60);
    let rings = report(&world, "pve").unwrap();
    assert_eq!(rings[&ring_name("canary")].in_sync_seconds, Some(30));
    assert!(!rings[&ring_name("canary")].has_soaked);
    world.look.plan.rollouts[0].rings[0].soak_seconds = 30;
    assert!(report(&world, "pve").unwrap()[&ring_name("canary")].has_soaked);
}

/// The image came to `pve` by a delivery to another node of its storage.
fn delivered(world: &mut World) {
    world.nothing_planned();
    planned(world, None);
    let (own, made) = (
        StepId::push(&target("pve"), &file()),
        StepId::push(&target("other"), &file()),
    );
    world.outcomes.insert(made.clone(), removed());
    world.look.plan.shared.insert(own, made);
}

#[test]
fn what_a_run_brought_is_not_in_sync_while_not_all_nodes_are_known() {
    let mut world = World::new();
    delivered(&mut world);
    world.run(60);
    assert_eq!(known(&world).in_sync_since, Some(at(60)));
    // A cluster was never reached, or a position of another site could not be resolved.
    world.memory = Memory::default();
    delivered(&mut world);
    world.look.plan.rollouts[0].doubt = Some("not all nodes are known".to_owned());
    world.run(70);
    assert_eq!(known(&world).in_sync_since, None);
    assert_eq!(next_ring(&world.look, &world.memory), None);
}

#[test]
fn what_is_lost_after_every_run_makes_no_run_follow_at_once() {
    let mut world = World::new();
    for (now, due) in [(60, 60), (61, 91), (91, 121)] {
        world.look.observed.memory = world.memory.clone();
        delivered(&mut world);
        world.look.plan.rollouts[0].rings[0].soak_seconds = 0;
        world.run(now);
        world.look.observed.now = at(now - 1);
        let next = next_ring(&world.look, &world.memory);
        assert_eq!(next, Some(at(due)), "after the run at {now}");
    }
}

#[test]
fn a_run_is_due_that_tells_another_site_that_a_ring_has_soaked() {
    let mut world = World::new();
    world.nothing_planned();
    planned(&mut world, Some(40));
    let mut prod = ring(Some("prod"), &[], &[], false);
    world.look.plan.rollouts[0].rings.truncate(1);
    world.look.plan.rollouts[0].rings.push(prod.clone());
    world.run(50);
    assert_eq!(next_ring(&world.look, &world.memory), None);
    prod.elsewhere = [("prague".parse().unwrap(), 3)].into();
    world.look.plan.rollouts[0].rings[1] = prod;
    assert_eq!(next_ring(&world.look, &world.memory), Some(at(140)));
}
