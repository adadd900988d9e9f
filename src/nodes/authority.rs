//! Whether this process may change anything on a node now, and under which epoch.
//!
//! Several controllers may serve one site, and one of them leads. Who leads is decided
//! elsewhere; here stands only what that means for nodes: each operation asks before it
//! begins, names its epoch to the node, and ends when the authority does. Nodes keep the
//! highest epoch that they saw, and refuse an older one.
//!
//! An authority is good until a time on a clock that counts while the machine sleeps. So it
//! ends in time also where whoever renews it does not come to its turn: after the process
//! was stopped, or the virtual machine suspended, the first question finds it ended.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::OwnClock;
use crate::model::{LeaderEpoch, SiteName};

/// Timers do not count while the machine sleeps, so the clock is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

/// Whether this process may change anything on the nodes of one site. Clones are one.
#[derive(Debug, Clone)]
pub struct Authority {
    site: Option<SiteName>,
    clock: OwnClock,
    state: Arc<watch::Sender<AuthorityState>>,
}

/// Two are the same if what is told to one is told to the other.
impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }
}

impl Eq for Authority {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AuthorityState {
    /// While this process leads.
    led: Option<TimedEpoch>,
    /// The highest epoch that a node named in place of obeying.
    outranked: Option<LeaderEpoch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimedEpoch {
    epoch: LeaderEpoch,
    /// On the authority's clock.
    until: Duration,
}

/// What an operation on a node names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The site.
    pub site: SiteName,
    /// The epoch of its leader.
    pub epoch: LeaderEpoch,
}

/// This process does not lead the site, or does not any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this controller does not lead the site {site}")]
pub struct NotLeading {
    /// The site.
    pub site: SiteName,
}

impl Fence {
    pub(super) fn not_leading(&self) -> NotLeading {
        NotLeading {
            site: self.site.clone(),
        }
    }
}

impl Authority {
    /// That of a single controller: it has no fence, and always may.
    pub fn single() -> Self {
        Self::new(None, OwnClock::Boot)
    }

    /// That of one controller among several, which does not lead yet.
    pub fn of_site(site: SiteName) -> Self {
        Self::new(Some(site), OwnClock::Boot)
    }

    #[cfg(test)]
    pub(crate) fn on_clock(site: SiteName, clock: OwnClock) -> Self {
        Self::new(Some(site), clock)
    }

    fn new(site: Option<SiteName>, clock: OwnClock) -> Self {
        let none = AuthorityState {
            led: None,
            outranked: None,
        };
        Self {
            site,
            clock,
            state: Arc::new(watch::Sender::new(none)),
        }
    }

    /// The clock that its end is on.
    pub(crate) fn clock(&self) -> &OwnClock {
        &self.clock
    }

    /// From now on this process leads, under this epoch and until this time since the start
    /// of the machine, sleep included. Granted again, it lasts until the new time.
    pub fn grant(&self, epoch: LeaderEpoch, until: Duration) {
        self.state.send_if_modified(|state| {
            // Who was outranked may not go on; a higher epoch is what was asked for.
            let stays = state.outranked.filter(|&outranked| outranked >= epoch);
            let led = match stays {
                Some(_) => None,
                None => Some(TimedEpoch { epoch, until }),
            };
            let granted = AuthorityState {
                led,
                outranked: stays,
            };
            std::mem::replace(state, granted) != granted
        });
    }

    /// From now on it does not. Operations that run end, and no other begins.
    pub fn revoke(&self) {
        self.state
            .send_if_modified(|state| state.led.take().is_some());
    }

    /// The site; `None` for a single controller.
    pub(crate) fn site(&self) -> Option<&SiteName> {
        self.site.as_ref()
    }

    /// What an operation that begins now names; `None` for a single controller.
    ///
    /// # Errors
    /// While this process does not lead.
    pub fn fence(&self) -> Result<Option<Fence>, NotLeading> {
        let Some(site) = &self.site else {
            return Ok(None);
        };
        match self.led() {
            Some(led) => Ok(Some(Fence {
                site: site.clone(),
                epoch: led.epoch,
            })),
            None => Err(NotLeading { site: site.clone() }),
        }
    }

    /// True while this process leads under this epoch. A later answer may be true again, if
    /// the same leadership was renewed after its time.
    pub(super) fn lasts(&self, epoch: LeaderEpoch) -> bool {
        self.led().is_some_and(|led| led.epoch == epoch)
    }

    fn led(&self) -> Option<TimedEpoch> {
        let led = self.state.borrow().led;
        led.filter(|led| self.clock.now() < led.until)
    }

    /// A node has seen a higher epoch: this process does not lead any more. One above which
    /// there is none is ignored: no leader could ever follow it.
    pub fn outranked(&self, by: LeaderEpoch) {
        if by >= LeaderEpoch::TOO_LARGE {
            let site = self.site.as_ref().map(tracing::field::display);
            tracing::warn!(
                site,
                epoch = by.number(),
                "an epoch that no leader can have is ignored"
            );
            return;
        }
        self.state.send_if_modified(|state| {
            // It is our own: what was refused began under an earlier one of ours.
            if state.led.is_some_and(|own| own.epoch >= by) {
                return false;
            }
            let known = state.outranked;
            state.outranked = Some(known.map_or(by, |known| known.max(by)));
            state.led = None;
            true
        });
    }

    /// Waits until a node has seen a higher epoch than this process leads under, or led.
    pub async fn is_outranked(&self) -> LeaderEpoch {
        let mut state = self.state.subscribe();
        let seen = state.wait_for(|state| state.outranked.is_some()).await;
        match seen.ok().and_then(|state| state.outranked) {
            Some(by) => by,
            // The sender is this value itself.
            None => std::future::pending().await,
        }
    }

    /// The highest epoch that a node named and that this process has not led under yet.
    pub(crate) fn outranked_by(&self) -> Option<LeaderEpoch> {
        self.state.borrow().outranked
    }

    /// Waits until this process does not lead under this epoch, or never did.
    async fn has_ended(&self, epoch: LeaderEpoch) {
        let mut state = self.state.subscribe();
        loop {
            let led = state.borrow_and_update().led;
            let Some(led) = led.filter(|led| led.epoch == epoch) else {
                return;
            };
            let left = led.until.saturating_sub(self.clock.now());
            if left.is_zero() {
                return;
            }
            // The sender is this value itself, so there is no other end than these two.
            let _ = tokio::time::timeout(left.min(LOOK), state.changed()).await;
        }
    }

    /// Does the work for as long as this process leads under this epoch; `None` where that
    /// ended before. The clock is looked at before each step of the work, so that nothing
    /// is begun behind the end.
    pub(super) async fn while_led<T>(
        &self,
        epoch: LeaderEpoch,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let (mut work, mut end) = (pin!(work), pin!(self.has_ended(epoch)));
        poll_fn(|context| {
            if end.as_mut().poll(context).is_ready() || !self.lasts(epoch) {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u64) -> LeaderEpoch {
        LeaderEpoch::new(number)
    }

    #[test]
    fn who_was_outranked_leads_again_under_a_higher_epoch_only() {
        let authority = Authority::of_site("prague".parse().unwrap());
        assert!(authority.fence().is_err());
        authority.grant(epoch(5), Duration::MAX);
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(5));
        authority.outranked(epoch(7));
        assert!(authority.fence().is_err());
        authority.grant(epoch(7), Duration::MAX);
        assert!(authority.fence().is_err());
        authority.grant(epoch(8), Duration::MAX);
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(8));
        // What no leader can follow does not end anything.
        for number in [LeaderEpoch::TOO_LARGE.number(), u64::MAX] {
            authority.outranked(epoch(number));
        }
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(8));
        authority.revoke();
        assert!(authority.fence().is_err());
    }

    #[test]
    fn what_was_begun_under_an_earlier_leadership_does_not_end_this_one() {
        let authority = Authority::of_site("prague".parse().unwrap());
        authority.grant(epoch(6), Duration::MAX);
        authority.outranked(epoch(6));
        assert_eq!(authority.fence().unwrap().unwrap().epoch, epoch(6));
    }

    #[test]
    fn it_ends_in_time_though_nobody_ends_it_and_can_be_renewed() {
        let now = Arc::new(std::sync::Mutex::new(Duration::from_secs(100)));
        let clock = OwnClock::Set(Arc::clone(&now));
        let authority = Authority::on_clock("prague".parse().unwrap(), clock);
        authority.grant(epoch(5), Duration::from_secs(120));
        *now.lock().unwrap() = Duration::from_millis(119_999);
        assert!(authority.fence().is_ok() && authority.lasts(epoch(5)));
        *now.lock().unwrap() = Duration::from_secs(120);
        assert!(authority.fence().is_err() && !authority.lasts(epoch(5)));
        authority.grant(epoch(5), Duration::from_secs(130));
        assert!(authority.fence().is_ok() && !authority.lasts(epoch(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_waits_ends_when_the_time_is_over() {
        let begun = tokio::time::Instant::now();
        let clock = OwnClock::Paused(begun);
        let authority = Authority::on_clock("prague".parse().unwrap(), clock);
        authority.grant(epoch(5), Duration::from_secs(20));
        let renewed = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            authority.grant(epoch(5), Duration::from_secs(30));
        };
        let waiting = authority.while_led(epoch(5), std::future::pending::<()>());
        let (ended, ()) = tokio::join!(waiting, renewed);
        assert_eq!(ended, None);
        assert_eq!(begun.elapsed(), Duration::from_secs(30));
    }

    #[tokio::test]
    async fn work_that_goes_on_after_a_pause_does_nothing_more() {
        // What wakes it is its own event: no timer has fired yet when it goes on.
        let now = Arc::new(std::sync::Mutex::new(Duration::from_secs(100)));
        let clock = OwnClock::Set(Arc::clone(&now));
        let authority = Authority::on_clock("prague".parse().unwrap(), clock);
        authority.grant(epoch(5), Duration::from_secs(120));
        let (sender, answer) = tokio::sync::oneshot::channel();
        let sent = std::cell::Cell::new(0);
        let work = async {
            sent.set(1);
            let _ = answer.await;
            sent.set(2);
        };
        let paused = async {
            *now.lock().unwrap() = Duration::from_secs(121);
            sender.send(()).unwrap();
        };
        let (done, ()) = tokio::join!(authority.while_led(epoch(5), work), paused);
        assert_eq!((done, sent.get()), (None, 1));
    }

    #[test]
    fn a_single_controller_has_no_fence() {
        assert_eq!(Authority::single().fence(), Ok(None));
    }
}
