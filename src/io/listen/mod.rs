//! Listeners with bounds: how many connections there may be at once, and an end that lets
//! answers go out.
//!
//! `axum::serve` was not taken: it bounds neither the connections nor the time for the
//! head of a request. What a connection is for is up to whoever listens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after the system refused to. It is out of descriptors, most
/// likely; others need the processor, too.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections have this part of the files that may be open at once.
const SHARE: usize = 2;

/// Where connections come in.
pub(crate) trait Listener: Send + Sync {
    /// One connection.
    type Stream: Send + 'static;

    /// The next connection. What is dropped has taken none.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<TcpStream> {
        Ok(self.accept().await?.0)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<UnixStream> {
        Ok(self.accept().await?.0)
    }
}

/// How many of `wanted` connections there is room for, so that a program that is full of
/// them can still open files and start others. The limit of open files, 1024 on many
/// systems, is raised for this as far as the system allows.
pub(crate) fn room_for(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let count = |limit: Option<u64>| limit.map_or(usize::MAX, to_usize);
    let needed = wanted.saturating_mul(SHARE);
    let (current, maximum) = (count(limit.current), count(limit.maximum));
    let raised = needed.min(maximum);
    if current >= raised {
        return wanted.min(current / SHARE);
    }
    let new = Rlimit {
        current: u64::try_from(raised).ok(),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, new) {
        Ok(()) => wanted.min(raised / SHARE),
        Err(error) => {
            tracing::debug!(reason = %error, "cannot raise the limit of open files");
            wanted.min(current / SHARE)
        }
    }
}

fn to_usize(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Takes connections until `stop` is cancelled, at most `limit` at once; more wait in the
/// system's queue. Each is served in a task of `tasks`. `what` names a connection in the
/// log.
pub(crate) async fn accept<L, S>(
    listener: L,
    (what, limit): (&'static str, usize),
    (stop, tasks): (CancellationToken, TaskTracker),
    serve: impl Fn(L::Stream) -> S,
) where
    L: Listener,
    S: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limit));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.next().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok(stream) => {
                let served = serve(stream);
                tasks.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(reason = %error, "cannot accept {what}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
