//! Whether the loop lives, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long nothing may move where no service manager says so. A factory may take many
/// minutes to build an image, and a node to read one back.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The last sign of life of the loop.
#[derive(Debug, Clone)]
pub struct Pulse {
    last: Arc<Mutex<Instant>>,
    patience: Duration,
}

impl Pulse {
    /// A loop that is alive now, and dead after being silent for longer than the watchdog
    /// of the service manager allows.
    pub fn from_env() -> Self {
        Self::new(sd_notify::watchdog_enabled().filter(|after| !after.is_zero()))
    }

    pub(super) fn new(watchdog: Option<Duration>) -> Self {
        Self {
            last: Arc::new(Mutex::new(Instant::now())),
            patience: watchdog.unwrap_or(PATIENCE),
        }
    }

    /// A sign of life.
    pub(super) fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// # Errors
    /// When there was no sign of life for too long, with how long.
    pub fn is_alive(&self) -> Result<(), Duration> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = last.elapsed();
        if silent > self.patience {
            Err(silent)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_borne_for_as_long_as_the_watchdog_does() {
        let minute = Duration::from_secs(60);
        for (watchdog, patience) in [(None, PATIENCE), (Some(minute), minute)] {
            let pulse = Pulse::new(watchdog);
            tokio::time::advance(patience).await;
            assert_eq!(pulse.is_alive(), Ok(()));
            tokio::time::advance(minute).await;
            assert_eq!(pulse.is_alive(), Err(patience + minute));
            pulse.clone().beat();
            assert_eq!(pulse.is_alive(), Ok(()));
        }
    }
}
