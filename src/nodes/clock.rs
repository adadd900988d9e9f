//! The clock of the leadership: it counts while the machine sleeps, and nobody can set it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the machine was started, sleep included. `Instant` does not count in suspended
/// virtual machines, and a leader that slept would not know that its time is over.
#[derive(Debug, Clone)]
pub(crate) enum OwnClock {
    Boot,
    /// That of a test, which may be paused.
    #[cfg(test)]
    Paused(tokio::time::Instant),
    /// One that a test sets.
    #[cfg(test)]
    Set(std::sync::Arc<std::sync::Mutex<Duration>>),
}

impl OwnClock {
    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Boot => {
                let time = clock_gettime(ClockId::Boottime);
                let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
                let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
                Duration::new(seconds, nanoseconds)
            }
            #[cfg(test)]
            Self::Paused(since) => since.elapsed(),
            #[cfg(test)]
            Self::Set(now) => *now.lock().unwrap(),
        }
    }
}
