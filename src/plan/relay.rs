//! Which deliveries another node makes for us: the relay of a site has the image, or
//! gets it in this pass, and sends it on to its neighbours.
//!
//! This comes after everything else is decided. Only then it is known whether the
//! relay's own delivery is really made: one that is held back serves nobody, and a
//! site is never worse off for having a relay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::desired::Desired;
use super::diff::Policy;
use super::step::{Action, Plan, Step};
use super::way::{RECEIVER, Way, WayReason};
use crate::facts::{Detour, NodeState, Observed, RecordEntry, StepId, StepKind};
use crate::model::{ArtifactId, FileName, Method, NodeId, PushTarget, Via};

/// A delivery that a relay could make and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unrelayed {
    /// The relay.
    pub relay: NodeId,
    /// Why not.
    #[serde(flatten)]
    pub why: RelayUnfit,
}

/// Why a relay does not send an image on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum RelayUnfit {
    /// No order wants the image there.
    NotWanted,
    /// It does not answer.
    Unreachable,
    /// It has nothing to send with.
    NoPerl,
    /// A person has suspended it.
    Suspended,
    /// Its own delivery is held back.
    Held,
    /// Its own delivery is made by another node of the same storage.
    Shared,
    /// The bytes that it has of the image are not those of the cache.
    OtherBytes,
    /// It failed before.
    Failed {
        /// Until when it is left out.
        until: Timestamp,
        /// What went wrong.
        error: String,
    },
}

/// Has neighbours served by their relays, where those can.
pub(super) fn relay(plan: &mut Plan, desired: &Desired, observed: &Observed, policy: &Policy) {
    let network = &policy.transfer.network;
    if network.sites.values().all(|site| site.relay.is_none()) {
        return;
    }
    let mut steps = std::mem::take(&mut plan.steps);
    let sources = Sources::new(plan, &steps, desired, observed, policy);
    let found: Vec<Option<Found>> = steps.iter().map(|step| sources.of(step)).collect();
    for (step, found) in steps.iter_mut().zip(found) {
        let (Action::Push { way, .. }, Some(found)) = (&mut step.action, found) else {
            continue;
        };
        match found {
            Ok((via, need)) => {
                send_on(way, via);
                step.needs.extend(need);
            }
            Err(unrelayed) => way.unrelayed = Some(unrelayed),
        }
    }
    // Pushes stand together; what a relay sends on comes after what it gets.
    let is_push = |step: &Step| matches!(step.action, Action::Push { .. });
    let is_sent_on = |step: &Step| match &step.action {
        Action::Push { way, .. } => way.via.is_some(),
        _ => false,
    };
    if let Some(first) = steps.iter().position(is_push) {
        let count = steps[first..]
            .iter()
            .take_while(|step| is_push(step))
            .count();
        steps[first..first + count].sort_by_key(is_sent_on);
    }
    plan.steps = steps;
}

/// The source of a delivery with the step that must come before, or why there is
/// none.
type Found = Result<(Via, Option<StepId>), Unrelayed>;

fn send_on(way: &mut Way, via: Via) {
    // Within a site the link from here does not matter.
    if let WayReason::SlowLink { data_bytes, .. } = way.because {
        way.wire_bytes = Some(data_bytes);
        way.because = WayReason::DataOnly;
    }
    way.method = Method::Stream;
    way.via = Some(via);
}

/// What relays have, and will have.
struct Sources<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    policy: &'a Policy,
    /// Where an image is wanted on a relay.
    places: BTreeMap<(&'a NodeId, &'a ArtifactId), Vec<Place<'a>>>,
    in_sync: BTreeSet<StepId>,
    planned: BTreeSet<StepId>,
    shared: BTreeSet<StepId>,
}

type Place<'a> = (&'a PushTarget, &'a FileName);

impl<'a> Sources<'a> {
    fn new(
        plan: &Plan,
        steps: &[Step],
        desired: &'a Desired,
        observed: &'a Observed,
        policy: &'a Policy,
    ) -> Self {
        let network = &policy.transfer.network;
        let sites = network.sites.values();
        let relays: BTreeSet<&NodeId> = sites.filter_map(|site| site.relay.as_ref()).collect();
        let mut places: BTreeMap<_, Vec<Place<'a>>> = BTreeMap::new();
        for (target, files) in &desired.placed {
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
            desired,
            observed,
            policy,
            places,
            in_sync: ids(&mut plan.in_sync.iter()),
            planned: ids(&mut steps.iter().map(|step| &step.id)),
            shared: ids(&mut plan.shared.keys()),
        }
    }

    /// `None` for a step that no relay is there for.
    fn of(&self, step: &Step) -> Option<Found> {
        let Action::Push {
            target,
            artifact,
            cache_file,
            way,
            ..
        } = &step.action
        else {
            return None;
        };
        let (relay, site) = self.policy.transfer.network.relay_of(&target.node)?;
        // Whoever asked for rsync, or has nothing to receive a stream with, gets it
        // from here.
        let may_stream =
            way.method == Method::Stream || matches!(way.because, WayReason::SlowLink { .. });
        if !may_stream {
            return None;
        }
        let bytes = Bytes {
            cache_file,
            comes: !step.needs.is_empty(),
        };
        let found = match self.detour(&target.node) {
            Some(detour) => Err(failed(detour)),
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
        bytes: &Bytes<'_>,
    ) -> Result<(Place<'a>, Option<StepId>), RelayUnfit> {
        let Some(places) = self.places.get(&(relay, artifact)) else {
            return Err(RelayUnfit::NotWanted);
        };
        let Some(NodeState::Listed { dirs, tools, .. }) = self.observed.nodes.get(relay) else {
            return Err(RelayUnfit::Unreachable);
        };
        if !tools.contains(RECEIVER) {
            return Err(RelayUnfit::NoPerl);
        }
        if self.observed.memory.suspended.nodes.contains(relay) {
            return Err(RelayUnfit::Suspended);
        }
        let mut why = RelayUnfit::Held;
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
        match (planned, self.detour(relay)) {
            (Some(_), Some(detour)) => Err(failed(detour)),
            (Some((place, id)), None) => Ok((place, Some(id))),
            (None, _) => Err(why),
        }
    }

    /// True if what lies at the relay is what the cache has, or is going to have.
    /// Images before Talos 1.13 are not bit-reproducible, so a cache that was filled
    /// anew may hold other bytes, and it is those that are promised.
    fn is_same(&self, entry: &RecordEntry, bytes: &Bytes<'_>) -> bool {
        if bytes.comes {
            let pinned = self.desired.artifacts[&entry.artifact].pinned;
            return pinned == Some(entry.sha256);
        }
        let cached = self.observed.cache.files.get(bytes.cache_file);
        cached.is_some_and(|cached| cached.meta.sha256 == entry.sha256)
    }

    fn detour(&self, node: &NodeId) -> Option<&'a Detour> {
        let detour = self.observed.memory.detours.get(node)?;
        (detour.until > self.observed.now).then_some(detour)
    }
}

/// What is to be sent.
struct Bytes<'a> {
    cache_file: &'a FileName,
    /// It is not in the cache yet.
    comes: bool,
}

fn failed(detour: &Detour) -> RelayUnfit {
    RelayUnfit::Failed {
        until: detour.until,
        error: detour.error.clone(),
    }
}

impl fmt::Display for RelayUnfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWanted => f.write_str("no order wants it there"),
            Self::Unreachable => f.write_str("it does not answer"),
            Self::NoPerl => write!(f, "it has no {RECEIVER}"),
            Self::Suspended => f.write_str("it is suspended"),
            Self::Held => f.write_str("its own delivery is held back"),
            Self::Shared => f.write_str("another node delivers to its storage"),
            Self::OtherBytes => f.write_str("it has other bytes of this image"),
            Self::Failed { until, error } => write!(f, "left out until {until:.0}: {error}"),
        }
    }
}
