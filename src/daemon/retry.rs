//! How long to wait after a run that asks to be tried again.
//!
//! Steps keep their own backoff over runs; this one is for the loop, where a run
//! does not say when. It grows with each such run and starts over as soon as a run
//! ends otherwise: a policy that is deaf to success would punish for old sins.

use std::time::Duration;

use super::work::NextRun;

/// The first wait, and the shortest there is: a run that says "at once" for ever
/// must not keep a core busy.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait where the schedule has no interval to bound it.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The loop's own backoff.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// Runs in a row that asked for a retry without saying when.
    failures: u32,
}

impl Retry {
    /// How long to wait after a run, if it asks for one of its own.
    /// `bound` is the interval of the schedule.
    pub(super) fn after(&mut self, next: NextRun, bound: Option<Duration>) -> Option<Duration> {
        let NextRun::Retry { after } = next else {
            self.failures = 0;
            return None;
        };
        let wait = after.unwrap_or_else(|| {
            let wait = FIRST.saturating_mul(1 << self.failures.min(20));
            self.failures += 1;
            wait
        });
        let bound = bound.unwrap_or(LONGEST).min(LONGEST).max(FIRST);
        Some(wait.clamp(FIRST, bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: NextRun = NextRun::Retry { after: None };

    fn seconds(retry: &mut Retry, next: NextRun, bound: Option<u64>) -> Option<u64> {
        retry
            .after(next, bound.map(Duration::from_secs))
            .map(|wait| wait.as_secs())
    }

    #[test]
    fn it_doubles_up_to_its_bound_and_starts_over_after_success() {
        let mut retry = Retry::default();
        let waits = (0..40).map(|_| seconds(&mut retry, ASK, Some(60)));
        let waits: Vec<u64> = waits.map(Option::unwrap).collect();
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits[39], 60);
        assert_eq!(seconds(&mut retry, NextRun::Scheduled, Some(60)), None);
        assert_eq!(seconds(&mut retry, ASK, Some(60)), Some(1));
    }

    #[test]
    fn what_the_run_says_is_kept_within_reason() {
        let mut retry = Retry::default();
        let after = |wait| NextRun::Retry {
            after: Some(Duration::from_secs(wait)),
        };
        assert_eq!(seconds(&mut retry, after(0), Some(600)), Some(1));
        assert_eq!(seconds(&mut retry, after(90), Some(600)), Some(90));
        assert_eq!(seconds(&mut retry, after(86_400), Some(600)), Some(600));
        assert_eq!(seconds(&mut retry, after(86_400), None), Some(900));
    }
}
