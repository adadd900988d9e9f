//! How far the images of an order are in its rings.

use std::collections::BTreeSet;

use askama::filters::Safe;

use super::frame::Visit;
use super::text::{Moment, moment};
use crate::conclude::RolloutLine;
use crate::conclude::rollouts::{self, elsewhere, in_sync, message, ring_name};
use crate::model::{OrderId, Release, RingName};
use crate::plan::{PlannedRing, RingState};

/// The rollouts of an order, for a template.
pub(super) struct RolloutView<'a> {
    pub images: Vec<InRings<'a>>,
    pub is_paused: bool,
    /// Something of them can be stopped.
    pub can_stop: bool,
    /// The rings that wait, which can be promoted to.
    pub waiting: Vec<&'a RingName>,
    /// Some node waits for its ring, or for the end of a stop.
    pub can_promote: bool,
    /// What a form is about.
    pub releases: BTreeSet<Release>,
    /// This controller is a standby.
    pub is_reported: bool,
}

/// An image in its rings.
pub(super) struct InRings<'a> {
    pub version: String,
    pub file: &'a str,
    /// Enough of its schematic to tell two of them apart.
    pub schematic: Option<&'a str>,
    /// The whole path, for whoever points at it.
    pub release: &'a Release,
    pub said: Vec<String>,
    pub rings: Vec<RingRow<'a>>,
}

/// A ring.
pub(super) struct RingRow<'a> {
    pub name: &'a str,
    pub state: &'static str,
    /// The class of its colours.
    pub class: &'static str,
    pub in_sync: String,
    pub message: String,
    /// When its soak or its wait ends.
    pub until: Option<Safe<Moment>>,
}

impl<'a> RolloutView<'a> {
    /// `None` where the order has no image in rings.
    pub(super) fn of(visit: &Visit<'a>, order: &OrderId) -> Option<Self> {
        let lines = visit.view.rollouts();
        let is_reported = visit.view.goes_by_reports();
        let own = lines.iter().filter(|line| line.planned.order == *order);
        let own: Vec<&RolloutLine> = own.collect();
        if own.is_empty() {
            return None;
        }
        let rings = own.iter().flat_map(|line| &line.planned.rings);
        let waits = |ring: &&PlannedRing| {
            matches!(ring.state, RingState::Waiting { .. } | RingState::Stopped)
        };
        let waiting: BTreeSet<&RingName> = rings
            .clone()
            .filter(waits)
            .filter_map(|ring| ring.name.as_ref())
            .collect();
        let is_stopped = own.iter().any(|line| line.is_stopped);
        let in_order = rollouts::rings(lines, order).into_iter();
        Some(Self {
            is_paused: own.iter().any(|line| line.is_paused),
            // Whether a ring is done for those who know more of it, a standby cannot tell.
            can_stop: own
                .iter()
                .any(|line| (is_reported || !line.is_done()) && !line.is_stopped),
            can_promote: is_stopped || is_reported || rings.clone().any(|ring| waits(&ring)),
            // Which of them wait, only the leaders know.
            waiting: in_order
                .filter(|ring| is_stopped || is_reported || waiting.contains(ring))
                .collect(),
            releases: rollouts::releases(lines, order),
            is_reported,
            images: own
                .into_iter()
                .map(|line| InRings::of(line, visit))
                .collect(),
        })
    }
}

impl<'a> InRings<'a> {
    fn of(line: &'a RolloutLine, visit: &Visit<'_>) -> Self {
        let rings = line.planned.rings.iter();
        Self {
            version: line.planned.version.to_string(),
            file: line.planned.release.file(),
            schematic: line.planned.release.short_schematic(),
            release: &line.planned.release,
            said: line.said(),
            rings: rings.map(|ring| RingRow::of(ring, visit)).collect(),
        }
    }
}

impl<'a> RingRow<'a> {
    fn of(ring: &'a PlannedRing, visit: &Visit<'_>) -> Self {
        let until = match ring.state {
            RingState::Soaking { until } | RingState::Waiting { until, .. } => until,
            RingState::Done | RingState::Open | RingState::Stopped => None,
        };
        let here = in_sync(ring).map(|(there, all)| format!("{there} of {all}"));
        let nodes: Vec<String> = here.into_iter().chain(elsewhere(ring)).collect();
        Self {
            name: ring_name(ring.name.as_ref()),
            state: ring.state.as_str(),
            class: match ring.state {
                RingState::Done => "in-sync",
                RingState::Soaking { .. } | RingState::Open => "in-progress",
                RingState::Waiting {
                    needs_promotion: true,
                    ..
                } => "blocked",
                RingState::Waiting { .. } => "waiting",
                RingState::Stopped => "suspended",
            },
            in_sync: nodes.join("; "),
            message: message(ring),
            until: until.map(|until| moment(until, visit.now)),
        }
    }
}
