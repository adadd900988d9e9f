//! Keeps the leadership of one site: does what the machine says, and tells the site's
//! authority.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::machine::{LeadershipMachine, SiteStanding, Task, Wrote};
use super::object::{LeadershipObject, ObjectError};
use crate::error::chain;
use crate::model::SiteName;
use crate::nodes::Authority;

/// How things are, by site.
pub(crate) type SiteStandings = BTreeMap<SiteName, SiteStanding>;

/// Timers do not count while the machine sleeps, so the clock is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// What keeps the leadership of a site.
pub(super) struct Keeper<O> {
    pub site: SiteName,
    pub object: O,
    pub authority: Authority,
    pub standings: Arc<watch::Sender<SiteStandings>>,
    /// Cancelled when the leadership is to be given up.
    pub stop: CancellationToken,
}

/// What a keeper remembers of what it told.
struct ToldStanding {
    standing: SiteStanding,
    /// The store failed last time.
    is_failing: bool,
}

impl<O: LeadershipObject> Keeper<O> {
    /// Keeps it until it is given up.
    pub(super) async fn keep(self, mut machine: LeadershipMachine<O::Tag>) {
        let _ends = RevokedAtEnd(&self.authority);
        let mut told = ToldStanding {
            standing: SiteStanding::Unknown,
            is_failing: false,
        };
        loop {
            if self.stop.is_cancelled() {
                machine.leave();
            }
            self.tell(&machine, &mut told);
            let task = machine.next(self.now());
            match task {
                Task::Done => break,
                Task::Wait(until) => self.wait(&mut machine, &mut told, until).await,
                Task::Read => {
                    let read = self.object.read();
                    let found = self.ask(&mut machine, &mut told, read).await;
                    machine.read(self.now(), found);
                }
                Task::Write { body, after } => {
                    let write = self.object.write(&body, after);
                    let wrote = self.ask(&mut machine, &mut told, write).await;
                    let wrote = wrote.unwrap_or(Wrote::Unclear);
                    machine.wrote(self.now(), wrote);
                }
            }
        }
        self.tell(&machine, &mut told);
    }

    /// Waits, and ends the authority in time.
    async fn wait(
        &self,
        machine: &mut LeadershipMachine<O::Tag>,
        told: &mut ToldStanding,
        until: Duration,
    ) {
        let left = until.saturating_sub(self.now());
        let leads = matches!(told.standing, SiteStanding::Leader { .. });
        tokio::select! {
            () = tokio::time::sleep(left.min(self.look(told))) => {}
            () = self.stop.cancelled(), if !machine.is_leaving() => machine.leave(),
            by = self.authority.is_outranked(), if leads => machine.outranked(by),
        }
    }

    /// A request with its answer; `None` if there is none. Ends the authority in time,
    /// whatever becomes of the request.
    async fn ask<A>(
        &self,
        machine: &mut LeadershipMachine<O::Tag>,
        told: &mut ToldStanding,
        request: impl Future<Output = Result<A, ObjectError>>,
    ) -> Option<A> {
        let patience = machine.patience();
        let mut request = pin!(tokio::time::timeout(patience, request));
        let answer = loop {
            let leads = matches!(told.standing, SiteStanding::Leader { .. });
            let look = tokio::time::sleep(self.look(told));
            tokio::select! {
                answer = &mut request => break answer,
                () = look => {}
                () = self.stop.cancelled(), if leads => machine.leave(),
                by = self.authority.is_outranked(), if leads => machine.outranked(by),
            }
            self.tell(machine, told);
        };
        let why = match answer {
            Ok(Ok(answer)) => {
                if std::mem::take(&mut told.is_failing) {
                    tracing::info!(site = %self.site, "the store answers again");
                }
                return Some(answer);
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {} s", patience.as_secs()),
        };
        // Said once until it answers again.
        if !std::mem::replace(&mut told.is_failing, true) {
            tracing::warn!(site = %self.site, reason = why, "the store does not answer; who leads the site is not known");
        }
        None
    }

    fn now(&self) -> Duration {
        self.authority.clock().now()
    }

    /// How long at most until the clock is looked at.
    fn look(&self, told: &ToldStanding) -> Duration {
        match told.standing {
            SiteStanding::Leader { until, .. } => until.saturating_sub(self.now()).min(LOOK),
            // A take-over may be late; nothing has to end in time.
            SiteStanding::Unknown | SiteStanding::Standby { .. } => LOOK * 5,
        }
    }

    /// Tells the authority, whoever waits, and the log.
    fn tell(&self, machine: &LeadershipMachine<O::Tag>, told: &mut ToldStanding) {
        let standing = machine.standing(self.now());
        let before = std::mem::replace(&mut told.standing, standing.clone());
        let is_new = !standing.is_like(&before);
        match &standing {
            // Each renewal makes it last longer.
            SiteStanding::Leader { epoch, until } => self.authority.grant(*epoch, *until),
            SiteStanding::Standby { .. } | SiteStanding::Unknown => self.authority.revoke(),
        }
        if is_new {
            if let SiteStanding::Leader { epoch, .. } = &standing {
                tracing::info!(site = %self.site, epoch = epoch.number(), "this controller leads the site");
            }
            self.tell_end(&before, &standing);
        }
        self.standings.send_if_modified(|all| {
            all.insert(self.site.clone(), standing);
            is_new
        });
    }

    fn tell_end(&self, before: &SiteStanding, now: &SiteStanding) {
        let site = &self.site;
        let led = matches!(before, SiteStanding::Leader { .. });
        match now {
            SiteStanding::Leader { .. } => {}
            _ if self.stop.is_cancelled() => {
                if led {
                    tracing::info!(%site, "the leadership of the site is given up");
                }
            }
            SiteStanding::Standby {
                leader: Some(leader),
                ..
            } if led => {
                tracing::warn!(%site, "{} leads the site now", leader.host());
            }
            SiteStanding::Standby { leader, .. } if matches!(before, SiteStanding::Standby { leader: known, .. } if known == leader) =>
                {}
            SiteStanding::Standby {
                leader: Some(leader),
                ..
            } => {
                tracing::info!(%site, "standby: {} leads the site", leader.host());
            }
            SiteStanding::Standby { leader: None, .. } | SiteStanding::Unknown if led => {
                tracing::warn!(%site, "this controller does not lead the site any more");
            }
            SiteStanding::Standby { leader: None, .. } | SiteStanding::Unknown => {}
        }
    }
}

impl SiteStanding {
    /// True if nothing but the time differs until which it is so.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Leader { epoch, .. }, Self::Leader { epoch: other, .. }) => epoch == other,
            _ => self == other,
        }
    }
}

/// However a task ends, its authority does.
struct RevokedAtEnd<'a>(&'a Authority);

impl Drop for RevokedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.revoke();
    }
}

#[cfg(test)]
mod tests;
