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

use crate::model::Trigger;

/// A set of triggers; shown as `change, schedule`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Triggers(u16);

impl Triggers {
    /// No trigger at all.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if the trigger is among them.
    pub fn contains(self, trigger: Trigger) -> bool {
        self.0 & Self::from(trigger).0 != 0
    }

    /// The most important one.
    pub fn first(self) -> Option<Trigger> {
        Trigger::ALL
            .into_iter()
            .find(|trigger| self.contains(*trigger))
    }
}

impl From<Trigger> for Triggers {
    fn from(trigger: Trigger) -> Self {
        Self(1 << trigger as u16)
    }
}

impl fmt::Display for Triggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for trigger in Trigger::ALL {
            if self.contains(trigger) {
                write!(f, "{separator}{trigger}")?;
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
    triggers: AtomicU16,
    bell: Notify,
}

impl Waker {
    /// Requests a run.
    pub fn wake(&self, trigger: Trigger) {
        let bit = Triggers::from(trigger).0;
        self.0.triggers.fetch_or(bit, Ordering::AcqRel);
        self.0.bell.notify_one();
    }

    /// Everything that was called for since the last time; perhaps nothing.
    pub(super) fn take(&self) -> Triggers {
        Triggers(self.0.triggers.swap(0, Ordering::AcqRel))
    }

    /// True if anything was called for since it was last taken.
    pub(super) fn is_called(&self) -> bool {
        self.0.triggers.load(Ordering::Acquire) != 0
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
            waker.wake(Trigger::Change);
        }
        waker.wake(Trigger::Schedule);
        waker.woken().await;
        let triggers = waker.take();
        assert_eq!(triggers.to_string(), "change, schedule");
        assert_eq!(triggers.first(), Some(Trigger::Change));
        assert!(waker.take().is_empty());
    }

    #[tokio::test]
    async fn a_wake_up_before_the_waiting_is_not_lost() {
        let waker = Waker::default();
        waker.clone().wake(Trigger::Manual);
        waker.woken().await;
        assert!(waker.take().contains(Trigger::Manual));
    }

    #[test]
    fn every_trigger_is_a_bit_of_its_own() {
        let waker = Waker::default();
        for trigger in Trigger::ALL.into_iter().rev() {
            waker.wake(trigger);
        }
        let all = waker.take();
        assert_eq!(all.0.count_ones() as usize, Trigger::ALL.len());
        assert_eq!(all.first(), Some(Trigger::ALL[0]));
        assert_eq!(Triggers::default().first(), None);
    }
}
