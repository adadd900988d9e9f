//! Leads beside a process that keeps the leadership: another one of the same controller,
//! which says for how long its word is good.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::keeper::SiteStandings;
use super::machine::SiteStanding;
use crate::model::{LeaderEpoch, SiteName};
use crate::nodes::Authority;

/// How often the other process is asked.
const ASK: Duration = Duration::from_secs(1);

/// The higher epochs that nodes know, by site: what the other process has to hear.
pub(crate) type OutrankedSites = BTreeMap<SiteName, LeaderEpoch>;

/// What the other process answered.
#[derive(Debug, Clone)]
pub(crate) enum KeeperAnswer {
    /// How things are; the time of a leader is what is left of it.
    Standings(SiteStandings),
    /// Nobody listens any more: the leadership may have been released.
    NotRunning,
    /// Nobody knows. What was said last holds until its time is over.
    Silence,
}

/// Asks the other process, and passes on to the authorities what it says. Never ends.
///
/// What it answers is what it knew after it was asked, so a deadline counts from then.
pub(super) async fn follow<F>(
    authorities: BTreeMap<SiteName, Authority>,
    standings: Arc<watch::Sender<SiteStandings>>,
    ask: impl Fn(OutrankedSites) -> F,
) where
    F: Future<Output = KeeperAnswer>,
{
    let revoked = RevokedAtEnd(authorities);
    let mut known = SiteStandings::new();
    loop {
        let all = revoked.0.iter();
        let outranked = all.filter_map(|(site, authority)| {
            let by = authority.outranked_by()?;
            Some((site.clone(), by))
        });
        let outranked: OutrankedSites = outranked.collect();
        let mut asked_at = BTreeMap::new();
        for (site, authority) in &revoked.0 {
            asked_at.insert(site, authority.clock().now());
        }
        let answer = tokio::time::timeout(ASK, ask(outranked)).await;
        match answer.unwrap_or(KeeperAnswer::Silence) {
            KeeperAnswer::Standings(told) => {
                known = told;
                for (site, standing) in &mut known {
                    if let SiteStanding::Leader { until, .. } = standing {
                        // From the time that is left to the time on the clock.
                        *until += asked_at.get(site).copied().unwrap_or_default();
                    }
                }
            }
            KeeperAnswer::NotRunning => known.clear(),
            KeeperAnswer::Silence => {}
        }
        for (site, authority) in &revoked.0 {
            let standing = standing(known.get(site), authority);
            tell(site, standing, authority, &standings);
        }
        tokio::time::sleep(ASK).await;
    }
}

/// What counts of what was said last.
fn standing(known: Option<&SiteStanding>, authority: &Authority) -> SiteStanding {
    match known {
        Some(SiteStanding::Leader { epoch, until }) => {
            let is_outranked = authority.outranked_by().is_some_and(|by| by >= *epoch);
            match is_outranked || *until <= authority.clock().now() {
                true => SiteStanding::Unknown,
                false => SiteStanding::Leader {
                    epoch: *epoch,
                    until: *until,
                },
            }
        }
        Some(standing) => standing.clone(),
        None => SiteStanding::Unknown,
    }
}

fn tell(
    site: &SiteName,
    standing: SiteStanding,
    authority: &Authority,
    standings: &watch::Sender<SiteStandings>,
) {
    match &standing {
        SiteStanding::Leader { epoch, until } => authority.grant(*epoch, *until),
        SiteStanding::Standby { .. } | SiteStanding::Unknown => authority.revoke(),
    }
    standings.send_if_modified(|all| {
        let is_new = all.get(site).is_none_or(|known| !known.is_like(&standing));
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

#[cfg(test)]
mod tests;
