//! Asking the controller that runs here.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::body::{ANSWER_MAX, MessageBody, ReconcileBody};
use super::error::ControlError;
use super::socket;
use crate::conclude::{Scope, Status};
use crate::error::chain;
use crate::fleet::SiteStandings;
use crate::store::{StateDir, StateError};

/// How much longer than it was asked to wait a controller may take.
const GRACE: Duration = Duration::from_secs(5);

/// Asks the running controller for a run and waits until it is over; perhaps one for which
/// closed windows do not count.
///
/// # Errors
/// When none runs, when it does not answer in time, or the run failed.
pub(crate) async fn reconcile(
    state: &StateDir,
    scope: Scope,
    ignore_windows: bool,
    wait: Duration,
) -> Result<Status, ControlError> {
    let stream = connect(state).await?;
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let body = ReconcileBody::new(scope, ignore_windows, seconds);
    let body = Body::from(serde_json::to_vec(&body).map_err(no_answer)?);
    let request = Request::post("/v1/reconcile").header(CONTENT_TYPE, "application/json");
    let request = request.header(HOST, "localhost").body(body);
    let exchange = exchange(stream, request.map_err(no_answer)?);
    match tokio::time::timeout(wait.saturating_add(GRACE), exchange).await {
        Err(_) => Err(ControlError::Timeout { after: wait }),
        Ok(answer) => read(answer?, wait),
    }
}

/// Asks the running controller who leads its sites, with the time that is left to it where
/// it does.
///
/// # Errors
/// When none runs, or it answers something else.
pub(crate) async fn standings(state: &StateDir) -> Result<SiteStandings, ControlError> {
    let stream = connect(state).await?;
    let request = Request::get("/v1/leaderships").header(HOST, "localhost");
    let request = request.body(Body::empty()).map_err(no_answer)?;
    let Answer { status, body, .. } = exchange(stream, request).await?;
    match status {
        StatusCode::OK => json(&body).map_err(no_answer),
        other => Err(ControlError::OtherVersion {
            found: message_of(other, &body),
        }),
    }
}

/// Asks the running controller for a run, and does not wait for it.
///
/// # Errors
/// When none runs, or it answers something else.
pub(crate) async fn start_run(state: &StateDir) -> Result<(), ControlError> {
    let stream = connect(state).await?;
    let request = Request::post("/v1/run").header(HOST, "localhost");
    let request = request.body(Body::empty()).map_err(no_answer)?;
    let exchange = exchange(stream, request);
    let answered = tokio::time::timeout(GRACE, exchange).await;
    let Answer { status, body, .. } =
        answered.map_err(|_| ControlError::Timeout { after: GRACE })??;
    match status {
        StatusCode::ACCEPTED => Ok(()),
        other => Err(ControlError::OtherVersion {
            found: message_of(other, &body),
        }),
    }
}

/// True if a controller listens here, and false if none does; `None` where this user
/// cannot tell.
pub(crate) async fn is_running(state: &StateDir) -> Option<bool> {
    match connect(state).await {
        Ok(_) => Some(true),
        Err(ControlError::NotRunning { .. }) => Some(false),
        Err(_) => None,
    }
}

async fn connect(state: &StateDir) -> Result<UnixStream, ControlError> {
    let socket = socket::path(state);
    UnixStream::connect(&socket)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NotRunning { socket }
            }
            io::ErrorKind::PermissionDenied => {
                ControlError::State(StateError::io("connect to", &socket, source))
            }
            _ => ControlError::Io {
                doing: "connect to",
                path: socket,
                source,
            },
        })
}

/// One request and its answer; any answer is one.
async fn exchange(stream: UnixStream, request: Request<Body>) -> Result<Answer, ControlError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(no_answer)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| {
            // Up to version 0.1.0 it was a line of JSON that went over the socket.
            if error.is_parse() {
                let found = "its answer is not HTTP".to_owned();
                return ControlError::OtherVersion { found };
            }
            no_answer(error)
        })?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = Body::new(answer.into_body());
        let body = to_bytes(body, ANSWER_MAX).await.map_err(no_answer)?;
        Ok(Answer {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            body,
        })
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = answer.as_mut() => answer,
        // What is wrong with the connection is told to the request, too.
        _ = connection => answer.await,
    }
}

fn no_answer(error: impl std::error::Error + 'static) -> ControlError {
    ControlError::Answer {
        found: chain(&error),
    }
}

struct Answer {
    status: StatusCode,
    /// When the same request may be accepted.
    retry_after: Option<Duration>,
    body: Bytes,
}

fn read(answer: Answer, wait: Duration) -> Result<Status, ControlError> {
    let Answer { status, body, .. } = answer;
    if let Some(after) = answer.retry_after {
        let why = message_of(status, &body);
        return Err(ControlError::Busy { why, after });
    }
    match status {
        StatusCode::OK => status_of(&body).map_err(no_answer),
        StatusCode::ACCEPTED => Err(ControlError::Timeout { after: wait }),
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => {
            let why = message_of(status, &body);
            Err(ControlError::Refused { why })
        }
        other => Err(ControlError::OtherVersion {
            found: message_of(other, &body),
        }),
    }
}

pub(super) fn status_of(body: &[u8]) -> Result<Status, serde_json::Error> {
    json(body)
}

/// What the answer says, or its code where it says nothing that can be read.
pub(super) fn message_of(status: StatusCode, body: &[u8]) -> String {
    json(body).map_or_else(|_| status.to_string(), |MessageBody { message }| message)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}
