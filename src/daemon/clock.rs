//! The time, and waiting for a time of the calendar.
//!
//! Times of the calendar are waited for by the wall clock: a machine that slept
//! through an hour, or whose clock was put right, is on time all the same. The
//! scheduler is given one-shot jobs only; what comes after is computed by the
//! timetable. Its resolution is half a second, and a ring may come a moment early
//! or twice: the loop looks at the table and not at the bell.
//!
//! A trait, so that the loop can be tested to the second on tokio's paused clock,
//! which the scheduler does not follow.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// The loop's clock, with one alarm.
pub(super) trait Clock: Send {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Sets the alarm, in place of the one before.
    fn set(
        &mut self,
        at: Option<Timestamp>,
    ) -> impl Future<Output = Result<(), JobSchedulerError>> + Send;

    /// Waits for the alarm. May be dropped and called again.
    fn rung(&self) -> impl Future<Output = ()> + Send;
}

pub(super) struct WallClock {
    scheduler: JobScheduler,
    set: Option<(Timestamp, Job)>,
    bell: Arc<Notify>,
    /// The job that is set has rung.
    rang: Arc<AtomicBool>,
}

impl WallClock {
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Self {
            scheduler,
            set: None,
            bell: Arc::default(),
            rang: Arc::default(),
        })
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn set(&mut self, at: Option<Timestamp>) -> Result<(), JobSchedulerError> {
        // A job that rang is gone; if that was early, the same time is set again.
        if self.rang.swap(false, Ordering::AcqRel) {
            self.set = None;
        }
        if self.set.as_ref().map(|(set, _)| *set) == at {
            return Ok(());
        }
        if let Some((_, job)) = self.set.take() {
            // It may ring and be gone in this very moment.
            if let Err(error) = self.scheduler.remove(&job.guid()).await {
                tracing::debug!(reason = %error, "the previous timer had expired");
            }
        }
        let Some(at) = at else { return Ok(()) };
        let (bell, rang) = (Arc::clone(&self.bell), Arc::clone(&self.rang));
        let job = Job::new_one_shot(wait(self.now(), at), move |_, _| {
            rang.store(true, Ordering::Release);
            bell.notify_one();
        })?;
        self.scheduler.add(job.clone()).await?;
        self.set = Some((at, job));
        Ok(())
    }

    async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// The wait that makes the scheduler ring at the first whole second that is not
/// before `at`: it counts in seconds from the second that `now` is in.
fn wait(now: Timestamp, at: Timestamp) -> Duration {
    let whole = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    let seconds = whole.saturating_sub(now.as_second());
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_never_ends_early_nor_a_second_late() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        for (now, then, seconds) in [
            (10_000, 20_000, 10),
            (10_900, 20_000, 10),
            (10_900, 20_001, 11),
            (10_000, 10_999, 1),
            (20_000, 10_000, 0),
        ] {
            assert_eq!(wait(at(now), at(then)), Duration::from_secs(seconds));
        }
    }

    /// The scheduler itself, on the real clock.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_alarm_rings_once_and_one_that_was_replaced_never() {
        let mut clock = WallClock::start().await.unwrap();
        let start = clock.now();
        let in_seconds = |seconds| start + jiff::SignedDuration::from_secs(seconds);
        clock.set(Some(in_seconds(1))).await.unwrap();
        clock.set(Some(in_seconds(3600))).await.unwrap();
        clock.set(Some(in_seconds(2))).await.unwrap();
        clock.rung().await;
        let waited = clock.now().duration_since(start).as_secs_f64();
        assert!((2.0..4.0).contains(&waited), "{waited}");
        // It may be set to the same time again, and to none.
        clock.set(Some(in_seconds(2))).await.unwrap();
        clock.rung().await;
        clock.set(None).await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(1200), clock.rung()).await;
        assert!(more.is_err(), "nothing is set");
    }
}
