//! Stopping: the first signal asks the run to stop, the second ends at once.

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
