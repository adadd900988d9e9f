//! Wake-ups without a payload.
//!
//! Whoever wants a run says so and goes on; the loop takes everything that was
//! said since the last time at once. So any number of wake-ups during a run
//! come to exactly one more. A queue was not taken: it would have to be emptied
//! and weighed by someone, and its length means nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::sync::Notify;

/// Why a run is called for. Said in the log and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum WakeCause {
    /// The program started.
    Start = 1,
    /// The orders changed.
    Orders = 1 << 1,
    /// The schedule says so.
    Schedule = 1 << 2,
    /// The versions are to be asked for.
    Versions = 1 << 3,
    /// Delivered files are to be hashed.
    Verify = 1 << 4,
    /// The last run asked to be tried again.
    Retry = 1 << 5,
    /// Configuration reloaded.
    Reload = 1 << 6,
    /// Somebody asked for it.
    Request = 1 << 7,
}

const NAMES: [(WakeCause, &str); 8] = [
    (WakeCause::Start, "start"),
    (WakeCause::Orders, "orders"),
    (WakeCause::Schedule, "schedule"),
    (WakeCause::Versions, "versions"),
    (WakeCause::Verify, "verify"),
    (WakeCause::Retry, "retry"),
    (WakeCause::Reload, "reload"),
    (WakeCause::Request, "request"),
];

/// A set of [`WakeCause`]s; shown as `orders, schedule`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WakeCauses(u16);

impl WakeCauses {
    /// No cause at all.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if the cause is among them.
    pub fn contains(self, cause: WakeCause) -> bool {
        self.0 & cause as u16 != 0
    }

    /// These and one more.
    #[must_use]
    pub fn with(self, cause: WakeCause) -> Self {
        Self(self.0 | cause as u16)
    }
}

impl From<WakeCause> for WakeCauses {
    fn from(cause: WakeCause) -> Self {
        Self(cause as u16)
    }
}

impl fmt::Display for WakeCauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (cause, name) in NAMES {
            if self.contains(cause) {
                write!(f, "{separator}{name}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// Wakes the loop, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Pending>);

#[derive(Debug, Default)]
struct Pending {
    causes: AtomicU16,
    bell: Notify,
}

impl Waker {
    /// Requests a run.
    pub fn wake(&self, cause: WakeCause) {
        self.wake_all(cause.into());
    }

    pub(super) fn wake_all(&self, causes: WakeCauses) {
        if !causes.is_empty() {
            self.0.causes.fetch_or(causes.0, Ordering::AcqRel);
            self.0.bell.notify_one();
        }
    }

    /// Everything that was called for since the last time; perhaps nothing.
    pub(super) fn take(&self) -> WakeCauses {
        WakeCauses(self.0.causes.swap(0, Ordering::AcqRel))
    }

    /// True if anything was called for since it was last taken.
    pub(super) fn is_called(&self) -> bool {
        self.0.causes.load(Ordering::Acquire) != 0
    }

    /// Returns once something may have been called for. Sometimes nothing was
    /// (it was taken before the bell was heard), so look with
    /// [`take`](Self::take). May be dropped and called again at any time.
    pub(super) async fn woken(&self) {
        self.0.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn any_number_of_wake_ups_are_taken_at_once() {
        let waker = Waker::default();
        for _ in 0..10_000 {
            waker.wake(WakeCause::Orders);
        }
        waker.wake(WakeCause::Schedule);
        waker.woken().await;
        let causes = waker.take();
        assert_eq!(causes.to_string(), "orders, schedule");
        assert!(waker.take().is_empty());
    }

    #[tokio::test]
    async fn a_wake_up_before_the_waiting_is_not_lost() {
        let waker = Waker::default();
        waker.clone().wake(WakeCause::Request);
        waker.woken().await;
        assert!(waker.take().contains(WakeCause::Request));
    }

    #[test]
    fn every_cause_is_a_bit_of_its_own() {
        let all = NAMES
            .iter()
            .fold(WakeCauses::default(), |all, (cause, _)| all.with(*cause));
        assert_eq!(all.0.count_ones() as usize, NAMES.len());
        assert_eq!(all.to_string().split(", ").count(), NAMES.len());
    }
}
