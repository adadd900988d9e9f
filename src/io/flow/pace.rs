//! How fast bytes may go: a limit that many transfers share.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// What may be taken at once after a pause, in seconds of the rate: a transfer that
/// waited for its disk catches up a little, and never a burst that fills a link.
const CREDIT: f64 = 0.1;

/// A limit in bytes per second over all who take from it.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When everything that was taken so far may have gone.
    gone: Mutex<Option<Instant>>,
}

impl Pace {
    /// A limit; 0 counts as 1.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            gone: Mutex::new(None),
        }
    }

    /// How many bytes to take at once so that it stays smooth: a tenth of a second.
    pub(crate) fn piece(&self) -> usize {
        usize::try_from(self.bytes_per_second / 10).unwrap_or(usize::MAX)
    }

    /// Waits until so many bytes may go; blocks the thread.
    pub(crate) fn take(&self, bytes: u64) {
        thread::sleep(self.wait_for(bytes));
    }

    /// How long to wait before so many bytes may go. They count as gone then, so whoever
    /// asks waits.
    pub(crate) fn wait_for(&self, bytes: u64) -> Duration {
        self.pause(bytes, Instant::now())
    }

    /// How long to wait with so many bytes at a time. Whoever asks first goes first.
    fn pause(&self, bytes: u64, now: Instant) -> Duration {
        let rate = self.bytes_per_second as f64;
        let mut gone = self.gone.lock().expect("no holder panics");
        let credit = now
            .checked_sub(Duration::from_secs_f64(CREDIT))
            .unwrap_or(now);
        let begin = gone.map_or(credit, |gone| gone.max(credit));
        let end = begin + Duration::from_secs_f64(bytes as f64 / rate);
        *gone = Some(end);
        end.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_share_a_limit_get_it_together() {
        let pace = Pace::new(1000);
        let now = Instant::now();
        // 100 bytes are the credit of an idle link.
        assert_eq!(pace.pause(100, now), Duration::ZERO);
        assert_eq!(pace.pause(500, now), Duration::from_millis(500));
        assert_eq!(pace.pause(500, now), Duration::from_secs(1));
        // What was not used is not saved up.
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.pause(600, later), Duration::from_millis(500));
    }
}
