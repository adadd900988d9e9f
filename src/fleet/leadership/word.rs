//! What a process that keeps leaderships tells others of its controller, and for how long
//! that is good.
//!
//! Whoever works on nodes by such a word stops when its time is over. So before a leadership
//! is released, no more words are given, and the last one is waited for: nodes of the API
//! know no epochs, and work of another process there would meet that of the next leader. To
//! ask those processes instead was rejected: one that is stopped does not answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::keeper::SiteStandings;
use super::machine::SiteStanding;
use crate::nodes::OwnClock;

/// How long a word is good. It is asked for every second, and an orderly stop waits so long.
const GOOD: Duration = Duration::from_secs(5);

/// The words that were given.
#[derive(Debug)]
pub(super) struct GivenWords {
    clock: OwnClock,
    state: Mutex<WordState>,
}

#[derive(Debug, Default)]
struct WordState {
    /// When the last one ends.
    until: Duration,
    /// No more are given.
    is_over: bool,
}

impl GivenWords {
    pub(super) fn new(clock: OwnClock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// How things are, with what is left of the time of a leader in place of its end.
    pub(super) fn give(&self, mut all: SiteStandings) -> SiteStandings {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        for standing in all.values_mut() {
            if let SiteStanding::Leader { until, .. } = standing {
                if state.is_over {
                    *standing = SiteStanding::Unknown;
                    continue;
                }
                *until = until.saturating_sub(now).min(GOOD);
                state.until = state.until.max(now + *until);
            }
        }
        all
    }

    /// Gives no more, and waits until the last one is over.
    pub(super) async fn end(&self) {
        loop {
            let until = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.is_over = true;
                state.until
            };
            let left = until.saturating_sub(self.clock.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::model::LeaderEpoch;

    fn leads(until: u64) -> SiteStandings {
        let leader = SiteStanding::Leader {
            epoch: LeaderEpoch::new(7),
            until: Duration::from_secs(until),
        };
        [("prague".parse().unwrap(), leader)].into()
    }

    #[tokio::test(start_paused = true)]
    async fn no_word_lasts_longer_than_the_leadership_or_a_few_seconds() {
        let words = GivenWords::new(OwnClock::Paused(Instant::now()));
        assert_eq!(words.give(leads(20)), leads(5));
        tokio::time::advance(Duration::from_secs(17)).await;
        assert_eq!(words.give(leads(20)), leads(3));
        assert_eq!(words.give(leads(10)), leads(0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_the_last_word_and_gives_no_other() {
        let begun = Instant::now();
        let words = Arc::new(GivenWords::new(OwnClock::Paused(begun)));
        words.end().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);

        let words = Arc::new(GivenWords::new(OwnClock::Paused(begun)));
        words.give(leads(100));
        tokio::time::advance(Duration::from_secs(1)).await;
        let ending = tokio::spawn({
            let words = Arc::clone(&words);
            async move { words.end().await }
        });
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!ending.is_finished());
        let told = words.give(leads(100));
        assert!(told.values().all(|told| *told == SiteStanding::Unknown));
        ending.await.unwrap();
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }
}
