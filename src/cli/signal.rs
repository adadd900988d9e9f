//! Stopping: the first signal asks the run to stop, the second ends at once.

use std::time::Duration;

use super::exit::Exit;
use super::out;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGINT or SIGTERM.
///
/// Running transfers are dropped where they stand and leave temporaries that the
/// next run resumes. After a second signal the process ends with 130, as a
/// shell expects of an interrupted program.
///
/// # Errors
/// When the handlers cannot be installed.
pub(super) fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = token.clone();
    tokio::spawn(async move {
        for count in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if count > 1 {
                std::process::exit(130);
            }
            out::note("stopping; send a second signal to exit at once");
            stop.cancel();
        }
    });
    Ok(token)
}

/// How long a command may take to let go of what it began.
const FAREWELL: Duration = Duration::from_secs(2);

/// Does the work of a command that changes nothing, until SIGINT or SIGTERM. What it began
/// is dropped then: programs that it started end, and what was fetched to be looked at is
/// removed. The default action of a signal would leave both.
///
/// # Errors
/// Those of the work, or when the handlers cannot be installed.
pub(super) async fn unless_stopped(
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // In a task of its own, as the work may be busy.
    let stopped = tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async {
            tokio::time::sleep(FAREWELL).await;
            std::process::exit(130);
        });
    });
    tokio::select! {
        done = work => done,
        _ = stopped => Ok(Exit::Interrupted),
    }
}
