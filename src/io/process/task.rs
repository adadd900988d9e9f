//! Blocking work on a thread of its own, awaited without blocking.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Runs a closure on a named thread and waits for its value.
///
/// A thread and not `spawn_blocking`: a runtime that shuts down waits for the
/// latter, so an interrupted program would hang until gigabytes are done.
///
/// # Errors
/// If the thread cannot be started, or the closure panicked.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (reply, answer) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            // Nobody waits any more if the receiver is gone.
            let _ = reply.send(work());
        })?;
    answer
        .await
        .map_err(|_| io::Error::other("a worker thread stopped unexpectedly"))
}
