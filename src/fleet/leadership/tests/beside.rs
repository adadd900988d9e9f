//! A controller and a run beside it, on a paused clock.

use tokio::time::Instant;

use super::super::machine::{Task, Wrote};
use super::super::*;

fn site() -> SiteName {
    "prague".parse().unwrap()
}

fn controller(bucket: &Bucket, host: &str, clock: &OwnClock) -> (Leaderships, Authority) {
    let authority = Authority::on_clock(site(), clock.clone());
    let sites = [(site(), authority.clone())].into();
    let me = ControllerName::new(host, "cache");
    let ttl = Duration::from_secs(30);
    (Leaderships::keep(bucket, &sites, &me, ttl), authority)
}

/// A run of another process of that controller.
fn beside(controller: &Leaderships, clock: &OwnClock) -> (Leaderships, Authority) {
    let authority = Authority::on_clock(site(), clock.clone());
    let sites = [(site(), authority.clone())].into();
    let shown = controller.shown();
    let ask = move |outranked: OutrankedSites| {
        for (site, by) in &outranked {
            shown.outranked(site, *by);
        }
        let told = shown.told();
        async move { KeeperAnswer::Standings(told) }
    };
    (Leaderships::follow(&sites, ask), authority)
}

async fn leads(leaderships: &Leaderships) {
    let mut shown = leaderships.shown();
    while shown.led().is_empty() {
        shown.changed().await;
    }
}

/// Also one that is stopped, and hears of nothing: its word is over by then.
#[tokio::test(start_paused = true)]
async fn a_site_is_released_when_no_run_beside_works_under_it_any_more() {
    let (bucket, clock) = (Bucket::in_memory(), OwnClock::Paused(Instant::now()));
    let (first, _) = controller(&bucket, "a", &clock);
    leads(&first).await;
    let (second, authority) = controller(&bucket, "b", &clock);
    let (run, run_authority) = beside(&first, &clock);
    leads(&run).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(run_authority.fence().is_ok() && authority.fence().is_err());
    let stopped = Authority::on_clock(site(), clock.clone());
    let told = first.shown().told();
    let Some(SiteStanding::Leader { epoch, until }) = told.get(&site()) else {
        panic!("{told:?}");
    };
    stopped.grant(*epoch, clock.now() + *until);
    let begun = Instant::now();
    let releasing = tokio::spawn(first.release());
    let mut shown = second.shown();
    while shown.led().is_empty() {
        assert!(authority.fence().is_err());
        shown.changed().await;
    }
    assert!(run_authority.fence().is_err() && stopped.fence().is_err());
    assert!(authority.fence().is_ok());
    assert!(
        begun.elapsed() <= Duration::from_secs(11),
        "{:?}",
        begun.elapsed()
    );
    releasing.await.unwrap();
}

/// Late requests make the same of it in the simulation, where nobody can tell it apart.
#[test]
fn a_leadership_that_nobody_answered_for_is_released_too() {
    let me = ControllerName::new("a", "cache");
    let at = Duration::from_secs;
    let mut machine = LeadershipMachine::new(me, "nonce".to_owned(), at(30), at(0));
    assert_eq!(machine.next(at(0)), Task::Read);
    machine.read(at(0), Some(None));
    let Task::Write { body, after: None } = machine.next(at(0)) else {
        panic!("it does not take what nobody has");
    };
    machine.wrote(at(1), Wrote::Unclear);
    machine.leave();
    assert_eq!(machine.next(at(1)), Task::Read);
    machine.read(at(1), Some(Some((7, body))));
    let Task::Write { body, after } = machine.next(at(1)) else {
        panic!("it was accepted, and is not released");
    };
    assert_eq!((body.holder, after), (None, Some(7)));
    machine.wrote(at(2), Wrote::Done(8));
    assert_eq!(machine.next(at(2)), Task::Done);
}

#[tokio::test(start_paused = true)]
async fn without_a_run_beside_it_is_released_at_once() {
    let (bucket, clock) = (Bucket::in_memory(), OwnClock::Paused(Instant::now()));
    let (only, authority) = controller(&bucket, "a", &clock);
    leads(&only).await;
    let begun = Instant::now();
    only.release().await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(authority.fence().is_err());
}

/// The node is met by the run alone; the controller itself works on nothing.
#[tokio::test(start_paused = true)]
async fn what_a_run_beside_learns_of_a_higher_epoch_heals_the_controller() {
    let (bucket, clock) = (Bucket::in_memory(), OwnClock::Paused(Instant::now()));
    let (only, _) = controller(&bucket, "a", &clock);
    leads(&only).await;
    let (run, authority) = beside(&only, &clock);
    leads(&run).await;
    let led = run.shown().epochs();
    let shown = run.shown();
    let (lost, ()) = tokio::join!(shown.lost_within(&led), async {
        authority.outranked(LeaderEpoch::new(57));
    });
    assert!(lost);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let healed = |standing: &SiteStanding| matches!(standing, SiteStanding::Leader { epoch, .. } if epoch.number() == 58);
    assert!(only.shown().now().values().all(healed));
    assert!(run.shown().now().values().all(healed));
    assert_eq!(
        authority.fence().unwrap().unwrap().epoch,
        LeaderEpoch::new(58)
    );
}

impl ShownStandings {
    async fn lost_within(&self, led: &LedEpochs) -> bool {
        let lost = self.lost(led);
        tokio::time::timeout(Duration::from_secs(2), lost)
            .await
            .is_ok()
    }
}
