//! Whether the holder of a claim still works, as far as that shows in the store.

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
}
