//! What is new of rollouts in what other controllers say.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{FleetView, RolloutInstruction, SiteReport};
use crate::model::{OrderId, Release, RingName, SiteName};

/// What other controllers say of rollouts, as far as a run may do something else for it.
#[derive(Debug, Default)]
pub(crate) struct RolloutNews {
    in_sync: Option<BTreeSet<SyncedRing>>,
    instructed: Option<BTreeMap<OrderId, RolloutInstruction>>,
}

/// A ring that is in sync with a release in a site, and whether it has soaked there. For how
/// long is no news: two sites would wake each other for as long as both soak.
type SyncedRing = (SiteName, OrderId, Release, RingName, bool);

impl RolloutNews {
    /// Takes it in; true if it is new. What nobody knew before is not.
    pub(crate) fn are_there(
        &mut self,
        view: &FleetView,
        instructed: Option<BTreeMap<OrderId, RolloutInstruction>>,
        own: &BTreeSet<SiteName>,
    ) -> bool {
        let mut is_new = false;
        if view.trouble.is_none() {
            // One that is old or not valid says nothing, so one that is again is news.
            let others = view.sites.iter();
            let others = others.filter(|(site, view)| view.is_fresh && !own.contains(*site));
            let in_sync = others.flat_map(|(site, view)| synced(site, &view.report));
            let before = self.in_sync.replace(in_sync.collect());
            is_new |= before.is_some() && before != self.in_sync;
        }
        if instructed.is_some() {
            let before = std::mem::replace(&mut self.instructed, instructed);
            is_new |= before.is_some() && before != self.instructed;
        }
        is_new
    }
}

fn synced(site: &SiteName, report: &SiteReport) -> impl Iterator<Item = SyncedRing> {
    let rollouts = report.rollouts.iter();
    let releases = rollouts.flat_map(|(order, releases)| {
        releases
            .iter()
            .map(move |(release, rings)| (order, release, rings))
    });
    releases.flat_map(move |(order, release, rings)| {
        let rings = rings
            .iter()
            .filter(|(_, ring)| ring.in_sync_seconds.is_some());
        rings.map(move |(name, ring)| {
            let (order, release) = (order.clone(), release.clone());
            (site.clone(), order, release, name.clone(), ring.has_soaked)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{RingReport, SiteView};

    fn view(site: &str, in_sync_seconds: Option<u64>) -> FleetView {
        let ring = RingReport {
            in_sync_seconds,
            has_soaked: in_sync_seconds.is_some_and(|seconds| seconds >= 100),
            ..RingReport::default()
        };
        let rings = BTreeMap::from([("first".parse().unwrap(), ring)]);
        let release = "image/a/v1.11.3/metal-amd64.iso".parse().unwrap();
        let releases = BTreeMap::from([(release, rings)]);
        let report = SiteReport {
            rollouts: BTreeMap::from([("workers".parse().unwrap(), releases)]),
            ..SiteReport::default()
        };
        let view = SiteView {
            age_seconds: 0,
            is_fresh: true,
            report,
        };
        FleetView {
            sites: BTreeMap::from([(site.parse().unwrap(), view)]),
            ..FleetView::default()
        }
    }

    #[test]
    fn a_ring_that_comes_into_sync_elsewhere_is_news_and_time_is_none() {
        let own = BTreeSet::from(["brno".parse().unwrap()]);
        let mut news = RolloutNews::default();
        let none = || Some(BTreeMap::new());
        assert!(!news.are_there(&view("prague", None), none(), &own));
        assert!(news.are_there(&view("prague", Some(0)), none(), &own));
        assert!(!news.are_there(&view("prague", Some(60)), none(), &own));
        assert!(news.are_there(&view("prague", Some(100)), none(), &own));
        assert!(news.are_there(&view("prague", Some(60)), none(), &own));
        // The store does not answer, and then it does.
        let silent = FleetView {
            trouble: Some("no answer".to_owned()),
            ..FleetView::default()
        };
        assert!(!news.are_there(&silent, None, &own));
        // A report that is not valid says nothing until it is again.
        let mut old = view("prague", Some(60));
        old.sites
            .values_mut()
            .for_each(|site| site.is_fresh = false);
        assert!(news.are_there(&old, none(), &own));
        assert!(news.are_there(&view("prague", Some(60)), none(), &own));
        assert!(!news.are_there(&view("prague", Some(90)), none(), &own));
        let paused = RolloutInstruction {
            is_paused: true,
            ..RolloutInstruction::default()
        };
        let said = BTreeMap::from([("workers".parse().unwrap(), paused)]);
        assert!(news.are_there(&view("prague", Some(90)), Some(said.clone()), &own));
        assert!(!news.are_there(&view("prague", Some(90)), Some(said), &own));
    }

    #[test]
    fn what_a_controller_says_itself_is_no_news() {
        let own = BTreeSet::from(["prague".parse().unwrap()]);
        let mut news = RolloutNews::default();
        assert!(!news.are_there(&view("prague", None), None, &own));
        assert!(!news.are_there(&view("prague", Some(0)), None, &own));
    }
}
