//! The sites of a fleet on the overview.

use super::super::*;
use crate::conclude::{FleetAnswer, FleetSite, ReportState};
use crate::facts::{NodeCounts, OrderCounts};
use crate::model::LeaderEpoch;

fn shown(answer: FleetAnswer) -> String {
    let mut fleet = small();
    fleet.view.fleet = Some(Arc::new(answer));
    let asked = Asked::reader();
    let query = OverviewQuery::default();
    let page = overview(&asked.visit(&fleet), &query, &fleet.history).unwrap();
    let found = markup::problems(&page);
    assert!(found.is_empty(), "{found:#?}\n{page}");
    page
}

#[test]
fn every_site_has_a_row_and_what_is_behind_is_below() {
    let brno = FleetSite {
        report: ReportState::Old,
        age_seconds: Some(7200),
        leader: Some("ctl-<b>3".to_owned()),
        epoch: Some(LeaderEpoch::new(4)),
        revision: None,
        nodes: NodeCounts {
            all: 3,
            in_sync: 2,
            silent: 1,
        },
        orders: OrderCounts { all: 2, in_sync: 1 },
        troubles: vec!["workers on pve-03: no <i>route".to_owned()],
    };
    let named = [("brno", brno), ("ostrava", FleetSite::default())];
    let page = shown(FleetAnswer {
        sites: named
            .map(|(name, site)| (name.parse().unwrap(), site))
            .into(),
        trouble: Some("no answer <within> 10 s".to_owned()),
    });
    for says in [
        "<th scope=\"row\">brno</th><td>ctl-&#60;b&#62;3 (epoch 4)</td><td>120 min ago: its leader is gone</td>",
        "<td>2 of 3 in sync, 1 unreachable</td><td>1 of 2 in sync</td>",
        "<th scope=\"row\">ostrava</th><td>–</td><td>none yet</td>",
        "Behind in brno: 1",
        "no answer &#60;within&#62; 10 s",
    ] {
        assert!(page.contains(says), "{says}\n{page}");
    }
}
