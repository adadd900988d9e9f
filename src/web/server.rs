//! Listens, with bounds: a client that is slow, or one of many, costs a connection and
//! never a run.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::pin::pin;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::WebConfig;
use super::peer::Peer;
use super::router::router;
use super::site::{WebParts, WebSite};
use crate::io::file::atomic::remove_if_there;
use crate::io::listen::{accept, room_for};
use crate::model::ListenAddress;

/// Connections at once; more wait to be taken.
const CONNECTIONS: usize = 1000;

/// How long the head of a request may take, and a kept connection be without one.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take nothing of an answer, or send nothing of a body.
const STALL: Duration = Duration::from_secs(30);

/// How long the end waits for answers to go out.
const FAREWELL: Duration = Duration::from_secs(1);

/// The longest head of a request, in bytes.
const HEAD_MAX: usize = 32 << 10;

/// Why it cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address} for the status page")]
pub(crate) struct WebError {
    address: ListenAddress,
    source: io::Error,
}

impl WebError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; choose another port with `listen` in the \
                 configuration or --listen"
            }
            io::ErrorKind::NotFound => {
                "the directory of the socket does not exist; create it first"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 and directories of others need privileges; a reverse proxy is \
                 the usual way"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Serves until it is closed or dropped.
pub(crate) struct WebServer {
    site: WebSite,
    address: ListenAddress,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl WebServer {
    /// Listens, and serves from now on.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub(crate) async fn open(address: &ListenAddress, parts: WebParts) -> Result<Self, WebError> {
        let failed = |source| WebError {
            address: address.clone(),
            source,
        };
        let site = WebSite::new(parts);
        let router = router(&site);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let what = ("a request to the status page", room_for(CONNECTIONS));
        let end = (stop.clone(), tasks.clone());
        let over = stop.clone();
        let address = match address {
            ListenAddress::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                let serve = move |stream: TcpStream| {
                    let peer = stream.peer_addr().map(|peer| peer.ip().to_string());
                    let peer = Peer(peer.unwrap_or_else(|_| "unknown".to_owned()));
                    serve(stream, router.clone().layer(Extension(peer)), over.clone())
                };
                tasks.spawn(accept(listener, what, end, serve));
                ListenAddress::Tcp(bound)
            }
            ListenAddress::Unix(path) => {
                if UnixStream::connect(path).await.is_ok() {
                    return Err(failed(io::ErrorKind::AddrInUse.into()));
                }
                // What a process that was killed left behind. Nothing but a socket goes.
                let is_socket = std::fs::symlink_metadata(path)
                    .is_ok_and(|file| std::os::unix::fs::FileTypeExt::is_socket(&file.file_type()));
                if is_socket {
                    remove_if_there(path).map_err(failed)?;
                }
                let listener = UnixListener::bind(path).map_err(failed)?;
                let mode = std::fs::Permissions::from_mode(0o660);
                std::fs::set_permissions(path, mode).map_err(failed)?;
                let router = router.layer(Extension(Peer("local".to_owned())));
                let serve = move |stream| serve(stream, router.clone(), over.clone());
                tasks.spawn(accept(listener, what, end, serve));
                address.clone()
            }
        };
        Ok(Self {
            site,
            address,
            stop,
            tasks,
        })
    }

    /// Where it listens: the port that was found where any was asked for.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// What the routes share, for tests that look at it.
    #[cfg(test)]
    pub(super) fn site(&self) -> &WebSite {
        &self.site
    }

    /// The configuration was read anew. The address stays.
    pub(crate) fn reconfigure(&self, config: WebConfig) {
        self.site.reconfigure(config);
    }

    /// Takes no more connections, and gives answers a moment to go out.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(FAREWELL, self.tasks.wait()).await;
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let ListenAddress::Unix(path) = &self.address {
            // The next one removes what stays.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// One connection, with as many requests as the client likes to send.
async fn serve<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALL));
    stream.set_read_timeout(None);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        );
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // An event stream has no end of its own.
            match tokio::time::timeout(FAREWELL, connection).await {
                Ok(served) => served,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(reason = %error, "a connection to the status page ended early");
    }
}
