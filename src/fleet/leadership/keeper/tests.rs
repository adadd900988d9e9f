//! Controllers that share a store, on a paused clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::fleet::leadership::body::{ControllerName, LeadershipBody};
use crate::model::LeaderEpoch;
use crate::nodes::OwnClock;

/// A store that answers at once, or not at all.
#[derive(Clone, Default)]
struct Store {
    body: Arc<Mutex<Option<LeadershipBody>>>,
    hangs: Arc<AtomicBool>,
}

impl Store {
    async fn answers(&self) {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl LeadershipObject for Store {
    type Tag = LeadershipBody;

    async fn read(&self) -> Result<Option<(Self::Tag, LeadershipBody)>, ObjectError> {
        self.answers().await;
        let body = self.body.lock().unwrap().clone();
        Ok(body.map(|body| (body.clone(), body)))
    }

    async fn write(
        &self,
        body: &LeadershipBody,
        after: Option<Self::Tag>,
    ) -> Result<Wrote<Self::Tag>, ObjectError> {
        self.answers().await;
        let mut known = self.body.lock().unwrap();
        if *known != after {
            return Ok(Wrote::Unclear);
        }
        *known = Some(body.clone());
        Ok(Wrote::Done(body.clone()))
    }
}

struct Controller {
    authority: Authority,
    stop: CancellationToken,
    task: JoinHandle<()>,
    standings: watch::Receiver<SiteStandings>,
}

fn site() -> SiteName {
    "prague".parse().unwrap()
}

fn controller(host: &str, object: Store, begun: Instant) -> Controller {
    let clock = OwnClock::Paused(begun);
    let authority = Authority::on_clock(site(), clock.clone());
    let (standings, shown) = watch::channel(SiteStandings::new());
    let stop = CancellationToken::new();
    let me = ControllerName::new(host, "cache");
    let ttl = Duration::from_secs(30);
    let machine = LeadershipMachine::new(me, host.to_owned(), ttl, clock.now());
    let keeper = Keeper {
        site: site(),
        object,
        authority: authority.clone(),
        standings: Arc::new(standings),
        stop: stop.clone(),
    };
    Controller {
        authority,
        stop,
        task: tokio::spawn(keeper.keep(machine)),
        standings: shown,
    }
}

impl Controller {
    /// Waits until it leads, and says under which epoch.
    async fn leads(&mut self) -> LeaderEpoch {
        let leads = |standings: &SiteStandings| {
            matches!(standings.get(&site()), Some(SiteStanding::Leader { .. }))
        };
        let _ = self.standings.wait_for(leads).await.unwrap();
        self.authority.fence().unwrap().unwrap().epoch
    }

    fn may(&self) -> bool {
        self.authority.fence().is_ok()
    }
}

#[tokio::test(start_paused = true)]
async fn another_controller_takes_over_at_once_after_an_orderly_stop() {
    let (store, begun) = (Store::default(), Instant::now());
    let mut first = controller("a", store.clone(), begun);
    assert_eq!(first.leads().await, LeaderEpoch::new(1));
    let mut second = controller("b", store, begun);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(first.may() && !second.may());
    let stopped = Instant::now();
    first.stop.cancel();
    assert_eq!(second.leads().await, LeaderEpoch::new(2));
    assert!(
        stopped.elapsed() <= Duration::from_secs(5),
        "{:?}",
        stopped.elapsed()
    );
    assert!(!first.may());
    first.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_it_takes_over_within_forty_seconds() {
    for at in [0, 3, 9, 11] {
        let (store, begun) = (Store::default(), Instant::now());
        let mut first = controller("a", store.clone(), begun);
        first.leads().await;
        let mut second = controller("b", store, begun);
        tokio::time::sleep(Duration::from_secs(60 + at)).await;
        let killed = Instant::now();
        first.task.abort();
        assert_eq!(second.leads().await, LeaderEpoch::new(2));
        let took = killed.elapsed();
        assert!(
            took > Duration::from_secs(20) && took <= Duration::from_secs(40),
            "{took:?}"
        );
        assert!(!first.may());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_stops_in_time_when_the_store_hangs_and_leads_on_when_it_answers() {
    let (store, begun) = (Store::default(), Instant::now());
    let mut only = controller("a", store.clone(), begun);
    only.leads().await;
    store.hangs.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert!(only.may());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(!only.may());
    tokio::time::sleep(Duration::from_secs(100)).await;
    store.hangs.store(false, Ordering::Relaxed);
    // Nobody else was there.
    assert_eq!(only.leads().await, LeaderEpoch::new(1));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_a_node_takes_for_outdated_leads_on_under_a_higher_epoch() {
    let (store, begun) = (Store::default(), Instant::now());
    let mut only = controller("a", store, begun);
    only.leads().await;
    only.authority.outranked(LeaderEpoch::new(57));
    assert!(!only.may());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(only.leads().await, LeaderEpoch::new(58));
}
