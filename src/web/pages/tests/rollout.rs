//! The rings of an order on its page.

use std::sync::Arc;

use super::{Asked, OrderFiles, markup, order, small};
use crate::conclude::rollouts::tests::half_way;
use crate::conclude::{RolloutLine, SiteLine, SiteRole};
use crate::facts::{RolloutChange, RolloutInstruction};
use crate::plan::RingState;

/// The page of an order with a ring that has an image and one that waits, and what an
/// operator said.
fn page(asked: &Asked, changes: &[RolloutChange]) -> String {
    let mut fleet = small();
    let planned = half_way("harbor");
    let mut said = RolloutInstruction::default();
    for change in changes {
        said.change(change, jiff::Timestamp::UNIX_EPOCH);
    }
    Arc::make_mut(&mut fleet.view.status).rollouts = vec![
        RolloutLine::new(&planned, Some(&said)),
        RolloutLine::new(&half_way("x"), None),
    ];
    let page = order(&asked.visit(&fleet), "harbor", &OrderFiles::default());
    let page = page.unwrap().unwrap();
    let found = markup::problems(&page);
    assert!(found.is_empty(), "{found:#?}\n{page}");
    page
}

#[test]
fn it_shows_the_rings_and_offers_what_can_be_done() {
    let reader = page(&Asked::reader(), &[]);
    for text in [
        "canary",
        "1 of 1",
        "0 of 2",
        "it begins when ring canary has soaked",
    ] {
        assert!(reader.contains(text), "{text}\n{reader}");
    }
    assert!(!reader.contains("/actions/rollout"));

    let page = page(&Asked::operator(), &[]);
    let release = half_way("harbor").release;
    let hidden = format!("name=\"release\" value=\"{release}\"");
    // One ring waits: it, all, and the stop.
    assert_eq!(page.matches(&hidden).count(), 3, "{page}");
    for button in [
        "Promote to prod",
        "Promote to all",
        "Pause rollouts",
        "Stop the delivery",
    ] {
        assert!(
            page.contains(&format!("{button}</button>")),
            "{button}\n{page}"
        );
    }
    assert!(!page.contains("Promote to canary"));
}

#[test]
fn what_an_operator_said_is_shown_and_can_be_taken_back() {
    let releases = std::collections::BTreeSet::from([half_way("harbor").release]);
    let said = [RolloutChange::Pause, RolloutChange::Stop(releases)];
    let page = page(&Asked::operator(), &said);
    for text in [
        "paused: no further ring begins",
        "stopped: nothing more of it is delivered",
        "Resume rollouts</button>",
        "Promote to canary</button>",
    ] {
        assert!(page.contains(text), "{text}\n{page}");
    }
    assert!(!page.contains("Stop the delivery"));
}

#[test]
fn on_a_standby_also_what_is_reported_as_done_can_be_stopped() {
    let mut fleet = small();
    let mut planned = half_way("harbor");
    for ring in &mut planned.rings {
        ring.state = RingState::Done;
    }
    let line = RolloutLine::new(&planned, None);
    assert!(line.is_done());
    let sites = [SiteRole::Leader, SiteRole::Standby].map(|state| {
        let line = SiteLine {
            state,
            leader: None,
            epoch: None,
        };
        ("brno".parse().unwrap(), line)
    });
    fleet.view.fleet = Some(Arc::default());
    fleet.view.reported = Arc::new(vec![line.clone()]);
    let offers = sites.map(|site| {
        let status = Arc::make_mut(&mut fleet.view.status);
        status.rollouts = vec![line.clone()];
        status.sites = [site].into();
        let page = order(
            &Asked::operator().visit(&fleet),
            "harbor",
            &OrderFiles::default(),
        );
        page.unwrap()
            .unwrap()
            .contains("Stop the delivery</button>")
    });
    assert_eq!(offers, [false, true]);
}
