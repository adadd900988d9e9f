//! What counts as a difference.

use super::*;
use crate::facts::{CacheState, Catalog, Memory, Observed, RecordEntry, References, RemoteFile};
use crate::model::{Arch, Format, Platform, SchematicId};
use crate::plan::{Blocked, Desired, Step, WantedBy, Why};

const OLD: &str = "old.iso";

fn target() -> PushTarget {
    PushTarget {
        node: "pve-1".parse().unwrap(),
        dir: "/iso".parse().unwrap(),
    }
}

/// A node that has one file of ours, and one of somebody else.
fn look(plan: Plan) -> Look {
    let file = RemoteFile {
        size: 100,
        mtime: 1,
        inode: 1,
    };
    let artifact = ArtifactId {
        version: "v1.10.8".parse().unwrap(),
        platform: Platform::Nocloud,
        arch: Arch::Amd64,
        secureboot: false,
        schematic: SchematicId::from_bytes([1; 32]),
        format: Format::Iso,
    };
    let entry = RecordEntry {
        name: OLD.parse().unwrap(),
        size: 100,
        mtime: 1,
        inode: 1,
        sha256: Sha256::from_bytes([2; 32]),
        image_sha256: None,
        artifact,
        orders: BTreeSet::new(),
        owner: String::new(),
        deletion: None,
        revision: None,
        placed_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let dir = DirState {
        exists: true,
        files: BTreeMap::from([(OLD.to_owned(), file), ("foreign.iso".to_owned(), file)]),
        record: BTreeMap::from([(OLD.parse().unwrap(), entry)]),
        ..DirState::default()
    };
    let listed = NodeState::Listed {
        dirs: BTreeMap::from([(target().dir, dir)]),
        tools: BTreeSet::new(),
        references: References::default(),
    };
    Look {
        desired: Desired::default(),
        observed: Observed {
            fleet: None,
            catalog: Catalog::default(),
            cache: CacheState::default(),
            nodes: BTreeMap::from([(target().node, listed)]),
            vms: BTreeMap::new(),
            memory: Memory::default(),
            now: jiff::Timestamp::UNIX_EPOCH,
        },
        plan,
    }
}

fn prune() -> StepId {
    StepId::prune_node(&target(), &OLD.parse().unwrap())
}

fn found(plan: Plan) -> Differences {
    Differences::of(&look(plan))
}

fn blocked(id: StepId, reason: BlockedReason) -> Differences {
    found(Plan {
        blocked: vec![Blocked {
            id,
            reason,
            wanted_by: WantedBy::default(),
        }],
        ..Plan::default()
    })
}

#[test]
fn what_a_plan_removes_is_a_difference_and_what_stays_is_none() {
    assert_eq!(found(Plan::default()), Differences::default());
    let action = Action::PruneNode {
        target: target(),
        file: OLD.parse().unwrap(),
        bytes: 100,
        sha256: Sha256::from_bytes([2; 32]),
    };
    let planned = found(Plan {
        steps: vec![Step {
            id: prune(),
            action,
            why: Why::NotWanted { hours: 1 },
            needs: Vec::new(),
            wanted_by: WantedBy::default(),
        }],
        ..Plan::default()
    });
    let gone = PlaceDifference {
        place: "pve-1:/iso".to_owned(),
        actual: vec!["old.iso  v1.10.8  100  sha256:020202020202".to_owned()],
        desired: Vec::new(),
    };
    let is_gone = |found: &Differences| found.places == std::slice::from_ref(&gone);
    assert!(
        is_gone(&planned),
        "a foreign file is none of ours: {planned:?}"
    );
    let until = jiff::Timestamp::UNIX_EPOCH;
    let waiting = blocked(prune(), BlockedReason::InGrace { until });
    assert_eq!(waiting, Differences::default());
    let over = BlockedReason::OverBudget {
        files: 9,
        limit: 5,
        approval: crate::facts::ApprovalId("a".to_owned()),
    };
    assert!(is_gone(&blocked(prune(), over)));
}

#[test]
fn what_does_not_answer_is_unknown_and_no_difference() {
    let reason = BlockedReason::NodeUnreachable {
        node: "pve-2".parse().unwrap(),
        why: "no route to host".to_owned(),
        lasting: None,
    };
    let push = StepId::push(&target(), &"new.iso".parse().unwrap());
    let found = blocked(push, reason);
    assert_eq!(found.places, []);
    assert_eq!(found.unknown, ["pve-2 does not answer: no route to host"]);
}
