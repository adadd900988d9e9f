//! How long to wait after failures.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// How long to wait after failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryLimits {
    /// After the first failure of a step; it doubles with each.
    pub step: Duration,
    /// After the first time that a node does not answer; it doubles with each.
    pub node: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            step: Duration::from_secs(1),
            // Asking a node that is off costs the whole time to connect, once a
            // run; one that restarts is away for minutes.
            node: Duration::from_secs(15),
            most: Duration::from_secs(15 * 60),
        }
    }
}

pub(super) fn until(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// How long to wait after so many failures in a row: doubling from `first` up to
/// `most`, less up to a quarter by chance that is not.
pub(in crate::conclude) fn wait(
    what: &str,
    failures: u32,
    first: Duration,
    most: Duration,
) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let full = first.saturating_mul(1 << doublings).min(most);
    let digest = Sha256::digest(format!("{failures} {what}"));
    let chance = f64::from(u16::from_be_bytes([digest[0], digest[1]])) / 65536.0;
    full.mul_f64(1.0 - chance / 4.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waiting_grows_to_its_limit_and_is_no_longer(what in ".{0,20}", failures in 1_u32..80) {
            let limits = RetryLimits::default();
            let first = wait(&what, failures, limits.step, limits.most);
            let second = wait(&what, failures + 1, limits.step, limits.most);
            prop_assert!(first <= limits.most && first >= limits.step.mul_f64(0.75));
            let at_most = first >= limits.most.mul_f64(0.75) || second >= limits.most.mul_f64(0.75);
            prop_assert!(second > first || at_most);
            prop_assert_eq!(first, wait(&what, failures, limits.step, limits.most));
        }
    }
}
