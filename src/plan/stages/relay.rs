//! Which deliveries another node makes for us: the relay of a site has the image, or
//! gets it in this run, and sends it on to its neighbours.
//!
//! This comes after everything else is decided. Only then it is known whether the
//! relay's own delivery is really made: one that is blocked serves nobody, and a
//! site is never worse off for having a relay.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{NodeState, RecordEntry, RelayBackoff, StepId, StepKind};
use crate::model::{ArtifactId, FileName, Method, NodeId, PushTarget, Via};
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Plan, Step};
use crate::plan::transport::{RECEIVER, RelayUnfit, Transport, TransportReason, Unrelayed};

/// Has neighbours served by their relays, where those can.
pub(in crate::plan) fn relay(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let network = &input.policy.transport.network;
    if network.sites.values().all(|site| site.relay.is_none()) {
        return;
    }
    let mut steps = std::mem::take(&mut draft.plan.steps);
    let sources = RelaySources::new(&draft.plan, &steps, input);
    let found: Vec<Option<Relayed>> = steps.iter().map(|step| sources.of(step)).collect();
    for (step, found) in steps.iter_mut().zip(found) {
        let (Action::Push { transport, .. }, Some(found)) = (&mut step.action, found) else {
            continue;
        };
        match found {
            Ok((via, need)) => {
                send_on(transport, via);
                step.needs.extend(need);
            }
            Err(unrelayed) => transport.unrelayed = Some(unrelayed),
        }
    }
    // Pushes stand together; what a relay sends on comes after what it gets.
    let is_push = |step: &Step| matches!(step.action, Action::Push { .. });
    let is_sent_on = |step: &Step| match &step.action {
        Action::Push { transport, .. } => transport.via.is_some(),
        _ => false,
    };
    if let Some(first) = steps.iter().position(is_push) {
        let count = steps[first..]
            .iter()
            .take_while(|step| is_push(step))
            .count();
        steps[first..first + count].sort_by_key(is_sent_on);
    }
    draft.plan.steps = steps;
}

/// The source of a delivery with the step that must come before, or why there is
/// none.
type Relayed = Result<(Via, Option<StepId>), Unrelayed>;

fn send_on(transport: &mut Transport, via: Via) {
    // Within a site the link from here does not matter.
    if let TransportReason::SlowLink { data_bytes, .. } = transport.because {
        transport.wire_bytes = Some(data_bytes);
        transport.because = TransportReason::DataOnly;
    }
    transport.method = Method::Stream;
    transport.via = Some(via);
}

/// What relays have, and will have.
struct RelaySources<'a> {
    input: &'a StageInput<'a>,
    /// Where an image is wanted on a relay.
    places: BTreeMap<(&'a NodeId, &'a ArtifactId), Vec<RelayFile<'a>>>,
    in_sync: BTreeSet<StepId>,
    planned: BTreeSet<StepId>,
    shared: BTreeSet<StepId>,
}

type RelayFile<'a> = (&'a PushTarget, &'a FileName);

impl<'a> RelaySources<'a> {
    fn new(plan: &Plan, steps: &[Step], input: &'a StageInput<'a>) -> Self {
        let network = &input.policy.transport.network;
        let sites = network.sites.values();
        let relays: BTreeSet<&NodeId> = sites.filter_map(|site| site.relay.as_ref()).collect();
        let mut places: BTreeMap<_, Vec<RelayFile<'a>>> = BTreeMap::new();
        for (target, files) in &input.desired.placed {
            if !relays.contains(&target.node) {
                continue;
            }
            for (file, placed) in files {
                let key = (&target.node, &placed.artifact);
                places.entry(key).or_default().push((target, file));
            }
        }
        let ids = |ids: &mut dyn Iterator<Item = &StepId>| {
            ids.filter(|id| id.kind() == Some(StepKind::Push))
                .cloned()
                .collect()
        };
        Self {
            input,
            places,
            in_sync: ids(&mut plan.in_sync.iter()),
            planned: ids(&mut steps.iter().map(|step| &step.id)),
            shared: ids(&mut plan.shared.keys()),
        }
    }

    /// `None` for a step that no relay is there for.
    fn of(&self, step: &Step) -> Option<Relayed> {
        let Action::Push {
            target,
            artifact,
            cache_file,
            transport,
            ..
        } = &step.action
        else {
            return None;
        };
        let (relay, site) = self.input.policy.transport.network.relay_of(&target.node)?;
        // Whoever asked for rsync, or has nothing to receive a stream with, gets it
        // from here.
        let may_stream = transport.method == Method::Stream
            || matches!(transport.because, TransportReason::SlowLink { .. });
        if !may_stream {
            return None;
        }
        let bytes = Wanted {
            cache_file,
            comes: !step.needs.is_empty(),
        };
        let found = match self.left_out(&target.node) {
            Some(backoff) => Err(failed(backoff)),
            None => self.place(relay, artifact, &bytes),
        };
        Some(match found {
            Ok(((from, file), need)) => {
                let via = Via {
                    node: relay.clone(),
                    dir: from.dir.clone(),
                    file: file.clone(),
                    site: site.clone(),
                };
                Ok((via, need))
            }
            Err(why) => Err(Unrelayed {
                relay: relay.clone(),
                why,
            }),
        })
    }

    /// Where a relay has an image, or will have it after a step.
    fn place(
        &self,
        relay: &NodeId,
        artifact: &ArtifactId,
        bytes: &Wanted<'_>,
    ) -> Result<(RelayFile<'a>, Option<StepId>), RelayUnfit> {
        let Some(places) = self.places.get(&(relay, artifact)) else {
            return Err(RelayUnfit::NotWanted);
        };
        let Some(NodeState::Listed { dirs, tools, .. }) = self.input.observed.nodes.get(relay)
        else {
            return Err(RelayUnfit::Unreachable);
        };
        if !tools.contains(RECEIVER) {
            return Err(RelayUnfit::NoPerl);
        }
        if self.input.observed.memory.suspended.nodes.contains(relay) {
            return Err(RelayUnfit::Suspended);
        }
        let mut why = RelayUnfit::Blocked;
        for &(target, file) in places {
            let id = StepId::push(target, file);
            if self.in_sync.contains(&id) {
                let entry = dirs.get(&target.dir).and_then(|dir| dir.record.get(file));
                if entry.is_some_and(|entry| self.is_same(entry, bytes)) {
                    return Ok(((target, file), None));
                }
                why = RelayUnfit::OtherBytes;
            }
            if self.shared.contains(&id) {
                why = RelayUnfit::Shared;
            }
        }
        let planned = places
            .iter()
            .map(|&place| (place, StepId::push(place.0, place.1)))
            .find(|(_, id)| self.planned.contains(id));
        match (planned, self.left_out(relay)) {
            (Some(_), Some(backoff)) => Err(failed(backoff)),
            (Some((place, id)), None) => Ok((place, Some(id))),
            (None, _) => Err(why),
        }
    }

    /// True if what is at the relay is what the cache has, or is going to have.
    /// Images before Talos 1.13 are not bit-reproducible, so a cache that was filled
    /// anew may hold other bytes, and it is those that are promised.
    fn is_same(&self, entry: &RecordEntry, bytes: &Wanted<'_>) -> bool {
        if bytes.comes {
            let pinned = self.input.desired.artifacts[&entry.artifact].pinned;
            return pinned == Some(entry.sha256);
        }
        let cached = self.input.observed.cache.files.get(bytes.cache_file);
        cached.is_some_and(|cached| cached.meta.sha256 == entry.sha256)
    }

    fn left_out(&self, node: &NodeId) -> Option<&'a RelayBackoff> {
        let backoff = self.input.observed.memory.detours.get(node)?;
        (backoff.until > self.input.observed.now).then_some(backoff)
    }
}

/// What is to be sent.
struct Wanted<'a> {
    cache_file: &'a FileName,
    /// It is not in the cache yet.
    comes: bool,
}

fn failed(backoff: &RelayBackoff) -> RelayUnfit {
    RelayUnfit::Failed {
        until: backoff.until,
        error: backoff.error.clone(),
    }
}
