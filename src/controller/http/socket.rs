//! The controller's end of the socket.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::REQUEST_MAX;
use super::error::ControlError;
use super::routes::{Api, PATIENCE};
use crate::io::file::atomic::remove_if_there;
use crate::io::listen::accept;
use crate::store::StateDir;

/// A directory of its own, since its mode is what guards the socket from the moment
/// that the socket is there.
const DIR: &str = "control";
const SOCKET: &str = "socket";

/// Connections at once; more wait to be taken.
const CONNECTIONS: usize = 32;

/// How long the end waits for answers to go out.
const FAREWELL: Duration = Duration::from_secs(1);

/// What version 0.1.0 takes for an answer. It sends and expects a line of JSON.
const TO_AN_OLDER_PROGRAM: &[u8] =
    b"{\"refused\":\"it is newer than this program; use the version that the controller has\"}\n";

pub(super) fn path(state: &StateDir) -> PathBuf {
    state.path().join(DIR).join(SOCKET)
}

/// Listens until it is closed or dropped.
#[derive(Debug)]
pub(in crate::controller) struct ControlSocket {
    path: PathBuf,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl ControlSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// When another controller listens there, or the socket cannot be made.
    pub(crate) async fn open(api: Api) -> Result<Self, ControlError> {
        let path = path(&api.state);
        let failed = |source| ControlError::Io {
            doing: "listen at",
            path: path.clone(),
            source,
        };
        api.state.make()?;
        make_private(&api.state.path().join(DIR)).map_err(failed)?;
        if UnixStream::connect(&path).await.is_ok() {
            return Err(ControlError::AlreadyRunning { socket: path });
        }
        // What a controller that was killed left behind.
        remove_if_there(&path).map_err(failed)?;
        let listener = UnixListener::bind(&path).map_err(failed)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (router, over) = (api.router(), stop.clone());
        let serve = move |stream| {
            let (router, stop) = (router.clone(), over.clone());
            async move {
                if let Err(error) = serve(stream, router, stop).await {
                    tracing::debug!(reason = %error, "a request over the control socket failed");
                }
            }
        };
        let what = ("a request over the control socket", CONNECTIONS);
        let end = (stop.clone(), tasks.clone());
        tasks.spawn(accept(listener, what, end, serve));
        Ok(Self { path, stop, tasks })
    }

    /// Takes no more connections, and gives the answers that are due a moment to go out.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(FAREWELL, self.tasks.wait()).await;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.stop.cancel();
        // The next one removes what stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
        }
        made => made,
    }
}

/// One connection, which is one request.
async fn serve(
    stream: UnixStream,
    router: Router,
    stop: CancellationToken,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (mut reader, mut writer) = stream.into_split();
    let mut first = [0; 1];
    if tokio::time::timeout(PATIENCE, reader.read(&mut first)).await?? == 0 {
        return Ok(());
    }
    if first == *b"{" {
        // What is left unread when a connection ends resets it, and the answer is lost.
        let mut line = [0; REQUEST_MAX];
        tokio::time::timeout(PATIENCE, reader.read(&mut line)).await??;
        return Ok(writer.write_all(TO_AN_OLDER_PROGRAM).await?);
    }
    let stream = tokio::io::join(io::Cursor::new(first).chain(reader), writer);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return Ok(served?),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}
