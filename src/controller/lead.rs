//! What a controller leads, for as long as it runs or for one run.

#![expect(
    clippy::disallowed_methods,
    reason = "bounds how long a run waits to learn who leads"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::http::{ControlError, client};
use super::leading::LedSites;
use crate::app::{App, StartError};
use crate::fleet::{KeeperAnswer, Leaderships, SiteStanding, SiteStandings};
use crate::model::SiteName;

/// What a store may take longer than the time of a leadership, before nobody waits.
const MORE: Duration = Duration::from_secs(20);

/// Keeps what a controller leads.
#[derive(Debug, Default)]
pub(crate) struct Lead {
    /// `None` for a single controller.
    kept: Option<Leaderships>,
    sites: LedSites,
    is_beside: bool,
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
            sites: LedSites::of(kept.shown()),
            kept: Some(kept),
            is_beside: false,
        }
    }

    /// True where a controller runs beside it, under whose leaderships it works.
    pub(crate) fn is_beside(&self) -> bool {
        self.is_beside
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
            Some(true) => {
                let kept = Leaderships::follow(app.authorities(), move |outranked| {
                    let state = state.clone();
                    async move { answer(client::standings(&state, outranked).await) }
                });
                Self {
                    is_beside: true,
                    ..Self::of(kept)
                }
            }
            Some(false) | None => Self::keep(app)?,
        };
        let patience = fleet.ttl * 5 / 4 + MORE;
        let decided = lead.decided(patience, stop, tell).await;
        match decided {
            Ok(()) => Ok(lead),
            Err(error) => {
                lead.release().await;
                Err(error)
            }
        }
    }

    /// Waits until it is known of each site who leads it.
    async fn decided(
        &self,
        patience: Duration,
        stop: &CancellationToken,
        tell: impl Fn(&str),
    ) -> Result<(), LeadError> {
        let Some(mut shown) = self.sites.shown() else {
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
                    if let SiteStanding::Standby {
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
        let leads = |standing: &SiteStanding| matches!(standing, SiteStanding::Leader { .. });
        if now.values().any(leads) {
            return Ok(());
        }
        let elsewhere = now.iter().find_map(|(site, standing)| match standing {
            SiteStanding::Standby {
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
}

fn answer(told: Result<SiteStandings, ControlError>) -> KeeperAnswer {
    match told {
        Ok(standings) => KeeperAnswer::Standings(standings),
        Err(ControlError::NotRunning { .. }) => KeeperAnswer::NotRunning,
        Err(_) => KeeperAnswer::Silence,
    }
}

fn is_decided(standing: &SiteStanding) -> bool {
    match standing {
        SiteStanding::Leader { .. } => true,
        SiteStanding::Standby { is_renewed, .. } => *is_renewed,
        SiteStanding::Unknown => false,
    }
}
