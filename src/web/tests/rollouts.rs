//! Instructions for rollouts, sent by a program with its token.

use super::{assert_code, serve};
use crate::conclude::rollouts::tests::half_way;
use crate::conclude::{EventRecord, FleetAnswer, RolloutLine, SiteLine, SiteRole, Status};
use crate::facts::{FleetView, Promotion, RolloutChange};

const TOKEN: &str = "Authorization: Bearer token-of-bob";
const PATH: &str = "POST /actions/rollout";

#[tokio::test]
async fn only_the_images_that_are_shown_are_promoted_and_stopped() {
    let served = serve(Some(&["bob"])).await;
    let planned = half_way("web");
    served.live.status_changed(&Status {
        rollouts: vec![RolloutLine::new(&planned, None)],
        ..Status::default()
    });
    let ask = async |form: &str| served.ask(PATH, &[TOKEN], form).await;
    let shown = format!("order=web&release={}", planned.release);
    for (form, code) in [
        ("do=pause".to_owned(), 400),
        ("do=begin&order=web".to_owned(), 400),
        ("do=promote&order=web&release=nonsense".to_owned(), 400),
        // Nothing is shown, or something else.
        ("do=promote&order=web".to_owned(), 409),
        (
            "do=rollback&order=web&release=image/id/v1.11.1/metal-amd64.iso".to_owned(),
            409,
        ),
        ("do=promote&order=other".to_owned(), 409),
        (format!("do=promote&to=edge&{shown}"), 409),
    ] {
        assert_code(&ask(&form).await, code);
    }
    assert!(served.asks.2.lock().unwrap().is_empty());
    assert_code(
        &served.ask(PATH, &[], &format!("do=rollback&{shown}")).await,
        401,
    );

    let answer = ask(&format!("do=promote&to=prod&{shown}")).await;
    assert_code(&answer, 200);
    let line = "promote v1.11.2 of order web to ring prod: by bob (status page, 127.0.0.1)\n";
    assert!(answer.ends_with(line), "{answer}");
    let ring = Promotion::UpTo("prod".parse().unwrap());
    let rollouts = served.live.view().status.rollouts.clone();
    assert_eq!(rollouts[0].promoted, Some(ring.clone()));
    assert_code(&ask(&format!("do=rollback&{shown}")).await, 200);
    assert!(served.live.view().status.rollouts[0].is_stopped);
    assert_code(&ask("do=pause&order=web").await, 200);
    assert!(served.live.view().status.rollouts[0].is_paused);

    let releases = std::collections::BTreeSet::from([planned.release]);
    let web = || "web".parse().unwrap();
    let promote = RolloutChange::Promote {
        releases: releases.clone(),
        to: ring,
    };
    assert_eq!(
        *served.asks.2.lock().unwrap(),
        [
            (web(), promote),
            (web(), RolloutChange::Stop(releases)),
            (web(), RolloutChange::Pause)
        ]
    );
    let events = served.state.events().read().unwrap();
    let actions = events.iter().map(|event| match event {
        EventRecord::Action(action) => action.action.to_string(),
        EventRecord::Step(_) => panic!("no step ran"),
    });
    assert_eq!(Vec::from_iter(actions), ["promote", "rollback", "pause"]);
}

#[tokio::test]
async fn on_a_standby_the_images_are_those_that_the_leaders_report() {
    let served = serve(Some(&["bob"])).await;
    let (old, mut new) = (half_way("web"), half_way("web"));
    new.release = "image/id/v1.12.0/metal-amd64.iso".parse().unwrap();
    let line = SiteLine {
        state: SiteRole::Standby,
        leader: Some("ctl-1".to_owned()),
        epoch: None,
    };
    let status = |state| Status {
        rollouts: vec![RolloutLine::new(&old, None)],
        sites: [(
            "brno".parse().unwrap(),
            SiteLine {
                state,
                ..line.clone()
            },
        )]
        .into(),
        ..Status::default()
    };
    served.live.status_changed(&status(SiteRole::Standby));
    let fleet = FleetAnswer::new(&FleetView::default(), &[]);
    let reported = vec![RolloutLine::new(&new, None)];
    served.live.fleet_changed(fleet, reported);
    let ask = async |release: &str| {
        let form = format!("do=rollback&order=web&release={release}");
        served.ask(PATH, &[TOKEN], &form).await
    };
    assert_code(&ask(old.release.as_str()).await, 409);
    assert_code(&ask(new.release.as_str()).await, 200);
    assert!(served.live.view().rollouts()[0].is_stopped);
    // Once it leads, it goes by what it sees itself.
    served.live.status_changed(&status(SiteRole::Leader));
    assert_code(&ask(new.release.as_str()).await, 409);
    assert_code(&ask(old.release.as_str()).await, 200);
}
