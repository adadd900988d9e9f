//! Listeners with bounds: how many connections there may be at once, and an end that lets
//! answers go out.
//!
//! `axum::serve` was not taken: it bounds neither the connections nor the time for the
//! head of a request. What a connection is for is up to whoever listens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after the system refused to. It is out of descriptors, most
/// likely; others need the processor, too.
const PAUSE: Duration = Duration::from_secs(1);

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
