//! The sites that a controller of a fleet leads, as its runs and its pages use them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::conclude::{SiteLine, SiteRole};
use crate::daemon::Waker;
use crate::error::chain;
use crate::fleet::{LedEpochs, OutrankedSites, ShownStandings, SiteStanding, SiteStandings};
use crate::live::Live;
use crate::model::{SiteName, Trigger};
use crate::store::StateDir;

/// The sites of a fleet that a controller leads at the moment. Clones show the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct LedSites(
    /// `None` for a single controller, which leads everything.
    Option<ShownStandings>,
);

impl LedSites {
    /// Those of a fleet.
    pub(super) fn of(shown: ShownStandings) -> Self {
        Self(Some(shown))
    }

    /// Where it is shown who leads; `None` for a single controller.
    pub(super) fn shown(&self) -> Option<ShownStandings> {
        self.0.clone()
    }

    /// The sites that are led now; `None` for a single controller.
    pub(crate) fn led(&self) -> Option<BTreeSet<SiteName>> {
        self.0.as_ref().map(ShownStandings::led)
    }

    /// The same with their epochs: what was planned under one is not done under another.
    pub(crate) fn epochs(&self) -> Option<LedEpochs> {
        self.0.as_ref().map(ShownStandings::epochs)
    }

    /// A run, which is stopped when not all of the sites are led any more that it is for,
    /// under the epochs with which it began; also why it was, on one line.
    pub(crate) async fn while_led<T>(
        &self,
        led: Option<&LedEpochs>,
        stop: &CancellationToken,
        run: impl Future<Output = T>,
    ) -> (T, Option<String>) {
        let mut run = pin!(run);
        tokio::select! {
            done = &mut run => return (done, None),
            () = self.lost(led) => {}
        }
        let why = self.lost_line(led);
        tracing::warn!("the run stops: {why}");
        stop.cancel();
        (run.await, Some(why))
    }

    /// Which of these sites are not led any more: also where it is not shown yet that their
    /// time is over.
    pub(crate) fn lost_line(&self, led: Option<&LedEpochs>) -> String {
        let is_led = |site: &SiteName| self.0.as_ref().is_some_and(|shown| shown.is_led(site));
        let lost = led.into_iter().flat_map(LedEpochs::keys);
        let lost: Vec<&str> = lost
            .filter(|site| !is_led(site))
            .map(SiteName::as_str)
            .collect();
        match lost.as_slice() {
            // It leads again by now, under another epoch.
            [] => "this controller did not lead for a moment".to_owned(),
            [site] => format!("this controller does not lead the site {site} any more"),
            sites => {
                let sites = sites.join(", ");
                format!("this controller does not lead the sites {sites} any more")
            }
        }
    }

    /// Waits until not all of these are led any more under the same epochs.
    async fn lost(&self, led: Option<&LedEpochs>) {
        match (&self.0, led) {
            (Some(shown), Some(led)) => shown.lost(led).await,
            _ => std::future::pending().await,
        }
    }

    /// Why no run is done now, on one line.
    pub(super) fn standby(&self) -> Option<String> {
        let shown = self.0.as_ref()?;
        if !shown.led().is_empty() {
            return None;
        }
        let sites = lines(shown).into_iter();
        let sites: Vec<String> = sites
            .map(|(site, line)| format!("site {site}: {line}"))
            .collect();
        Some(sites.join("; "))
    }

    /// Who leads the sites, for another process of this controller, with what is left of the
    /// time of this one where it does.
    pub(super) fn told(&self) -> SiteStandings {
        let shown = self.0.as_ref();
        shown.map(ShownStandings::told).unwrap_or_default()
    }

    /// Another process of this controller has met nodes that know higher epochs.
    pub(super) fn outranked(&self, sites: &OutrankedSites) {
        let Some(shown) = &self.0 else { return };
        for (site, by) in sites {
            shown.outranked(site, *by);
        }
    }
}

/// Tells files, page and loop of every change until it is dropped.
pub(super) struct LeadWatch(JoinHandle<()>);

impl LeadWatch {
    pub(super) fn start(
        led: LedSites,
        state: StateDir,
        live: Option<Live>,
        waker: Waker,
    ) -> Option<Self> {
        let Some(mut shown) = led.0 else {
            // What an earlier configuration left.
            tell(&state, live.as_ref(), BTreeMap::new());
            return None;
        };
        Some(Self(tokio::spawn(async move {
            let mut led = BTreeSet::new();
            loop {
                tell(&state, live.as_ref(), lines(&shown));
                let now = shown.led();
                // A run follows with what is led now; without anything it says so.
                if now != led {
                    waker.wake(Trigger::Start);
                }
                led = now;
                shown.changed().await;
            }
        })))
    }
}

impl Drop for LeadWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn tell(state: &StateDir, live: Option<&Live>, sites: BTreeMap<SiteName, SiteLine>) {
    if let Some(live) = live {
        live.sites_changed(&sites);
    }
    if let Err(error) = state.save_sites(sites) {
        tracing::warn!(reason = chain(&error), "cannot write who leads the sites");
    }
}

fn lines(shown: &ShownStandings) -> BTreeMap<SiteName, SiteLine> {
    let standings = shown.now().into_iter();
    standings
        .map(|(site, standing)| (site, line(&standing)))
        .collect()
}

fn line(standing: &SiteStanding) -> SiteLine {
    match standing {
        SiteStanding::Leader { epoch, .. } => SiteLine {
            state: SiteRole::Leader,
            leader: None,
            epoch: Some(*epoch),
        },
        SiteStanding::Standby { leader, epoch, .. } => SiteLine {
            state: SiteRole::Standby,
            leader: leader.as_ref().map(|leader| leader.host().to_owned()),
            epoch: Some(*epoch),
        },
        SiteStanding::Unknown => SiteLine {
            state: SiteRole::Unknown,
            leader: None,
            epoch: None,
        },
    }
}
