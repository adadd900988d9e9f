//! Signals, as what they ask for.
//!
//! A task of its own listens, so that the second request to stop is obeyed even
//! where the loop hangs.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::wake::Waker;
use crate::model::Trigger;

/// As a shell expects of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// What somebody asks of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM or SIGINT: finish what can be left resumable, and end.
    Stop,
    /// SIGHUP: read the configuration anew.
    Reload,
}

/// Listens from now on. SIGUSR1 wakes the loop; the second SIGTERM or SIGINT ends
/// the process at once.
pub(super) fn listen(waker: Waker) -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user = signal(SignalKind::user_defined1())?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut stopping = false;
        loop {
            let asked = tokio::select! {
                _ = interrupt.recv() => Signal::Stop,
                _ = terminate.recv() => Signal::Stop,
                _ = hangup.recv() => Signal::Reload,
                _ = user.recv() => {
                    waker.wake(Trigger::Manual);
                    continue;
                }
            };
            if asked == Signal::Stop {
                if stopping {
                    tracing::warn!("stopped at once by a second signal");
                    std::process::exit(INTERRUPTED);
                }
                stopping = true;
            }
            // The loop may have ended already; the next signal ends the rest.
            let _ = sender.send(asked);
        }
    });
    Ok(receiver)
}
