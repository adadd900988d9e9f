//! The releases that are in rings by what the sites of a fleet report.

use std::collections::{BTreeMap, BTreeSet};

use super::{RolloutLine, rings};
use crate::facts::{FleetView, RingReport};
use crate::model::{OrderId, Release, RingName, SiteName};
use crate::plan::{PlannedRing, PlannedRollout, RingState};

/// The releases that the controllers of a fleet bring to nodes at the moment: those that sites
/// reported lately, and where this controller leads, those of its own last run, `lines`. What
/// a standby had in its last run may be long over: of that only the order of the rings counts.
pub fn in_fleet(lines: &[RolloutLine], fleet: &FleetView, leads: bool) -> Vec<RolloutLine> {
    let mut told: BTreeMap<(&OrderId, &Release), ReportedRings<'_>> = BTreeMap::new();
    for (site, view) in fleet.sites.iter().filter(|(_, view)| view.is_fresh) {
        for (order, releases) in &view.report.rollouts {
            for (release, rings) in releases {
                let told = told.entry((order, release)).or_default();
                for (name, ring) in rings {
                    told.entry(name).or_default().insert(site, ring);
                }
            }
        }
    }
    let mut current = Vec::new();
    for line in lines.iter().filter(|_| leads) {
        told.remove(&(&line.planned.order, &line.planned.release));
        current.push(line.clone());
    }
    let others = told.into_iter();
    current.extend(others.filter_map(|((order, release), told)| {
        let known = rings(lines, order);
        let mut told: Vec<_> = told.into_iter().collect();
        told.sort_by_key(|(name, _)| {
            known
                .iter()
                .position(|own| own == name)
                .unwrap_or(usize::MAX)
        });
        reported(order, release, told)
    }));
    current
}

/// The rings of a release that sites report, with what each says.
type ReportedRings<'a> = BTreeMap<&'a RingName, BTreeMap<&'a SiteName, &'a RingReport>>;

/// A release as far as the reports of other sites say.
fn reported(
    order: &OrderId,
    release: &Release,
    rings: Vec<(&RingName, BTreeMap<&SiteName, &RingReport>)>,
) -> Option<RolloutLine> {
    let version = release.as_str().split('/').nth(2)?.parse().ok()?;
    let ring = |(name, parts): (&RingName, BTreeMap<&SiteName, &RingReport>)| PlannedRing {
        name: Some(name.clone()),
        // Whether it has begun where something is out of sync, they do not say.
        state: if parts.values().all(|part| part.nodes == 0) {
            // That a site has none of its nodes says nothing of those at others.
            RingState::Waiting {
                why: "no site with nodes of it reports".to_owned(),
                waits_for: None,
                until: None,
                needs_promotion: false,
            }
        } else if parts.values().all(|part| part.has_soaked) {
            RingState::Done
        } else if parts.values().all(|part| part.in_sync_seconds.is_some()) {
            RingState::Soaking { until: None }
        } else {
            RingState::Open
        },
        nodes: BTreeSet::new(),
        out_of_sync: parts
            .values()
            .flat_map(|part| part.behind.iter().cloned())
            .collect(),
        may_be_out_of_sync: 0,
        elsewhere: parts
            .iter()
            .filter(|(_, part)| part.nodes > 0)
            .map(|(site, part)| ((*site).clone(), part.nodes))
            .collect(),
        in_sync_since: None,
        soak_seconds: 0,
        is_open: false,
        is_manual: false,
    };
    let planned = PlannedRollout {
        order: order.clone(),
        release: release.clone(),
        version,
        doubt: None,
        without_nodes: BTreeMap::new(),
        rings: rings.into_iter().map(ring).collect(),
    };
    Some(RolloutLine::new(&planned, None))
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
        let rings = BTreeMap::from([("edge".parse().unwrap(), RingReport::default())]);
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
            let lines = in_fleet(std::slice::from_ref(&old), &view(is_fresh), leads);
            Vec::from_iter(releases(&lines, order))
        };
        let of_old = old.planned.release.clone();
        assert_eq!(current(true, false, &web), std::slice::from_ref(&new));
        assert_eq!(current(true, true, &web), [of_old.clone(), new]);
        assert_eq!(current(false, true, &web), [of_old]);
        assert_eq!(current(false, false, &web), []);
        assert_eq!(current(true, true, &db), []);
        let lines = in_fleet(&[], &view(true), false);
        assert_eq!(lines[0].planned.version.to_string(), "v1.12.0");
        assert_eq!(rings_named(&lines, &web), ["edge"]);
    }

    #[test]
    fn a_standby_knows_of_rings_what_the_sites_say_together() {
        let web: OrderId = "web".parse().unwrap();
        let own = RolloutLine::new(&half_way("web"), None);
        let told = |canary: &[(&str, Option<u64>, bool, &[&str])]| {
            let site =
                |(site, seconds, has_soaked, behind): &(&str, Option<u64>, bool, &[&str])| {
                    let ring = RingReport {
                        nodes: usize::from(!*has_soaked || seconds.is_some()) * 2,
                        out_of_sync: behind.len(),
                        behind: behind.iter().map(|node| node.parse().unwrap()).collect(),
                        in_sync_seconds: *seconds,
                        has_soaked: *has_soaked,
                    };
                    let all =
                        ["canary", "a-later-one"].map(|name| (name.parse().unwrap(), ring.clone()));
                    let releases = BTreeMap::from([(own.planned.release.clone(), all.into())]);
                    let report = SiteReport {
                        rollouts: BTreeMap::from([(web.clone(), releases)]),
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
                sites: canary.iter().map(site).collect(),
                ..FleetView::default()
            };
            let lines = in_fleet(std::slice::from_ref(&own), &view, false);
            assert_eq!(rings_named(&lines, &web), ["canary", "a-later-one"]);
            let ring = lines[0].planned.rings[0].clone();
            (ring.state.as_str(), message(&ring), elsewhere(&ring))
        };
        let nodes = Some("4 in other sites".to_owned());
        let ends = told(&[("brno", Some(9), true, &[]), ("prague", Some(9), true, &[])]);
        assert_eq!(ends, ("done", String::new(), nodes.clone()));
        let ends = told(&[
            ("brno", Some(9), true, &[]),
            ("prague", Some(1), false, &[]),
        ]);
        assert_eq!(ends, ("soaking", String::new(), nodes.clone()));
        let ends = told(&[
            ("brno", Some(9), true, &[]),
            ("prague", None, false, &["pve-3"]),
        ]);
        assert_eq!(ends, ("open", "out of sync: pve-3".to_owned(), nodes));
        // Every site reports on the rings that have no nodes there, as if they had soaked.
        let why = "no site with nodes of it reports".to_owned();
        assert_eq!(told(&[("brno", None, true, &[])]), ("waiting", why, None));
    }

    fn rings_named(lines: &[RolloutLine], order: &OrderId) -> Vec<String> {
        let rings = rings(lines, order).into_iter();
        rings.map(ToString::to_string).collect()
    }
}
