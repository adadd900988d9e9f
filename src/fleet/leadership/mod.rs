//! Who leads a site: one of several controllers that share a store.
//!
//! Each site has an object in the store. Whoever wrote it last leads, and has to write
//! it again in time. `machine` decides what is read and written when, and is tried with
//! everything that can go wrong in `simulation`; `keeper` does it over a bucket, and tells
//! the [`Authority`](crate::nodes::Authority) that the work on nodes asks.

mod body;
mod clock;
mod fitness;
mod follower;
mod keeper;
mod machine;
mod object;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::clock::OwnClock;
use self::keeper::Keeper;
use self::machine::LeadershipMachine;
use self::object::InBucket;
use crate::bucket::Bucket;
use crate::model::SiteName;
use crate::nodes::Authority;

pub(crate) use self::body::ControllerName;
pub(crate) use self::keeper::SiteStandings;
pub(crate) use self::machine::SiteStanding;

/// How long an orderly stop waits for the store.
const FAREWELL: Duration = Duration::from_secs(5);

/// The leaderships that a controller keeps, or waits for. Dropped, they are kept no longer:
/// another controller takes over when their time is over.
#[derive(Debug)]
pub(crate) struct Leaderships {
    standings: watch::Receiver<SiteStandings>,
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
                clock: OwnClock::Boot,
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
                    let now = keeper.clock.now();
                    keeper.keep(LeadershipMachine::new(me.clone(), nonce, ttl, now))
                });
                futures_util::future::join_all(kept).await;
            }
        };
        Self {
            standings: shown,
            task: tokio::spawn(kept),
            stop: Some(stop),
        }
    }

    /// Leads what another process of the same controller keeps, as it says when it is asked:
    /// in its answers the time of a leader is what is left of it. Has nothing to release.
    pub(crate) fn follow<F>(
        sites: &BTreeMap<SiteName, Authority>,
        ask: impl Fn() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Option<SiteStandings>> + Send + 'static,
    {
        let (standings, shown) = watch::channel(unknown(sites));
        let following = follower::follow(sites.clone(), Arc::new(standings), ask);
        Self {
            standings: shown,
            task: tokio::spawn(following),
            stop: None,
        }
    }

    /// Where it is shown how things are.
    pub(crate) fn shown(&self) -> ShownStandings {
        ShownStandings(self.standings.clone())
    }

    /// Gives up what is led, so that others take over at once.
    pub(crate) async fn release(mut self) {
        let Some(stop) = &self.stop else { return };
        let led = !led(&self.standings.borrow()).is_empty();
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
pub(crate) struct ShownStandings(watch::Receiver<SiteStandings>);

impl ShownStandings {
    /// How things are now, by site.
    pub(crate) fn now(&self) -> SiteStandings {
        self.0.borrow().clone()
    }

    /// The same with what is left of the time of a leader in place of its end.
    pub(crate) fn remaining(&self) -> SiteStandings {
        let now = OwnClock::Boot.now();
        let mut all = self.now();
        for standing in all.values_mut() {
            if let SiteStanding::Leader { until, .. } = standing {
                *until = until.saturating_sub(now);
            }
        }
        all
    }

    /// The sites that are led.
    pub(crate) fn led(&self) -> BTreeSet<SiteName> {
        led(&self.0.borrow())
    }

    /// Waits until anything is different from when this was last called.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nothing changes any more.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until not all of these are led.
    pub(crate) async fn lost(&self, sites: &BTreeSet<SiteName>) {
        let mut shown = self.0.clone();
        // Whoever kept them is gone, and so are they.
        let _ = shown.wait_for(|now| !led(now).is_superset(sites)).await;
    }
}

fn unknown(sites: &BTreeMap<SiteName, Authority>) -> SiteStandings {
    let unknown = sites
        .keys()
        .map(|site| (site.clone(), SiteStanding::Unknown));
    unknown.collect()
}

fn led(standings: &SiteStandings) -> BTreeSet<SiteName> {
    let standings = standings.iter();
    let led = standings.filter(|(_, standing)| matches!(standing, SiteStanding::Leader { .. }));
    led.map(|(site, _)| site.clone()).collect()
}
