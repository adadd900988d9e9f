//! Promotions of releases, until their orders do not want them any more.
//!
//! A promotion ends only where a run saw it for a release that the order wanted then, and a
//! later one finds that it wants others: controllers of a fleet learn of new orders at
//! different times, and one that does not know a release yet must not end its promotion.

use std::collections::BTreeSet;

use super::ended::EndedRun;
use crate::facts::{Memory, Promotions, VersionKnowledge};
use crate::model::{OrderId, Release};
use crate::plan::{Look, PositionWant};

impl EndedRun<'_> {
    /// The promotions that are in effect, of releases that their order wants or wanted in an
    /// earlier run.
    pub(super) fn promotions_seen(&self) -> Promotions {
        let before = &self.memory.promotions_seen;
        let mut seen = Promotions::new();
        for (order, said) in &self.memory.instructed {
            for (release, to) in &said.promoted {
                let known = before.get(order).and_then(|known| known.get(release));
                // It may have been given after the last run that wanted the release.
                let wanted_before = self.memory.rollouts.get(order);
                let was_wanted = wanted_before.is_some_and(|known| known.contains_key(release));
                let is_seen = known == Some(to) || was_wanted;
                if is_seen || is_wanted(self.look, order, release) {
                    let of_order = seen.entry(order.clone()).or_default();
                    of_order.insert(release.clone(), to.clone());
                }
            }
        }
        seen
    }
}

/// The promotions that are over after a run, as far as that is beyond doubt. `memory` is what
/// is remembered after it, and `orders` are all that could be read, also those that the run
/// was not for.
pub fn promotions_over(memory: &Memory, look: &Look, orders: &BTreeSet<OrderId>) -> Promotions {
    let desired = &look.desired;
    // Orders that are all gone, or that cannot be read, may be back in the next run.
    let is_known = desired.complete && desired.doubt.is_none() && !orders.is_empty();
    let is_current = match &look.observed.catalog.versions {
        VersionKnowledge::Known { failures, .. } => failures.is_empty(),
        VersionKnowledge::Unknown { .. } => false,
        VersionKnowledge::NotNeeded => true,
    };
    if !is_known || !is_current || !memory.instruction_troubles.is_empty() {
        return Promotions::new();
    }
    let fleet = look.observed.fleet.as_ref();
    if fleet.is_some_and(|fleet| fleet.trouble.is_some()) {
        return Promotions::new();
    }
    // Another site may have it in its rings still: its orders come from elsewhere, or later.
    let is_in_rings = |order: &OrderId, release: &Release| {
        let sites = fleet.into_iter().flat_map(|fleet| fleet.sites.values());
        let mut reports = sites.filter(|site| site.is_fresh).map(|site| &site.report);
        reports.any(|report| {
            let releases = report.rollouts.get(order);
            releases.is_some_and(|releases| releases.contains_key(release))
        })
    };
    let seen = memory.promotions_seen.iter();
    let over = seen.filter_map(|(order, seen)| {
        if orders.contains(order) && !is_judged(look, order) {
            return None;
        }
        let over = seen.iter();
        let over = over.filter(|(release, _)| {
            !is_wanted(look, order, release) && !is_in_rings(order, release)
        });
        let over = over.map(|(release, to)| (release.clone(), to.clone()));
        Some((order.clone(), over.collect()))
    });
    over.filter(|(_, over): &(_, std::collections::BTreeMap<_, _>)| !over.is_empty())
        .collect()
}

/// True if it is known which releases an order wants, of one that the run was for.
fn is_judged(look: &Look, order: &OrderId) -> bool {
    let is_partial = look.desired.partial.contains(order);
    let mut wants = wants(look, order).peekable();
    !is_partial && wants.peek().is_some() && wants.all(|want| want.outcome.is_ok())
}

fn is_wanted(look: &Look, order: &OrderId, release: &Release) -> bool {
    let resolved = wants(look, order).filter_map(|want| want.outcome.as_ref().ok());
    let mut releases = resolved.map(|resolved| Release::of(&resolved.download));
    releases.any(|wanted| wanted == *release)
}

/// What an order wants, also at other sites.
fn wants<'a>(look: &'a Look, order: &'a OrderId) -> impl Iterator<Item = &'a PositionWant> {
    let all = look.desired.positions.iter();
    let all = all.chain(&look.desired.elsewhere);
    all.filter(move |want| want.position.order == *order)
}
