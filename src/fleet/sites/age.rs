//! How old reports are, by the clock of the store alone.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::facts::SiteReport;

/// How often a controller that leads writes its report again, whether there is a run or not:
/// often enough that a ring does not begin while a site is gone, and a hundredth of the
/// requests that keeping the leadership takes.
pub(crate) const RENEWED: Duration = Duration::from_secs(300);

/// So many renewals may be missing: a store that does not answer for one of them, and a
/// take-over, are no news.
const MISSING: u64 = 3;

/// How long the report of a single run counts: there is nobody who renews it, and who runs
/// once does so every day at least.
const SINGLE: Duration = Duration::from_secs(36 * 3600);

/// A report that says that it is renewed more rarely is not believed.
const LONGEST: u64 = 3600;

/// How far the clocks of a controller and of the store may differ: servers of S3 refuse
/// requests long before that.
const SKEW: u64 = 3600;

/// How old something is that came to the store `age` seconds ago, and was written so many
/// before by the clock of who wrote it. An old report that somebody puts there again does
/// not get fresh by that.
pub(super) fn older(age: u64, age_by_writer: u64) -> u64 {
    age.max(age_by_writer.saturating_sub(SKEW))
}

/// True if a report of this age is recent enough to go by.
pub(super) fn is_fresh(report: &SiteReport, age_seconds: u64) -> bool {
    age_seconds
        <= match report.renewed_within {
            Some(seconds) => seconds.min(LONGEST) * MISSING,
            None => SINGLE.as_secs(),
        }
}

/// What the time is by the clock of the store, as far as its answers tell. Between them time
/// goes on by a clock of this process, which nobody can set.
#[derive(Debug, Default)]
pub(super) struct StoreClock(Option<(Timestamp, Instant)>);

impl StoreClock {
    /// The store has told the time.
    pub(super) fn set(&mut self, time: Timestamp) {
        self.0 = Some((time, Instant::now()));
    }

    /// The store has an object of this time, so that it is not earlier now.
    pub(super) fn see(&mut self, time: Timestamp) {
        if self.now().is_none_or(|now| now < time) {
            self.set(time);
        }
    }

    /// What the time is; `None` where the store has told nothing yet.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let (time, since) = self.0?;
        // The end of time is far away.
        Some(time.checked_add(since.elapsed()).unwrap_or(time))
    }

    /// How many seconds ago this was.
    pub(super) fn age(&self, time: Timestamp) -> u64 {
        let now = self.now().unwrap_or(time);
        now.as_second()
            .saturating_sub(time.as_second())
            .try_into()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_between_answers_and_never_back_for_an_old_object() {
        let mut clock = StoreClock::default();
        assert_eq!(clock.age(at(5)), 0);
        clock.see(at(100));
        clock.see(at(40));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!((clock.now(), clock.age(at(40))), (Some(at(130)), 90));
        clock.see(at(120));
        assert_eq!(clock.now(), Some(at(130)));
        clock.set(at(120));
        assert_eq!((clock.now(), clock.age(at(121))), (Some(at(120)), 0));
    }

    #[test]
    fn a_clock_may_be_wrong_by_an_hour() {
        assert_eq!(older(60, 0), 60);
        assert_eq!(older(60, SKEW), 60);
        assert_eq!(older(60, SKEW + 3000), 3000);
    }

    #[test]
    fn a_report_counts_for_three_renewals() {
        let renewed = |renewed_within| SiteReport {
            renewed_within,
            ..SiteReport::default()
        };
        let limit = RENEWED.as_secs() * 3;
        assert!(is_fresh(&renewed(Some(RENEWED.as_secs())), limit));
        assert!(!is_fresh(&renewed(Some(RENEWED.as_secs())), limit + 1));
        assert!(!is_fresh(&renewed(Some(u64::MAX)), 4 * 3600));
        assert!(is_fresh(&renewed(None), 24 * 3600));
        assert!(!is_fresh(&renewed(None), 48 * 3600));
    }
}
