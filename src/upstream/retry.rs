//! When to ask again: exponential backoff with jitter, and what servers wish.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::UpstreamError;

/// The longest wait of the backoff.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is waited for in place. A longer one ends the
/// call: coming back early would be impolite, and a whole run should not hang
/// on it; the error carries the time to whoever plans the next run.
const LONGEST_WISH: Duration = Duration::from_secs(120);
/// Anything longer than this in a `Retry-After` is a mistake.
const LONGEST_BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug)]
pub(super) struct Attempts {
    limit: u32,
    first: Duration,
    /// Retries since the last progress.
    in_a_row: u32,
    /// Retries altogether.
    total: u32,
}

impl Attempts {
    pub(super) fn new(limit: u32, first: Duration) -> Self {
        Self {
            limit,
            first,
            in_a_row: 0,
            total: 0,
        }
    }

    pub(super) fn retries(&self) -> u32 {
        self.total
    }

    /// Learns that the last attempt got further than any before it.
    pub(super) fn progressed(&mut self) {
        self.in_a_row = 0;
    }

    /// How long to wait before the next attempt.
    ///
    /// # Errors
    /// The failure itself, where another attempt is of no use or not allowed.
    pub(super) fn after(&mut self, error: UpstreamError) -> Result<Duration, UpstreamError> {
        let wish = error.retry_after();
        let hopeless = match error {
            // A rate limit that does not say when it ends ends in an hour.
            UpstreamError::RateLimited { .. } => wish.is_none(),
            _ => !error.is_transient(),
        };
        if hopeless || wish.is_some_and(|wish| wish > LONGEST_WISH) {
            return Err(error);
        }
        if self.in_a_row >= self.limit {
            return Err(match self.total {
                0 => error,
                retries => UpstreamError::GaveUp {
                    retries,
                    source: Box::new(error),
                },
            });
        }
        let doubled = self.first.saturating_mul(1 << self.in_a_row.min(16));
        let backoff = doubled.min(LONGEST_BACKOFF);
        self.in_a_row += 1;
        self.total += 1;
        Ok(match wish {
            // Not before the server's time, and not all clients at once.
            Some(wish) => wish.max(backoff / 2) + backoff.mul_f64(fastrand::f64() / 2.0),
            None => backoff.mul_f64(0.5 + fastrand::f64() / 2.0),
        })
    }
}

/// The wish in a `Retry-After` header: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        // A date in the past means: now.
        Err(_) => httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wish.min(LONGEST_BELIEVED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after: Option<u64>) -> UpstreamError {
        UpstreamError::Status {
            method: "GET",
            url: "http://127.0.0.1/".into(),
            status,
            text: None,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn waits_double_up_to_the_limit_and_are_spread() {
        let mut attempts = Attempts::new(20, Duration::from_secs(1));
        for round in 0..20 {
            let longest = Duration::from_secs(1 << round.min(6)).min(LONGEST_BACKOFF);
            let wait = attempts.after(status(503, None)).unwrap();
            assert!(wait >= longest / 2 && wait <= longest, "{round}: {wait:?}");
        }
        let error = attempts.after(status(503, None)).unwrap_err();
        assert_eq!(error.to_string(), "gave up after 20 retries");
        assert!(error.is_transient());
    }

    #[test]
    fn progress_starts_the_count_anew() {
        let mut attempts = Attempts::new(1, Duration::from_secs(1));
        for _ in 0..5 {
            assert!(attempts.after(status(500, None)).unwrap() <= Duration::from_secs(1));
            attempts.progressed();
        }
        assert_eq!(attempts.retries(), 5);
    }

    #[test]
    fn what_will_not_change_is_not_asked_again() {
        let mut attempts = Attempts::new(3, Duration::from_secs(1));
        for code in [400, 401, 402, 403, 404, 410, 501] {
            let error = attempts.after(status(code, None)).unwrap_err();
            assert!(!error.is_transient(), "{code}");
        }
        assert_eq!(attempts.retries(), 0);
    }

    #[test]
    fn a_wish_is_granted_or_passed_on() {
        let mut attempts = Attempts::new(3, Duration::from_millis(1));
        assert!(attempts.after(status(429, Some(7))).unwrap() >= Duration::from_secs(7));
        let error = attempts.after(status(429, Some(3600))).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn a_wish_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now).map(|wish| wish.as_secs())
        };
        assert_eq!(read("17"), Some(17));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(read("99999999999"), Some(86400));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
