//! Asking a running controller for a pass now: a socket beside its files.
//!
//! One line of JSON goes in, one comes back when the pass is over. Whoever may
//! enter the directory of the socket may ask; the controller keeps it to itself and
//! root. The server decides nothing: it hands each [`Request`] to the loop, which
//! answers it after the pass. A pass is a whole one whatever was asked for; an order
//! or a node only says whose failures are forgiven and whose result is shown.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, Take,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{StateDir, StateError};
use crate::conclude::{Scope, Status};
use crate::model::visible;

/// A directory of its own, since its mode is what guards the socket from the moment
/// that the socket is there.
const DIR: &str = "control";
const SOCKET: &str = "socket";

/// A request is a word and a name.
pub(super) const REQUEST_MAX: u64 = 4096;

/// A status of ten thousand nodes.
const ANSWER_MAX: u64 = 64 << 20;

/// How long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// Questions at once; more wait to be taken.
const CONNECTIONS: usize = 32;

/// What comes in over the socket.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Question {
    Reconcile(Scope),
}

/// What goes back over the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The pass is over, and this is how things are.
    Done(Box<Status>),
    /// There was no pass, and this is why.
    Refused(String),
}

/// Someone asks for a pass, and waits.
#[derive(Debug)]
pub struct Request {
    /// What they want to see in order.
    pub scope: Scope,
    answer: oneshot::Sender<Answer>,
}

impl Request {
    /// Answers; that nobody waits any more is fine.
    pub fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

/// The controller's end of the socket. Gone when dropped.
#[derive(Debug)]
pub struct Server {
    task: JoinHandle<()>,
    socket: PathBuf,
}

impl Server {
    /// Opens the socket. Requests come out of the channel; while nobody takes them
    /// they wait.
    ///
    /// # Errors
    /// When another controller listens there, or the socket cannot be made.
    pub async fn start(state: &StateDir) -> Result<(Self, mpsc::Receiver<Request>), StateError> {
        let socket = socket(state);
        let failed = |source| StateError::Io {
            doing: "listen at",
            path: socket.clone(),
            source,
        };
        state.make()?;
        make_private(&state.file(DIR)).map_err(failed)?;
        if UnixStream::connect(&socket).await.is_ok() {
            return Err(StateError::AlreadyRunning { socket });
        }
        // What a controller that was killed left behind.
        crate::io::file::atomic::remove_if_there(&socket).map_err(failed)?;
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))
            .map_err(failed)?;
        let (sender, requests) = mpsc::channel(CONNECTIONS);
        let task = tokio::spawn(listen(listener, sender));
        Ok((Self { task, socket }, requests))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // The next one removes what stays.
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn socket(state: &StateDir) -> PathBuf {
    state.file(DIR).join(SOCKET)
}

fn make_private(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
        }
        made => made,
    }
}

async fn listen(listener: UnixListener, requests: mpsc::Sender<Request>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let requests = requests.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, &requests).await {
                        tracing::debug!("a question over the socket came to nothing: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely; others need the processor, too.
                tracing::warn!("cannot take a question over the socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(mut stream: UnixStream, requests: &mpsc::Sender<Request>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = bounded(reader);
    let answer = match tokio::time::timeout(PATIENCE, hear(&mut reader)).await?? {
        Ok(Question::Reconcile(scope)) => {
            let (answer, answered) = oneshot::channel();
            let mut more = String::new();
            let stopping = || Answer::Refused("it is about to stop".to_owned());
            match requests.send(Request { scope, answer }).await {
                Ok(()) => tokio::select! {
                    answer = answered => answer.unwrap_or_else(|_| stopping()),
                    // Whoever asked has gone; the pass is done all the same.
                    _ = reader.read_line(&mut more) => return Ok(()),
                },
                Err(_) => stopping(),
            }
        }
        Err(why) => Answer::Refused(why),
    };
    writer.write_all(&line(&answer)?).await
}

/// No more of a connection than a question is long.
pub(super) fn bounded<R: AsyncRead>(reader: R) -> BufReader<Take<R>> {
    BufReader::new(reader.take(REQUEST_MAX))
}

/// Reads a question; the refusal of what is none.
pub(super) async fn hear(
    reader: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Result<Question, String>> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    Ok(serde_json::from_str(&line).map_err(|error| {
        format!(
            "the question is not understood: {}",
            visible(&error.to_string())
        )
    }))
}

/// What goes over the socket, in either direction.
pub(super) fn line(what: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(what)?;
    text.push(b'\n');
    Ok(text)
}

/// Asks the running controller for a pass and waits until it is over.
///
/// # Errors
/// When none runs, when it does not answer in time, or could not do the pass.
pub async fn ask(state: &StateDir, scope: Scope, wait: Duration) -> Result<Status, StateError> {
    let socket = socket(state);
    let stream = match UnixStream::connect(&socket).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Err(StateError::NotRunning { socket });
        }
        Err(source) => {
            return Err(StateError::Io {
                doing: "connect to",
                path: socket,
                source,
            });
        }
    };
    match tokio::time::timeout(wait, exchange(stream, Question::Reconcile(scope))).await {
        Err(_) => Err(StateError::Timeout { after: wait }),
        Ok(Err(error)) => Err(StateError::Answer {
            found: error.to_string(),
        }),
        Ok(Ok(Answer::Refused(why))) => Err(StateError::Refused { why }),
        Ok(Ok(Answer::Done(status))) => Ok(*status),
    }
}

async fn exchange(mut stream: UnixStream, question: Question) -> io::Result<Answer> {
    stream.write_all(&line(&question)?).await?;
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(ANSWER_MAX));
    if reader.read_line(&mut line).await? == 0 {
        return Err(io::Error::other("the connection was closed"));
    }
    Ok(serde_json::from_str(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn scope() -> Scope {
        Scope::Node("pve-01".parse().unwrap())
    }

    #[tokio::test]
    async fn a_question_reaches_the_loop_and_its_answer_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        let refused = ask(&state, Scope::All, LONG).await.unwrap_err();
        assert!(matches!(refused, StateError::NotRunning { .. }));

        let (server, mut requests) = Server::start(&state).await.unwrap();
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(state.file(DIR)), 0o700);
        assert_eq!(mode(socket(&state)), 0o600);
        let status = Status {
            owner: "me".to_owned(),
            ..Status::default()
        };
        let answering = async {
            let request = requests.recv().await.unwrap();
            assert_eq!(request.scope, scope());
            request.answer(Answer::Done(Box::new(status.clone())));
            let request = requests.recv().await.unwrap();
            request.answer(Answer::Refused("no cache".to_owned()));
            // Dropped unanswered: the loop is about to end.
            drop(requests.recv().await.unwrap());
        };
        let asking = async {
            assert_eq!(ask(&state, scope(), LONG).await.unwrap(), status);
            for why in ["no cache", "it is about to stop"] {
                let error = ask(&state, Scope::All, LONG).await.unwrap_err();
                assert!(error.to_string().contains(why), "{error}");
            }
        };
        tokio::join!(answering, asking);

        let second = Server::start(&state).await.unwrap_err();
        assert!(matches!(second, StateError::AlreadyRunning { .. }));
        drop(server);
        let refused = ask(&state, Scope::All, LONG).await.unwrap_err();
        assert!(matches!(refused, StateError::NotRunning { .. }));
    }

    #[tokio::test]
    async fn nonsense_is_refused_patience_ends_and_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        make_private(&state.file(DIR)).unwrap();
        drop(std::os::unix::net::UnixListener::bind(socket(&state)).unwrap());
        let refused = ask(&state, Scope::All, LONG).await.unwrap_err();
        assert!(matches!(refused, StateError::NotRunning { .. }));
        let (_server, _requests) = Server::start(&state).await.unwrap();

        let mut stream = UnixStream::connect(socket(&state)).await.unwrap();
        stream
            .write_all("{\"reconcile\":\"m\u{7f}\u{202e}st\"}\n".as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let Answer::Refused(why) = serde_json::from_str(&answer).unwrap() else {
            panic!("{answer}");
        };
        assert!(why.contains("not understood"), "{why}");
        assert!(why.contains("m\\u{7f}\\u{202e}st"), "{why}");

        let wait = Duration::from_millis(20);
        let late = ask(&state, Scope::All, wait).await.unwrap_err();
        assert!(matches!(late, StateError::Timeout { .. }));
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_for_a_socket_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("x".repeat(120)));
        let error = Server::start(&state).await.unwrap_err();
        assert!(
            error.hint().is_some_and(|hint| hint.contains("107")),
            "{error:?}"
        );
    }
}
