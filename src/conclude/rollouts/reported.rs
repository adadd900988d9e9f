//! The releases that are in rings by what the sites of a fleet report.

use std::collections::{BTreeMap, BTreeSet};

use super::{RolloutLine, rings};
use crate::facts::{FleetView, RingReport};
use crate::model::{OrderId, Release, RingName, SiteName};
use crate::plan::{PlannedRing, PlannedRollout, RingState};

/// The releases that the controllers of a fleet bring to nodes at the moment: those that sites
/// reported lately, and where this controller leads, those of its own last run, `lines`. What
/// a standby had in its last run may be long over: of that only the order of the rings counts.
/// `sites` are those of the fleet, as far as it is known here.
pub fn in_fleet(
    lines: &[RolloutLine],
    fleet: &FleetView,
    leads: bool,
    sites: &[SiteName],
) -> Vec<RolloutLine> {
    let mut told: BTreeMap<(&OrderId, &Release), ReportedRelease<'_>> = BTreeMap::new();
    let fresh = || fleet.sites.iter().filter(|(_, view)| view.is_fresh);
    for (site, view) in fresh() {
        for (order, releases) in &view.report.rollouts {
            for (release, rings) in releases {
                let told = told.entry((order, release)).or_default();
                told.sites.insert(site);
                for (name, ring) in rings {
                    told.rings.entry(name).or_default().insert(site, ring);
                }
            }
        }
    }
    let mut current = Vec::new();
    for line in lines.iter().filter(|_| leads) {
        told.remove(&(&line.planned.order, &line.planned.release));
        current.push(line.clone());
    }
    let sites: BTreeSet<&SiteName> = sites.iter().chain(fresh().map(|(site, _)| site)).collect();
    current.extend(told.into_iter().filter_map(|((order, release), told)| {
        let unreported = sites.difference(&told.sites);
        let unreported: BTreeSet<SiteName> = unreported.map(|site| (*site).clone()).collect();
        let known = rings(lines, order);
        let place = |name: &RingName| known.iter().position(|own| *own == name);
        let mut rings: Vec<_> = told.rings.into_iter().collect();
        rings.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
        reported(order, release, rings, unreported)
    }));
    current
}

/// What sites report of a release.
#[derive(Default)]
struct ReportedRelease<'a> {
    sites: BTreeSet<&'a SiteName>,
    rings: BTreeMap<&'a RingName, ReportedRing<'a>>,
}

/// What each site reports of a ring.
type ReportedRing<'a> = BTreeMap<&'a SiteName, &'a RingReport>;

/// A release as far as the reports of other sites say; `None` where no ring of it has nodes.
fn reported(
    order: &OrderId,
    release: &Release,
    rings: Vec<(&RingName, ReportedRing<'_>)>,
    unreported: BTreeSet<SiteName>,
) -> Option<RolloutLine> {
    let version = release.as_str().split('/').nth(2)?.parse().ok()?;
    let rings = rings.into_iter();
    let rings =
        rings.filter_map(|(name, parts)| reported_ring(name, parts, !unreported.is_empty()));
    let planned = PlannedRollout {
        order: order.clone(),
        release: release.clone(),
        version,
        doubt: None,
        without_nodes: BTreeMap::new(),
        rings: rings.collect(),
    };
    let line = RolloutLine {
        unreported,
        ..RolloutLine::new(&planned, None)
    };
    (!line.planned.rings.is_empty()).then_some(line)
}

/// A ring by its reports; `None` where it has no nodes. `is_partial` where a site that may
/// have nodes of it has not reported the release.
fn reported_ring(
    name: &RingName,
    mut parts: ReportedRing<'_>,
    is_partial: bool,
) -> Option<PlannedRing> {
    // That a site has none of its nodes says nothing of those at others.
    parts.retain(|_, part| part.nodes > 0);
    let all = |is_so: fn(&RingReport) -> bool| parts.values().all(|part| is_so(part));
    // Whether it has begun where something is out of sync, they do not say.
    let state = match parts.is_empty() {
        true if !is_partial => return None,
        true => RingState::Waiting {
            why: "no site with nodes of it reports".to_owned(),
            waits_for: None,
            until: None,
            needs_promotion: false,
        },
        false if is_partial => RingState::Open,
        false if all(|part| part.has_soaked) => RingState::Done,
        false if all(|part| part.in_sync_seconds.is_some()) => RingState::Soaking { until: None },
        false => RingState::Open,
    };
    let behind = parts.values().flat_map(|part| part.behind.iter().cloned());
    let elsewhere = parts.iter();
    Some(PlannedRing {
        name: Some(name.clone()),
        state,
        nodes: BTreeSet::new(),
        out_of_sync: behind.collect(),
        may_be_out_of_sync: 0,
        elsewhere: elsewhere
            .map(|(site, part)| ((*site).clone(), part.nodes))
            .collect(),
        in_sync_since: None,
        soak_seconds: 0,
        is_open: false,
        is_manual: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::rollouts::tests::half_way;
    use crate::conclude::rollouts::{elsewhere, message, releases};
    use crate::facts::{SiteReport, SiteView};

    #[test]
    fn in_a_fleet_a_standby_goes_by_what_sites_report() {
        let (web, db): (OrderId, OrderId) = ("web".parse().unwrap(), "db".parse().unwrap());
        let old = RolloutLine::new(&half_way("web"), None);
        let new: Release = "image/id/v1.12.0/metal-amd64.iso".parse().unwrap();
        let rings = BTreeMap::from([("edge".parse().unwrap(), some())]);
        let report = SiteReport {
            rollouts: BTreeMap::from([(web.clone(), BTreeMap::from([(new.clone(), rings)]))]),
            ..SiteReport::default()
        };
        let view = |is_fresh| FleetView {
            sites: BTreeMap::from([(
                "brno".parse().unwrap(),
                SiteView {
                    age_seconds: 0,
                    is_fresh,
                    report: report.clone(),
                },
            )]),
            ..FleetView::default()
        };
        let current = |is_fresh, leads, order: &OrderId| {
            let lines = in_fleet(std::slice::from_ref(&old), &view(is_fresh), leads, &[]);
            Vec::from_iter(releases(&lines, order))
        };
        let of_old = old.planned.release.clone();
        assert_eq!(current(true, false, &web), std::slice::from_ref(&new));
        assert_eq!(current(true, true, &web), [of_old.clone(), new]);
        assert_eq!(current(false, true, &web), [of_old]);
        assert_eq!(current(false, false, &web), []);
        assert_eq!(current(true, true, &db), []);
        let lines = in_fleet(&[], &view(true), false, &[]);
        assert_eq!(lines[0].planned.version.to_string(), "v1.12.0");
        assert_eq!(rings_named(&lines, &web), ["edge"]);
    }

    /// A ring with two nodes in a site that have soaked.
    fn some() -> RingReport {
        RingReport {
            nodes: 2,
            in_sync_seconds: Some(9),
            has_soaked: true,
            ..RingReport::default()
        }
    }

    /// A ring without nodes in a site, before the first run of its leader and after it.
    fn none(is_first: bool) -> RingReport {
        RingReport {
            nodes: 0,
            in_sync_seconds: (!is_first).then_some(9),
            has_soaked: !is_first,
            ..RingReport::default()
        }
    }

    /// What a standby of the sites brno and prague shows of the image.
    fn told(own: &RolloutLine, sites: &[(&str, &[(&str, RingReport)])]) -> Vec<RolloutLine> {
        let site = |(site, rings): &(&str, &[(&str, RingReport)])| {
            let rings = rings.iter();
            let rings = rings.map(|(name, ring)| (name.parse().unwrap(), ring.clone()));
            let releases = BTreeMap::from([(own.planned.release.clone(), rings.collect())]);
            let report = SiteReport {
                rollouts: BTreeMap::from([(own.planned.order.clone(), releases)]),
                ..SiteReport::default()
            };
            let view = SiteView {
                age_seconds: 0,
                is_fresh: true,
                report,
            };
            (site.parse().unwrap(), view)
        };
        let view = FleetView {
            sites: sites.iter().map(site).collect(),
            ..FleetView::default()
        };
        let known = ["brno", "prague"].map(|site| site.parse().unwrap());
        in_fleet(std::slice::from_ref(own), &view, false, &known)
    }

    #[test]
    fn a_standby_knows_of_rings_what_the_sites_say_together() {
        let web: OrderId = "web".parse().unwrap();
        let own = RolloutLine::new(&half_way("web"), None);
        let ends = |brno: RingReport, prague: RingReport| {
            let [brno, prague] =
                [brno, prague].map(|ring| [("a-later-one", some()), ("canary", ring)]);
            let lines = told(&own, &[("brno", &brno), ("prague", &prague)]);
            assert_eq!(rings_named(&lines, &web), ["canary", "a-later-one"]);
            let ring = &lines[0].planned.rings[0];
            (ring.state.as_str(), message(ring), elsewhere(ring))
        };
        let nodes = |count: usize| Some(format!("{count} in other sites"));
        assert_eq!(ends(some(), some()), ("done", String::new(), nodes(4)));
        let soaking = RingReport {
            has_soaked: false,
            ..some()
        };
        let is_soaking = ("soaking", String::new(), nodes(4));
        assert_eq!(ends(some(), soaking.clone()), is_soaking);
        let behind = RingReport {
            nodes: 2,
            out_of_sync: 1,
            behind: BTreeSet::from(["pve-3".parse().unwrap()]),
            ..RingReport::default()
        };
        let is_open = ("open", "out of sync: pve-3".to_owned(), nodes(4));
        assert_eq!(ends(some(), behind), is_open);
        // A site with none of its nodes keeps it from nothing and brings it nowhere.
        for is_first in [true, false] {
            let is_done = ("done", String::new(), nodes(2));
            assert_eq!(ends(some(), none(is_first)), is_done);
            let is_soaking = ("soaking", String::new(), nodes(2));
            assert_eq!(ends(none(is_first), soaking.clone()), is_soaking);
        }
    }

    #[test]
    fn a_standby_calls_nothing_done_before_every_site_reports_the_image() {
        let web: OrderId = "web".parse().unwrap();
        let own = RolloutLine::new(&half_way("web"), None);
        let brno: &[(&str, RingReport)] = &[("canary", some()), ("prod", none(false))];
        let states = |lines: &[RolloutLine]| {
            let rings = lines[0].planned.rings.iter();
            Vec::from_iter(rings.map(|ring| (message(ring), ring.state.as_str())))
        };
        let lines = told(&own, &[("brno", brno)]);
        let why = "no site with nodes of it reports".to_owned();
        let partial = [(String::new(), "open"), (why, "waiting")];
        assert_eq!(states(&lines), partial);
        assert!(!lines[0].is_done());
        let said = ["site prague has not reported this image"];
        assert_eq!(lines[0].said(), said);
        // A ring without nodes anywhere is not shown, as by a leader.
        let lines = told(&own, &[("brno", brno), ("prague", brno)]);
        assert_eq!(rings_named(&lines, &web), ["canary"]);
        assert!(lines[0].is_done() && lines[0].said().is_empty());
        let empty: &[(&str, RingReport)] = &[("canary", none(false))];
        assert_eq!(told(&own, &[("brno", empty), ("prague", empty)]), []);
    }

    fn rings_named(lines: &[RolloutLine], order: &OrderId) -> Vec<String> {
        let rings = rings(lines, order).into_iter();
        rings.map(ToString::to_string).collect()
    }
}
