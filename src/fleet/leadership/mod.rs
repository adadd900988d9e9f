//! Who leads a site: one of several controllers that share a store.
//!
//! Each site has an object in the store. Whoever wrote it last leads, and has to write
//! it again in time. `machine` decides what is read and written when, and is tried with
//! everything that can go wrong in `simulation`; `keeper` does it over a bucket, and tells
//! the [`Authority`](crate::nodes::Authority) that the work on nodes asks.

mod body;
mod fitness;
mod follower;
mod keeper;
mod machine;
mod object;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod word;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use self::machine::LeadershipMachine;
use self::object::InBucket;
use self::word::GivenWords;
use crate::bucket::Bucket;
use crate::model::{LeaderEpoch, SiteName};
use crate::nodes::{Authority, OwnClock};

pub(crate) use self::body::ControllerName;
pub(crate) use self::follower::{KeeperAnswer, OutrankedSites};
pub(crate) use self::keeper::SiteStandings;
pub(crate) use self::machine::SiteStanding;

/// Sites that are led, each with the epoch of its leader.
pub(crate) type LedEpochs = BTreeMap<SiteName, LeaderEpoch>;

/// How long an orderly stop waits for the store.
const FAREWELL: Duration = Duration::from_secs(5);

/// The leaderships that a controller keeps, or waits for. Dropped, they are kept no longer:
/// another controller takes over when their time is over.
#[derive(Debug)]
pub(crate) struct Leaderships {
    shown: ShownStandings,
    task: JoinHandle<()>,
    /// Cancelled to give them up; `None` where another process keeps them.
    stop: Option<CancellationToken>,
}

impl Leaderships {
    /// Begins to keep those of these sites, each with the authority over its nodes.
    pub(crate) fn keep(
        bucket: &Bucket,
        sites: &BTreeMap<SiteName, Authority>,
        me: &ControllerName,
        ttl: Duration,
    ) -> Self {
        let (standings, shown) = watch::channel(unknown(sites));
        let standings = Arc::new(standings);
        let stop = CancellationToken::new();
        let keepers: Vec<_> = sites
            .iter()
            .map(|(site, authority)| Keeper {
                site: site.clone(),
                object: InBucket::new(bucket.clone(), site),
                authority: authority.clone(),
                standings: Arc::clone(&standings),
                stop: stop.clone(),
            })
            .collect();
        let (bucket, me, stopped) = (bucket.clone(), me.clone(), stop.clone());
        let kept = async move {
            let is_fit = tokio::select! {
                is_fit = fitness::is_fit(&bucket) => is_fit,
                () = stopped.cancelled() => false,
            };
            if is_fit {
                let kept = keepers.into_iter().map(|keeper| {
                    let nonce = format!("{:016x}", fastrand::u64(..));
                    let now = keeper.authority.clock().now();
                    keeper.keep(LeadershipMachine::new(me.clone(), nonce, ttl, now))
                });
                futures_util::future::join_all(kept).await;
            }
        };
        Self {
            shown: ShownStandings::new(shown, sites),
            task: tokio::spawn(kept),
            stop: Some(stop),
        }
    }

    /// Leads what another process of the same controller keeps, as it says when it is asked.
    /// Has nothing to release.
    pub(crate) fn follow<F>(
        sites: &BTreeMap<SiteName, Authority>,
        ask: impl Fn(OutrankedSites) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = KeeperAnswer> + Send + 'static,
    {
        let (standings, shown) = watch::channel(unknown(sites));
        let following = follower::follow(sites.clone(), Arc::new(standings), ask);
        Self {
            shown: ShownStandings::new(shown, sites),
            task: tokio::spawn(following),
            stop: None,
        }
    }

    /// Where it is shown how things are.
    pub(crate) fn shown(&self) -> ShownStandings {
        self.shown.clone()
    }

    /// Gives up what is led, so that others take over at once: as soon as no other process
    /// of this controller works under it any more.
    pub(crate) async fn release(mut self) {
        let Some(stop) = &self.stop else { return };
        self.shown.words.end().await;
        let led = !self.shown.led().is_empty();
        stop.cancel();
        if tokio::time::timeout(FAREWELL, &mut self.task)
            .await
            .is_err()
            && led
        {
            tracing::warn!("the store did not answer; another controller takes over later");
        }
    }
}

impl Drop for Leaderships {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How things are with the leaderships of a controller. Clones show the same.
#[derive(Debug, Clone)]
pub(crate) struct ShownStandings {
    standings: watch::Receiver<SiteStandings>,
    authorities: Arc<BTreeMap<SiteName, Authority>>,
    words: Arc<GivenWords>,
}

impl ShownStandings {
    fn new(
        standings: watch::Receiver<SiteStandings>,
        sites: &BTreeMap<SiteName, Authority>,
    ) -> Self {
        let clock = sites.values().next().map(Authority::clock);
        let clock = clock.cloned().unwrap_or(OwnClock::Boot);
        Self {
            standings,
            authorities: Arc::new(sites.clone()),
            words: Arc::new(GivenWords::new(clock)),
        }
    }

    /// How things are now, by site.
    pub(crate) fn now(&self) -> SiteStandings {
        self.standings.borrow().clone()
    }

    /// The same for another process of this controller, with what is left of the time of a
    /// leader in place of its end. A leadership is not released before that is over.
    pub(crate) fn told(&self) -> SiteStandings {
        self.words.give(self.now())
    }

    /// Another process of this controller has met a node that knows a higher epoch.
    pub(crate) fn outranked(&self, site: &SiteName, by: LeaderEpoch) {
        if let Some(authority) = self.authorities.get(site) {
            authority.outranked(by);
        }
    }

    /// True for a site that is led, and may be worked on: its time is not over.
    pub(crate) fn is_led(&self, site: &SiteName) -> bool {
        let authority = self.authorities.get(site);
        self.led().contains(site) && authority.is_some_and(|authority| authority.fence().is_ok())
    }

    /// The sites that are led.
    pub(crate) fn led(&self) -> BTreeSet<SiteName> {
        led(&self.standings.borrow())
    }

    /// Waits until anything is different from when this was last called.
    pub(crate) async fn changed(&mut self) {
        if self.standings.changed().await.is_err() {
            // Nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    /// The sites that are led, each with its epoch.
    pub(crate) fn epochs(&self) -> LedEpochs {
        epochs(&self.standings.borrow())
    }

    /// Waits until not all of these are led any more under the same epochs.
    pub(crate) async fn lost(&self, led: &LedEpochs) {
        let mut shown = self.standings.clone();
        let is_lost = |now: &SiteStandings| {
            let now = epochs(now);
            led.iter().any(|(site, epoch)| now.get(site) != Some(epoch))
        };
        // Whoever kept them is gone, and so are they.
        let _ = shown.wait_for(is_lost).await;
    }
}

fn unknown(sites: &BTreeMap<SiteName, Authority>) -> SiteStandings {
    let unknown = sites
        .keys()
        .map(|site| (site.clone(), SiteStanding::Unknown));
    unknown.collect()
}

fn led(standings: &SiteStandings) -> BTreeSet<SiteName> {
    epochs(standings).into_keys().collect()
}

fn epochs(standings: &SiteStandings) -> LedEpochs {
    let led = standings
        .iter()
        .filter_map(|(site, standing)| match standing {
            SiteStanding::Leader { epoch, .. } => Some((site.clone(), *epoch)),
            SiteStanding::Standby { .. } | SiteStanding::Unknown => None,
        });
    led.collect()
}
