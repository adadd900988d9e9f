//! A run for one of two sites that a controller serves.

use super::*;
use crate::conclude::counters::PushedBytes;
use crate::conclude::rollouts::tests::half_way;
use crate::conclude::{OtherSites, RolloutLine};

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

/// What a run over both sites found, then one over that of the first node alone, with what
/// is kept of the second.
fn after_one_site(change: impl FnOnce(&mut Status)) -> (Status, Status) {
    let all = orders();
    let report_of_all = report(&all, full);
    let mut before = Status::default().finished(&occasion(100), &all, &report_of_all, &memory());
    change(&mut before);
    let here = all.covering(|id| *id == node("pve-01"), |_| false);
    let others = OtherSites {
        sites: ["brno".parse().unwrap()].into(),
        nodes: [node("pve-02")].into(),
        orders: all.covering(|id| *id == node("pve-02"), |_| false),
    };
    let mut part = report(&here, |_| Outcome::Cancelled);
    part.look.observed.nodes.remove(&node("pve-02"));
    let after = before
        .clone()
        .finished(&occasion(200), &here, &part, &memory());
    assert!(!after.nodes.contains_key(&node("pve-02")));
    (before.clone(), after.with_other_sites(&before, &others))
}

#[test]
fn what_is_known_of_the_other_site_is_kept_as_it_was() {
    let (before, after) = after_one_site(|before| {
        let ways = [(
            "rsync".to_owned(),
            PushedBytes {
                bytes: 7,
                sent_bytes: 5,
            },
        )]
        .into();
        before.counters.pushed.insert(node("pve-02"), ways);
        let gone = [("rsync".to_owned(), PushedBytes::default())].into();
        before.counters.pushed.insert(node("gone"), gone);
        before
            .nodes
            .insert(node("gone"), before.nodes[&node("pve-02")].clone());
    });
    let there = node("pve-02");
    assert_eq!(after.nodes[&there], before.nodes[&there]);
    assert_eq!(
        after.counters.pushed[&there],
        before.counters.pushed[&there]
    );
    assert!(!after.nodes.contains_key(&node("gone")));
    assert!(!after.counters.pushed.contains_key(&node("gone")));
    let of = |status: &Status| -> Vec<Condition> {
        let conditions = status.conditions.iter();
        let there = conditions.filter(|one| one.node.as_ref() == Some(&there));
        there.cloned().collect()
    };
    assert!(!of(&before).is_empty());
    assert_eq!(of(&after), of(&before));
    assert_eq!(after.orders, before.orders);
    assert!(
        after
            .notes
            .iter()
            .any(|note| note.contains("does not lead brno"))
    );
}

#[test]
fn an_order_is_ready_only_where_it_is_at_both_sites() {
    let (_, after) = after_one_site(|before| {
        for condition in &mut before.conditions {
            condition.state = ConditionState::Stalled;
            "no space".clone_into(&mut condition.message);
        }
    });
    let others = OtherSites {
        sites: ["brno".parse().unwrap()].into(),
        nodes: [node("pve-02")].into(),
        orders: orders().covering(|id| *id == node("pve-02"), |_| false),
    };
    // Everything is well here.
    let mut here = after.clone();
    here.conditions
        .retain(|one| one.node.as_ref() != Some(&node("pve-02")));
    for condition in &mut here.conditions {
        (condition.state, condition.reason) = (ConditionState::Ready, None);
    }
    let both = here.with_other_sites(&after, &others);
    let alpha = |one: &&Condition| one.order.as_deref() == Some("alpha") && one.node.is_none();
    let alpha = both.conditions.iter().find(alpha).unwrap();
    assert_eq!(alpha.state, ConditionState::Stalled);
    assert_eq!(alpha.message, "on pve-02: no space");
}

#[test]
fn what_is_in_rings_at_the_other_site_alone_is_kept() {
    let all = orders();
    let here = all.covering(|id| *id == node("pve-01"), |_| false);
    let mut there = all.covering(|id| *id == node("pve-02"), |_| false);
    let mut far = there.orders[0].clone();
    far.id = "far".parse().unwrap();
    there.orders.push(far);
    // The run judged `alpha`, and nobody wants `gone` any more.
    let lines = ["alpha", "far", "gone"].map(|order| RolloutLine::new(&half_way(order), None));
    let before = Status {
        rollouts: lines.to_vec(),
        ..Status::default()
    };
    let after = before
        .clone()
        .finished(&occasion(200), &here, &report(&here, full), &memory());
    assert_eq!(after.rollouts, []);
    let others = OtherSites {
        orders: there,
        ..OtherSites::default()
    };
    let after = after.with_other_sites(&before, &others);
    assert_eq!(after.rollouts, lines[1..2]);
}
