//! The leaderships of a controller in a fleet, as its runs use them.

#![expect(
    clippy::disallowed_methods,
    reason = "bounds how long a run waits to learn who leads"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::http::client;
use crate::app::{App, StartError};
use crate::conclude::{SiteLine, SiteRole};
use crate::daemon::Waker;
use crate::error::chain;
use crate::fleet::{Leaderships, ShownStandings, Standing, Standings};
use crate::live::Live;
use crate::model::{SiteName, Trigger};
use crate::store::StateDir;

/// What a store may take longer than the time of a leadership, before nobody waits.
const MORE: Duration = Duration::from_secs(20);

/// The sites of a fleet that a controller leads at the moment. Clones show the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct LedSites(
    /// `None` for a single controller, which leads everything.
    Option<ShownStandings>,
);

/// Keeps what a controller leads.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    /// `None` for a single controller.
    kept: Option<Leaderships>,
    sites: LedSites,
}

/// Why there is no run in a fleet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeadError {
    #[error(transparent)]
    Start(#[from] StartError),
    /// Others lead all of the sites.
    #[error("the controller on {leader} leads the site {site}")]
    Elsewhere { site: SiteName, leader: String },
    /// Nobody knows who leads.
    #[error("the store does not say who leads the site {site}")]
    Unknown { site: SiteName },
    /// The end was asked for.
    #[error("it was asked to stop")]
    Stopped,
}

impl LeadError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Start(error) => error.hint(),
            Self::Elsewhere { leader, .. } => Some(format!(
                "run it on {leader}, or stop the controller there: then another one leads at once"
            )),
            Self::Unknown { .. } => {
                Some("check `store` in the configuration, and that it can be reached".to_owned())
            }
            Self::Stopped => None,
        }
    }
}

impl Lead {
    /// Begins to keep the leaderships, for as long as the controller runs.
    pub(super) fn keep(app: &App) -> Result<Self, StartError> {
        Ok(app.keep_leaderships()?.map_or_else(Self::default, Self::of))
    }

    fn of(kept: Leaderships) -> Self {
        Self {
            sites: LedSites(Some(kept.shown())),
            kept: Some(kept),
        }
    }

    /// What is led.
    pub(crate) fn sites(&self) -> &LedSites {
        &self.sites
    }

    /// Gives up what is led, so that another controller takes over at once.
    pub(crate) async fn release(self) {
        if let Some(kept) = self.kept {
            kept.release().await;
        }
    }

    /// What one run works under: the leaderships of a controller that runs beside it, or of
    /// its own, which it waits for. `tell` is told who is waited for.
    ///
    /// # Errors
    /// When another controller leads, or nobody knows who does.
    pub(crate) async fn for_run(
        app: &App,
        stop: &CancellationToken,
        tell: impl Fn(&str),
    ) -> Result<Self, LeadError> {
        let Some(fleet) = app.settings().fleet.as_ref() else {
            return Ok(Self::default());
        };
        let state = app.state();
        let lead = match client::is_running(&state).await {
            Some(true) => Self::of(Leaderships::follow(app.authorities(), move || {
                let state = state.clone();
                async move { client::standings(&state).await.ok() }
            })),
            Some(false) | None => Self::keep(app)?,
        };
        let patience = fleet.ttl * 5 / 4 + MORE;
        let decided = lead.sites.decided(patience, stop, tell).await;
        match decided {
            Ok(()) => Ok(lead),
            Err(error) => {
                lead.release().await;
                Err(error)
            }
        }
    }
}

impl LedSites {
    /// Waits until it is known of each site who leads it.
    async fn decided(
        &self,
        patience: Duration,
        stop: &CancellationToken,
        tell: impl Fn(&str),
    ) -> Result<(), LeadError> {
        let Some(mut shown) = self.0.clone() else {
            return Ok(());
        };
        let mut told = BTreeSet::new();
        let decided = async {
            loop {
                let now = shown.now();
                if now.values().all(is_decided) {
                    return;
                }
                for (site, standing) in &now {
                    if let Standing::Standby {
                        leader: Some(leader),
                        ..
                    } = standing
                        && told.insert(site.clone())
                    {
                        let host = leader.host();
                        tell(&format!(
                            "waiting to see whether the controller on {host} still leads the site \
                             {site}"
                        ));
                    }
                }
                shown.changed().await;
            }
        };
        let in_time = tokio::select! {
            in_time = tokio::time::timeout(patience, decided) => in_time.is_ok(),
            () = stop.cancelled() => return Err(LeadError::Stopped),
        };
        let now = shown.now();
        let leads = |standing: &Standing| matches!(standing, Standing::Leader { .. });
        if now.values().any(leads) {
            return Ok(());
        }
        let elsewhere = now.iter().find_map(|(site, standing)| match standing {
            Standing::Standby {
                leader: Some(leader),
                ..
            } if in_time => Some(LeadError::Elsewhere {
                site: site.clone(),
                leader: leader.host().to_owned(),
            }),
            _ => None,
        });
        let first = now.into_keys().next();
        match (elsewhere, first) {
            (Some(error), _) => Err(error),
            (None, Some(site)) => Err(LeadError::Unknown { site }),
            (None, None) => Ok(()),
        }
    }

    /// The sites that are led now; `None` for a single controller.
    pub(crate) fn led(&self) -> Option<BTreeSet<SiteName>> {
        self.0.as_ref().map(ShownStandings::led)
    }

    /// A run, which is stopped when not all of the sites are led any more that it is for.
    pub(crate) async fn while_led<T>(
        &self,
        led: Option<&BTreeSet<SiteName>>,
        stop: &CancellationToken,
        run: impl Future<Output = T>,
    ) -> T {
        let mut run = pin!(run);
        tokio::select! {
            done = &mut run => return done,
            () = self.lost(led) => {}
        }
        tracing::warn!("the run stops: another controller may lead the site now");
        stop.cancel();
        run.await
    }

    /// Waits until not all of these are led any more.
    async fn lost(&self, led: Option<&BTreeSet<SiteName>>) {
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

    /// Who leads the sites, with what is left of the time of this process where it does.
    pub(super) fn remaining(&self) -> Standings {
        self.0
            .as_ref()
            .map(ShownStandings::remaining)
            .unwrap_or_default()
    }
}

fn is_decided(standing: &Standing) -> bool {
    match standing {
        Standing::Leader { .. } => true,
        Standing::Standby { is_renewed, .. } => *is_renewed,
        Standing::Unknown => false,
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

fn line(standing: &Standing) -> SiteLine {
    match standing {
        Standing::Leader { epoch, .. } => SiteLine {
            state: SiteRole::Leader,
            leader: None,
            epoch: Some(*epoch),
        },
        Standing::Standby { leader, epoch, .. } => SiteLine {
            state: SiteRole::Standby,
            leader: leader.as_ref().map(|leader| leader.host().to_owned()),
            epoch: Some(*epoch),
        },
        Standing::Unknown => SiteLine {
            state: SiteRole::Unknown,
            leader: None,
            epoch: None,
        },
    }
}
