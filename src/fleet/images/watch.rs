//! Whether the holder of a claim still works, and whether its download moves, as far as that
//! shows in the store.

use std::time::Duration;

use tokio::time::Instant;

/// How much longer than it says a claim is left alone: clocks may run at rates that differ
/// by a tenth, and a request takes its time.
const LENIENCE: f64 = 1.25;

/// Watches a claim for changes. No wall clock is compared: only how long nothing changed
/// counts, by the clock of whoever watches.
#[derive(Debug)]
pub(in crate::fleet) struct ClaimWatch {
    seen: Vec<u8>,
    since: Instant,
}

impl ClaimWatch {
    /// The content of the claim, read at this moment.
    pub(in crate::fleet) fn new(seen: &[u8], now: Instant) -> Self {
        Self {
            seen: seen.to_vec(),
            since: now,
        }
    }

    /// Learns what is there now. True if it has been the same for too long, and its holder
    /// counts as gone.
    pub(in crate::fleet) fn is_abandoned(
        &mut self,
        found: &[u8],
        ttl: Duration,
        now: Instant,
    ) -> bool {
        if self.seen != found {
            *self = Self::new(found, now);
            return false;
        }
        now.saturating_duration_since(self.since) >= ttl.mul_f64(LENIENCE)
    }

    /// The store could not be asked for a while: its holder may not have reached it either,
    /// so counting begins anew.
    pub(in crate::fleet) fn forgets(&mut self, now: Instant) {
        self.since = now;
    }
}

/// How long nothing may arrive at another controller. Its own limits (`limits.idle`,
/// `limits.least_rate`) end a transfer after a minute and resume it after another, so it has
/// made several attempts in vain, or does not get to making one.
const NO_PROGRESS: Duration = Duration::from_secs(300);

/// How long the first byte may take, as for a download of ours (`limits.first_byte`): the
/// factory may be building the image, and asking it as well makes that no faster.
const FIRST_BYTE: Duration = Duration::from_secs(900);

/// Watches how much another controller has downloaded.
#[derive(Debug)]
pub(super) struct ProgressWatch {
    downloaded: Option<u64>,
    since: Instant,
}

impl ProgressWatch {
    /// What the claim says at this moment.
    pub(super) fn new(downloaded: Option<u64>, now: Instant) -> Self {
        Self {
            downloaded,
            since: now,
        }
    }

    /// Learns what the claim says now. True if that has been the same for too long. A claim
    /// that says nothing is believed to move.
    pub(super) fn makes_no_progress(&mut self, downloaded: Option<u64>, now: Instant) -> bool {
        if self.downloaded != downloaded || downloaded.is_none() {
            *self = Self::new(downloaded, now);
            return false;
        }
        let patience = match downloaded {
            Some(0) => FIRST_BYTE,
            _ => NO_PROGRESS,
        };
        now.saturating_duration_since(self.since) >= patience
    }

    /// The store could not be asked for a while.
    pub(super) fn forgets(&mut self, now: Instant) {
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_abandoned_when_it_has_not_changed_for_long() {
        let ttl = Duration::from_secs(60);
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut watch = ClaimWatch::new(b"1", begin);
        assert!(!watch.is_abandoned(b"1", ttl, at(74)));
        assert!(!watch.is_abandoned(b"2", ttl, at(75)));
        assert!(!watch.is_abandoned(b"2", ttl, at(149)));
        assert!(watch.is_abandoned(b"2", ttl, at(150)));
        watch.forgets(at(150));
        assert!(!watch.is_abandoned(b"2", ttl, at(224)));
        assert!(watch.is_abandoned(b"2", ttl, at(225)));
    }

    #[test]
    fn a_download_makes_no_progress_when_nothing_arrives_for_long() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut watch = ProgressWatch::new(Some(0), begin);
        assert!(!watch.makes_no_progress(Some(0), at(899)));
        assert!(watch.makes_no_progress(Some(0), at(900)));
        assert!(!watch.makes_no_progress(Some(1), at(901)));
        assert!(!watch.makes_no_progress(Some(1), at(1200)));
        assert!(watch.makes_no_progress(Some(1), at(1201)));
        // It began anew, which is progress.
        assert!(!watch.makes_no_progress(Some(0), at(1202)));
        watch.forgets(at(2000));
        assert!(!watch.makes_no_progress(Some(0), at(2102)));
        // It shares the image, or does not tell.
        assert!(!watch.makes_no_progress(None, at(2103)));
        assert!(!watch.makes_no_progress(None, at(20_000)));
        assert!(!watch.makes_no_progress(Some(7), at(20_100)));
        assert!(watch.makes_no_progress(Some(7), at(20_400)));
    }
}
