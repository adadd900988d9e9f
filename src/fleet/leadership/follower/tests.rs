//! A run beside a controller, on a paused clock.

use std::sync::Mutex;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::nodes::OwnClock;

/// Another process, as it answers.
#[derive(Clone)]
struct Other {
    answer: Arc<Mutex<KeeperAnswer>>,
    heard: Arc<Mutex<OutrankedSites>>,
}

struct Follower {
    other: Other,
    authority: Authority,
    shown: watch::Receiver<SiteStandings>,
    task: JoinHandle<()>,
}

fn site() -> SiteName {
    "prague".parse().unwrap()
}

fn leads(epoch: u64) -> KeeperAnswer {
    let leader = SiteStanding::Leader {
        epoch: LeaderEpoch::new(epoch),
        until: Duration::from_secs(5),
    };
    KeeperAnswer::Standings([(site(), leader)].into())
}

/// One that follows a leader under epoch 7.
async fn follower() -> Follower {
    let other = Other {
        answer: Arc::new(Mutex::new(leads(7))),
        heard: Arc::default(),
    };
    let authority = Authority::on_clock(site(), OwnClock::Paused(Instant::now()));
    let (standings, shown) = watch::channel(SiteStandings::new());
    let asked = other.clone();
    let ask = move |outranked: OutrankedSites| {
        asked.heard.lock().unwrap().extend(outranked);
        let answer = asked.answer.lock().unwrap().clone();
        async move { answer }
    };
    let authorities = [(site(), authority.clone())].into();
    let task = tokio::spawn(follow(authorities, Arc::new(standings), ask));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(authority.fence().is_ok());
    Follower {
        other,
        authority,
        shown,
        task,
    }
}

impl Follower {
    fn answers(&self, answer: KeeperAnswer) {
        *self.other.answer.lock().unwrap() = answer;
    }

    fn may(&self) -> bool {
        self.authority.fence().is_ok()
    }

    fn leads(&self) -> bool {
        let shown = self.shown.borrow();
        matches!(shown.get(&site()), Some(SiteStanding::Leader { .. }))
    }
}

async fn seconds(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_gone_or_knows_nothing_ends_the_run_at_once() {
    let unknown = KeeperAnswer::Standings([(site(), SiteStanding::Unknown)].into());
    for answer in [KeeperAnswer::NotRunning, unknown] {
        let follower = follower().await;
        seconds(10.0).await;
        assert!(follower.may() && follower.leads());
        follower.answers(answer);
        seconds(1.0).await;
        assert!(!follower.may() && !follower.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn a_word_holds_until_its_time_is_over_and_no_longer() {
    let follower = follower().await;
    follower.answers(KeeperAnswer::Silence);
    seconds(4.8).await;
    assert!(follower.may());
    // Also where nobody asks any more.
    follower.task.abort();
    let other = self::follower().await;
    let granted = other.authority.clone();
    other.answers(KeeperAnswer::Silence);
    seconds(0.5).await;
    assert!(!follower.may() && granted.fence().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_controller_hears_of_a_higher_epoch_and_the_run_ends() {
    let follower = follower().await;
    follower.authority.outranked(LeaderEpoch::new(57));
    assert!(!follower.may());
    seconds(1.0).await;
    assert!(!follower.leads());
    let heard = follower.other.heard.lock().unwrap().clone();
    assert_eq!(heard, [(site(), LeaderEpoch::new(57))].into());
    // The controller leads under a higher one now.
    follower.answers(leads(58));
    seconds(1.0).await;
    assert!(follower.may() && follower.leads());
}
