//! How far a release is in its rings: which have begun, and what the others wait for.

use jiff::{SignedDuration, Timestamp};

use super::spread::{ReleaseSpread, RingSpread};
use super::wait::{RingCause, RingWait};
use crate::facts::{FleetView, Promotion, RingMemory, RolloutInstruction, RolloutMemory};
use crate::model::{MaxUnavailable, NodeId, Ring, RingName, SiteName};
use crate::plan::rollout::{PlannedRing, RingState};
use crate::plan::stage::StageInput;

/// How many nodes a reason names.
const NAMED: usize = 3;

/// How far a release is.
#[derive(Default)]
pub(super) struct Progress {
    /// The rings that have nodes.
    pub rings: Vec<PlannedRing>,
    /// What each ring waits for, also those without nodes; `None` where it has begun.
    pub waits: Vec<Option<RingWait>>,
}

impl Progress {
    pub(super) fn of(input: &StageInput<'_>, spread: &ReleaseSpread<'_>) -> Self {
        let memory = &input.observed.memory;
        let release = &spread.release;
        let remembered = memory.rollouts.get(spread.order);
        let instruction = memory.instructed.get(spread.order);
        let walk = Walk {
            spread,
            now: input.observed.now,
            fleet: input.observed.fleet.as_ref(),
            remembered: remembered.and_then(|releases| releases.get(release)),
            is_paused: instruction.is_some_and(|said| said.is_paused),
            is_stopped: instruction.is_some_and(|said| said.stopped.contains(release)),
            promoted: promoted(spread, instruction),
            restarted: instruction.and_then(|said| said.restarted(release)),
        };
        walk.rings()
    }
}

/// How many rings an operator promoted the release to.
fn promoted(spread: &ReleaseSpread<'_>, instruction: Option<&RolloutInstruction>) -> usize {
    let rings = &spread.rollout.rings;
    match instruction.and_then(|said| said.promoted.get(&spread.release)) {
        Some(Promotion::Everywhere) => rings.len() + 1,
        Some(Promotion::UpTo(name)) => {
            // Of a ring that is gone it is not known how far it was.
            let at = rings.iter().position(|ring| ring.name == *name);
            at.map_or(0, |at| at + 1)
        }
        None => 0,
    }
}

/// The rings of a release, one after the other.
struct Walk<'a> {
    spread: &'a ReleaseSpread<'a>,
    now: Timestamp,
    fleet: Option<&'a FleetView>,
    remembered: Option<&'a RolloutMemory>,
    is_paused: bool,
    is_stopped: bool,
    promoted: usize,
    restarted: Option<Timestamp>,
}

/// How a ring is that has begun.
enum RingStanding {
    Done,
    /// It soaks, in this other site for the longest or else here.
    Soaking(Option<Timestamp>, Option<SiteName>),
    /// Something in it is out of sync, as a clause.
    Behind(String),
}

impl Walk<'_> {
    fn rings(&self) -> Progress {
        let mut progress = Progress::default();
        // What the first ring lacks that is not done, and with it all that follow.
        let mut lacking: Option<RingCause> = None;
        for (at, nodes) in self.spread.rings.iter().enumerate() {
            let ring = self.spread.rollout.rings.get(at);
            let name = ring.map(|ring| ring.name.clone());
            if nodes.is_empty() {
                progress.waits.push(None);
                continue;
            }
            let since = self.in_sync_since(ring, nodes);
            let standing = self.standing(ring, nodes, since);
            let is_whole = nodes.out_of_sync().next().is_none();
            let cause = self.cause(at, ring, nodes, lacking.as_ref());
            let has_begun = cause.is_none();
            // What has it all waits for nothing. That it has begun is not remembered for
            // that: nodes that come into the ring later would get the image at once.
            let cause = cause.filter(|_| !self.has_all(ring, nodes));
            let state = match (&cause, &standing) {
                (_, _) if self.is_stopped && !is_whole => RingState::Stopped,
                (Some(cause), _) => RingState::Waiting {
                    why: cause.why.clone(),
                    waits_for: cause.waits_for.clone(),
                    until: cause.until,
                    needs_promotion: cause.needs_promotion,
                },
                (None, RingStanding::Done) => RingState::Done,
                (None, RingStanding::Soaking(until, _)) => RingState::Soaking { until: *until },
                (None, RingStanding::Behind(_)) => RingState::Open,
            };
            progress
                .rings
                .push(self.planned(ring, nodes, since, state, has_begun));
            if lacking.is_none() {
                lacking = self.lack(name.as_ref(), cause.as_ref(), standing);
            }
            progress
                .waits
                .push(cause.map(|cause| RingWait { ring: name, cause }));
        }
        progress
    }

    /// What keeps a ring from getting the release; `None` if it has begun.
    fn cause(
        &self,
        at: usize,
        ring: Option<&Ring>,
        nodes: &RingSpread,
        lacking: Option<&RingCause>,
    ) -> Option<RingCause> {
        if self.is_stopped {
            return Some(RingCause::of("an operator stopped the image"));
        }
        if self.was_open(ring, nodes) || at < self.promoted {
            return None;
        }
        if self.is_paused {
            return Some(RingCause::of("an operator paused the rollout"));
        }
        if let Some(lacking) = lacking {
            return Some(lacking.clone());
        }
        if let Some(doubt) = &self.spread.doubt {
            return Some(RingCause::of(doubt));
        }
        let is_manual = ring.is_some_and(|ring| ring.is_manual);
        is_manual.then(RingCause::of_manual)
    }

    /// What the rings after one lack; `None` if it is done.
    fn lack(
        &self,
        name: Option<&RingName>,
        cause: Option<&RingCause>,
        standing: RingStanding,
    ) -> Option<RingCause> {
        let name = name?;
        if let Some(cause) = cause {
            // It is the reason for all of them.
            let is_own = self.is_paused || self.is_stopped || self.spread.doubt.is_some();
            return Some(match is_own {
                true => cause.clone(),
                false => RingCause::of_ring(name, "has not begun"),
            });
        }
        if let Some(doubt) = &self.spread.doubt {
            return Some(RingCause::of(doubt));
        }
        match standing {
            RingStanding::Done => None,
            RingStanding::Soaking(until, site) => {
                let cause = match site {
                    Some(site) => RingCause::of_ring(name, &format!("soaks in site {site}")),
                    None => RingCause::of_ring(name, "soaks"),
                };
                Some(RingCause { until, ..cause })
            }
            RingStanding::Behind(what) => Some(RingCause::of_ring(name, &what)),
        }
    }

    fn memory(&self, ring: Option<&Ring>) -> Option<&RingMemory> {
        self.remembered?.rings.get(&ring?.name)
    }

    /// It had begun in an earlier run, in all sites that this run is for, and an operator
    /// stopped nothing since then.
    fn was_open(&self, ring: Option<&Ring>, nodes: &RingSpread) -> bool {
        if self
            .remembered
            .is_some_and(|known| known.begins_anew(self.restarted))
        {
            return false;
        }
        let known = match ring {
            Some(_) => self.memory(ring).map(|known| (known.is_open, &known.sites)),
            None => self
                .remembered
                .map(|known| (known.is_rest_open, &known.rest_sites)),
        };
        known.is_some_and(|(is_open, sites)| is_open && nodes.are_within(sites))
    }

    /// All its nodes have the release; of nodes in other sites alone, as those say.
    fn has_all(&self, ring: Option<&Ring>, nodes: &RingSpread) -> bool {
        if !nodes.parts.is_empty() {
            return nodes.out_of_sync().next().is_none();
        }
        let mut elsewhere = nodes.elsewhere.iter();
        ring.is_some_and(|ring| {
            !nodes.is_lost
                && elsewhere
                    .all(|(site, expected)| self.elsewhere(ring, site, expected.len()).is_ok())
        })
    }

    /// Since when the nodes that this run is for are in sync; `None` where they are not, and
    /// where there are none.
    fn in_sync_since(&self, ring: Option<&Ring>, nodes: &RingSpread) -> Option<Timestamp> {
        let is_in_sync = self.behind_here(ring, nodes).is_none();
        if nodes.parts.is_empty() || !is_in_sync || self.spread.doubt.is_some() {
            return None;
        }
        Some(self.remembered_since(ring, nodes).unwrap_or(self.now))
    }

    /// The same as it is remembered: of nodes of a site that another controller led
    /// meanwhile nothing is.
    fn remembered_since(&self, ring: Option<&Ring>, nodes: &RingSpread) -> Option<Timestamp> {
        let known = self.memory(ring)?;
        known
            .in_sync_since
            .filter(|_| nodes.are_within(&known.sites))
    }

    /// How a ring is, if it has begun.
    fn standing(
        &self,
        ring: Option<&Ring>,
        nodes: &RingSpread,
        since: Option<Timestamp>,
    ) -> RingStanding {
        if let Some(what) = self.behind_here(ring, nodes) {
            return RingStanding::Behind(what);
        }
        // Nobody waits for the nodes without a ring.
        let Some(ring) = ring else {
            return RingStanding::Done;
        };
        let soak = SignedDuration::from_secs(i64::try_from(ring.soak_seconds).unwrap_or(i64::MAX));
        let end = |since: Timestamp| since.saturating_add(soak).unwrap_or(Timestamp::MAX);
        let until = since.map(end).filter(|until| *until > self.now);
        let mut site = None;
        for (other, expected) in &nodes.elsewhere {
            match self.elsewhere(ring, other, expected.len()) {
                Err(what) => return RingStanding::Behind(what),
                Ok(since) if end(since) > until.unwrap_or(self.now) => site = Some(other.clone()),
                Ok(_) => {}
            }
        }
        if nodes.is_lost {
            return RingStanding::Behind("has nodes whose site is not known".to_owned());
        }
        // When another site is done, only that site knows. What is not remembered yet begins
        // to soak when the run is over.
        let is_known = site.is_none() && self.remembered_since(Some(ring), nodes).is_some();
        match (until, &site) {
            (None, None) => RingStanding::Done,
            (until, _) => RingStanding::Soaking(until.filter(|_| is_known), site),
        }
    }

    /// What is out of sync among the nodes that this run is for, beyond what may be.
    fn behind_here(&self, ring: Option<&Ring>, nodes: &RingSpread) -> Option<String> {
        let most = ring.map_or(MaxUnavailable::Count(0), |ring| ring.max_unavailable);
        nodes.parts.values().find_map(|part| {
            let most = most.of(part.nodes.len());
            let count = part.out_of_sync.len();
            (count > most).then(|| {
                let all = part.nodes.len();
                let what = behind(part.out_of_sync.iter(), count, all);
                match most {
                    0 => what,
                    most => format!("{what}; at most {most} may be"),
                }
            })
        })
    }

    /// Since when the part of a ring in another site is in sync, by its report, or else what
    /// is missing.
    fn elsewhere(
        &self,
        ring: &Ring,
        site: &SiteName,
        expected: usize,
    ) -> Result<Timestamp, String> {
        let waits = |what: String| Err(format!("waits for site {site}: {what}"));
        let Some(fleet) = self.fleet else {
            return waits("its reports are not known".to_owned());
        };
        if let Some(trouble) = &fleet.trouble {
            return waits(format!("the store does not answer: {trouble}"));
        }
        if let Some(why) = fleet.invalid.get(site) {
            return waits(format!("its report is not valid: {why}"));
        }
        let Some(view) = fleet.sites.get(site) else {
            return waits("it has never reported".to_owned());
        };
        if !view.is_fresh {
            return waits("its last report is too old".to_owned());
        }
        let report = view.report.rollouts.get(self.spread.order);
        let report = report.and_then(|releases| releases.get(&self.spread.release));
        let Some(part) = report.and_then(|rings| rings.get(&ring.name)) else {
            return waits("it has not reported on this image yet".to_owned());
        };
        if part.nodes < expected {
            let nodes = part.nodes;
            return waits(format!("it reports on {nodes} of {expected} nodes"));
        }
        let Some(seconds) = part.in_sync_seconds else {
            if part.out_of_sync == 0 {
                return waits("it does not know yet since when it is in sync".to_owned());
            }
            let what = behind(part.behind.iter(), part.out_of_sync, part.nodes);
            return Err(format!("{what} in site {site}"));
        };
        // How it is by now is not known: time since the report counts as no time in sync.
        let seconds = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        Ok(self.now.saturating_sub(seconds).unwrap_or(Timestamp::MIN))
    }

    fn planned(
        &self,
        ring: Option<&Ring>,
        nodes: &RingSpread,
        since: Option<Timestamp>,
        state: RingState,
        is_open: bool,
    ) -> PlannedRing {
        let most = ring.map_or(MaxUnavailable::Count(0), |ring| ring.max_unavailable);
        let parts = nodes.parts.values();
        let elsewhere = nodes.elsewhere.iter();
        PlannedRing {
            name: ring.map(|ring| ring.name.clone()),
            state,
            nodes: nodes.nodes().cloned().collect(),
            out_of_sync: nodes.out_of_sync().cloned().collect(),
            may_be_out_of_sync: parts.map(|part| most.of(part.nodes.len())).sum(),
            elsewhere: elsewhere
                .map(|(site, nodes)| (site.clone(), nodes.len()))
                .collect(),
            in_sync_since: since,
            soak_seconds: ring.map_or(0, |ring| ring.soak_seconds),
            is_open,
            is_manual: ring.is_some_and(|ring| ring.is_manual),
        }
    }
}

/// `is out of sync on 3 of 10 nodes: a, b, …`
fn behind<'n>(nodes: impl Iterator<Item = &'n NodeId>, count: usize, all: usize) -> String {
    let named: Vec<&str> = nodes.take(NAMED).map(NodeId::as_str).collect();
    let more = if count > named.len() { ", …" } else { "" };
    match (count, named.as_slice()) {
        (_, []) => format!("is out of sync on {count} of {all} nodes"),
        (1, [one]) => format!("is out of sync on {one}"),
        (_, named) => {
            let named = named.join(", ");
            format!("is out of sync on {count} of {all} nodes: {named}{more}")
        }
    }
}
