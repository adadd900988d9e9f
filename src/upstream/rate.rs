//! How fast an image comes, and when that is too slow to be waited for.

use std::time::Duration;

use super::UpstreamError;

/// The rate of a transfer, measured over the time in which the network was waited for:
/// a slow disk is not the server's fault.
pub(crate) struct Rate {
    least: u64,
    window: Duration,
    waited: Duration,
    got: u64,
}

impl Rate {
    /// `least` is in bytes per second, and 0 for no limit.
    pub(crate) fn new(least: u64, window: Duration) -> Self {
        Self {
            least,
            window,
            waited: Duration::ZERO,
            got: 0,
        }
    }

    /// Counts what came after some waiting; refuses a window with too little in it.
    pub(crate) fn took(
        &mut self,
        waited: Duration,
        bytes: u64,
        from: &str,
    ) -> Result<(), UpstreamError> {
        self.waited += waited;
        self.got += bytes;
        if self.waited < self.window {
            return Ok(());
        }
        let least = self.least as f64 * self.waited.as_secs_f64();
        if (self.got as f64) < least {
            return Err(UpstreamError::Slow {
                url: from.to_owned(),
                got: self.got,
                window: self.waited,
                least: self.least,
            });
        }
        (self.waited, self.got) = (Duration::ZERO, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_a_whole_window() {
        let second = Duration::from_secs(1);
        let mut rate = Rate::new(10, second * 60);
        // A burst, and then almost nothing: enough for this window, not for the next.
        rate.took(Duration::ZERO, 600, "x").unwrap();
        for _ in 0..60 {
            rate.took(second, 1, "x").unwrap();
        }
        for _ in 0..59 {
            rate.took(second, 1, "x").unwrap();
        }
        let error = rate.took(second, 1, "x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "x sent 60 bytes in 60 s, less than the 10 bytes per second of `limits.least_rate`"
        );
        // None is no limit.
        let mut rate = Rate::new(0, second * 60);
        rate.took(second * 3600, 0, "x").unwrap();
    }
}
