//! What is remembered of how deliveries travelled: how fast links are, and which
//! relays failed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::facts::{Fact, Link, Memory, Outcome, RelayBackoff, StepId};
use crate::model::{Method, NodeId};
use crate::plan::{Action, Step};

/// Less than this, in bytes, says more of the connection's start than of its speed.
const LEAST: u64 = 4 << 20;

/// The measurements after a run: half of what was known and half of what is new, so
/// that one bad minute does not decide. Only streams measure the link: rsync waits for
/// disks, what a relay sends on never sees it, and what is sent during its download waits
/// for that.
pub(super) fn links(
    memory: &Memory,
    steps: &[Step],
    outcomes: &BTreeMap<StepId, Outcome>,
    now: Timestamp,
) -> BTreeMap<NodeId, Link> {
    let mut links = memory.links.clone();
    for step in steps {
        let Action::Push {
            target, transport, ..
        } = &step.action
        else {
            continue;
        };
        let Some(Outcome::Done {
            fact:
                Fact::Pushed {
                    copied: true,
                    wire_bytes: Some(bytes),
                    millis,
                    ..
                },
        }) = outcomes.get(&step.id)
        else {
            continue;
        };
        let measures = transport.method == Method::Stream
            && transport.via.is_none()
            && transport.while_fetching.is_none();
        if !measures || *bytes < LEAST {
            continue;
        }
        let measured = bytes.saturating_mul(1000) / (*millis).max(1);
        let before = links.get(&target.node);
        let link = Link {
            // Never 0, which would be no link at all.
            bytes_per_second: before
                .map_or(measured, |link| link.bytes_per_second / 2 + measured / 2)
                .max(1),
            measured_at: now,
        };
        links.insert(target.node.clone(), link);
    }
    links
}

/// The relays that are left out for a while: a neighbour that its relay did not reach
/// is served from here, and so are the neighbours of a relay that could not be
/// delivered to. A manual request does not reset its back-off: otherwise every manual run
/// would wait for a relay that is broken.
pub(super) fn detours(
    memory: &Memory,
    steps: &[Step],
    outcomes: &BTreeMap<StepId, Outcome>,
    begin: Timestamp,
    until: Timestamp,
) -> BTreeMap<NodeId, RelayBackoff> {
    let mut detours = memory.detours.clone();
    detours.retain(|_, detour| detour.until > begin);
    for step in steps {
        let Action::Push {
            target, transport, ..
        } = &step.action
        else {
            continue;
        };
        let serves = |other: &Step| match &other.action {
            Action::Push { transport, .. } => {
                transport
                    .via
                    .as_ref()
                    .is_some_and(|via| via.node == target.node)
                    && other.needs.contains(&step.id)
            }
            _ => false,
        };
        match outcomes.get(&step.id) {
            Some(Outcome::Failed { failure })
                if transport.via.is_some() || steps.iter().any(serves) =>
            {
                let detour = RelayBackoff {
                    until,
                    error: failure.error.clone(),
                };
                detours.insert(target.node.clone(), detour);
            }
            _ => {}
        }
    }
    detours
}
