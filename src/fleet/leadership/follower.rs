//! Leads beside a process that keeps the leadership: another one of the same controller,
//! which says for how long its word is good.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::keeper::SiteStandings;
use super::machine::SiteStanding;
use crate::model::SiteName;
use crate::nodes::{Authority, OwnClock};

/// How often the other process is asked.
const ASK: Duration = Duration::from_secs(1);

/// Asks the other process, and passes on to the authorities what it says. Never ends.
///
/// What it answers is what it knew after it was asked, so a deadline counts from then. Where
/// it does not answer, what it said last holds until its time is over.
pub(super) async fn follow<F>(
    authorities: BTreeMap<SiteName, Authority>,
    standings: Arc<watch::Sender<SiteStandings>>,
    ask: impl Fn() -> F,
) where
    F: Future<Output = Option<SiteStandings>>,
{
    let clock = OwnClock::Boot;
    let revoked = RevokedAtEnd(authorities);
    let mut known = SiteStandings::new();
    loop {
        let asked_at = clock.now();
        let answer = tokio::time::timeout(ASK, ask()).await.ok().flatten();
        if let Some(told) = answer {
            known = told;
            for standing in known.values_mut() {
                if let SiteStanding::Leader { until, .. } = standing {
                    // From the time that is left to the time on the clock.
                    *until += asked_at;
                }
            }
        }
        let now = clock.now();
        for (site, authority) in &revoked.0 {
            let standing = match known.get(site) {
                Some(SiteStanding::Leader { until, .. }) if *until <= now => SiteStanding::Unknown,
                Some(standing) => standing.clone(),
                None => SiteStanding::Unknown,
            };
            tell(site, standing, authority, &standings);
        }
        tokio::time::sleep(ASK).await;
    }
}

fn tell(
    site: &SiteName,
    standing: SiteStanding,
    authority: &Authority,
    standings: &watch::Sender<SiteStandings>,
) {
    standings.send_if_modified(|all| {
        let is_new = all.get(site).is_none_or(|known| !known.is_like(&standing));
        match &standing {
            SiteStanding::Leader { epoch, until } => authority.grant(*epoch, *until),
            SiteStanding::Standby { .. } | SiteStanding::Unknown => authority.revoke(),
        }
        all.insert(site.clone(), standing);
        is_new
    });
}

struct RevokedAtEnd(BTreeMap<SiteName, Authority>);

impl Drop for RevokedAtEnd {
    fn drop(&mut self) {
        self.0.values().for_each(Authority::revoke);
    }
}
