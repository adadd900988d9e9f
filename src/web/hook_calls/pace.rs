//! How often a hook can make the controller look. Pure: time is a value.

use std::time::Duration;

use tokio::time::Instant;

/// So many calls in a row are taken at once.
const BURST: u32 = 5;

/// One more is taken after this long.
const REFILL: Duration = Duration::from_secs(10);

/// What is done with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Paced {
    /// The controller looks now.
    Now,
    /// There were too many. The caller makes sure that it looks after this long.
    Later(Duration),
    /// The same, and somebody already does.
    Joined(Duration),
}

/// A bucket of tokens.
#[derive(Debug)]
pub(super) struct HookPace {
    tokens: u32,
    /// When the last token that counts came.
    since: Instant,
    /// When a look that was put off is done.
    due: Option<Instant>,
}

impl HookPace {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            tokens: BURST,
            since: now,
            due: None,
        }
    }

    /// A call that proved itself.
    pub(super) fn call(&mut self, now: Instant) -> Paced {
        if let Some(due) = self.due.filter(|due| *due > now) {
            return Paced::Joined(due - now);
        }
        self.due = None;
        self.refill(now);
        if self.tokens > 0 {
            self.tokens -= 1;
            return Paced::Now;
        }
        // Its token is spent before it is there.
        let due = self.since + REFILL;
        self.since = due;
        self.due = Some(due);
        Paced::Later(due.saturating_duration_since(now))
    }

    fn refill(&mut self, now: Instant) {
        while self.tokens < BURST && now.saturating_duration_since(self.since) >= REFILL {
            self.tokens += 1;
            self.since += REFILL;
        }
        if self.tokens == BURST {
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_then_one_look_is_remembered() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut pace = HookPace::new(begin);
        for _ in 0..BURST {
            assert_eq!(pace.call(at(1)), Paced::Now);
        }
        // The first token was spent at 1, so another is there at 11.
        assert_eq!(pace.call(at(3)), Paced::Later(Duration::from_secs(8)));
        assert_eq!(pace.call(at(4)), Paced::Joined(Duration::from_secs(7)));
        assert_eq!(pace.call(at(10)), Paced::Joined(Duration::from_secs(1)));
        // That look is done at 11, and used its token.
        assert_eq!(pace.call(at(12)), Paced::Later(Duration::from_secs(9)));
        assert_eq!(pace.call(at(31)), Paced::Now);
        assert_eq!(pace.call(at(31)), Paced::Later(Duration::from_secs(10)));
    }

    #[test]
    fn a_quiet_hook_has_its_burst_again() {
        let begin = Instant::now();
        let mut pace = HookPace::new(begin);
        let later = begin + Duration::from_secs(3600);
        for _ in 0..BURST {
            assert_eq!(pace.call(begin), Paced::Now);
        }
        for _ in 0..BURST {
            assert_eq!(pace.call(later), Paced::Now);
        }
        assert!(matches!(pace.call(later), Paced::Later(_)));
    }
}
