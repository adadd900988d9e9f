//! What can be asked, as routes. They know of no socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::body::{MessageBody, REQUEST_MAX, ReconcileBody};
use crate::controller::leading::LedSites;
use crate::controller::queue::RunQueue;
use crate::model::visible;
use crate::store::StateDir;

/// How long a connection may take to say what it wants.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a request for a run waits that does not say how long, as at the command
/// line.
const USUAL_WAIT: u64 = 15 * 60;

/// How many requests for a run may wait at once. Fewer than there are connections, so
/// that the others, which are answered at once, always find one.
pub(super) const WAITING: usize = 16;

/// When whoever was not let in may ask again, in seconds: a run of a fleet in sync takes
/// about as long.
const AGAIN: u64 = 10;

const STOPPING: &str = "the controller is stopping";

/// What the routes answer from.
#[derive(Debug, Clone)]
pub(in crate::controller) struct Api {
    pub queue: RunQueue,
    pub state: StateDir,
    /// What this process leads in a fleet.
    pub led: LedSites,
}

/// What the routes share.
#[derive(Debug, Clone)]
struct Served {
    api: Api,
    /// For those who wait for a run.
    places: Arc<Semaphore>,
}

impl Api {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/v1/health", get(health))
            .route("/v1/status", get(status))
            .route("/v1/leaderships", get(leaderships))
            .route("/v1/reconcile", post(reconcile))
            .route("/v1/run", post(run))
            .fallback(nothing_here)
            .method_not_allowed_fallback(not_so)
            .layer(DefaultBodyLimit::max(REQUEST_MAX))
            .with_state(Served {
                api: self,
                places: Arc::new(Semaphore::new(WAITING)),
            })
    }
}

/// That this process answers, and nothing about how things are.
async fn health() -> Response {
    message(StatusCode::OK, "the controller runs".to_owned())
}

/// What `status -o json` prints.
async fn status(State(Served { api, .. }): State<Served>) -> Result<Response, Response> {
    let read = tokio::task::spawn_blocking(move || {
        let mut status = api.state.status()?;
        status.suspended = api.state.suspended();
        Some(status.told())
    });
    let unread = || {
        message(
            StatusCode::SERVICE_UNAVAILABLE,
            "no run has started yet".to_owned(),
        )
    };
    Ok(json(
        StatusCode::OK,
        &read.await.ok().flatten().ok_or_else(unread)?,
    ))
}

/// Who leads the sites, for a run of another process of this controller: under whose epoch
/// it works, and for how long that is good.
async fn leaderships(State(Served { api, .. }): State<Served>) -> Response {
    json(StatusCode::OK, &api.led.remaining())
}

/// Has a run done and does not wait for it.
async fn run(State(Served { api, .. }): State<Served>) -> Response {
    api.queue.start();
    message(StatusCode::ACCEPTED, "a run begins".to_owned())
}

/// Has a run done and waits until it is over.
async fn reconcile(
    State(Served { api, places }): State<Served>,
    request: Request,
) -> Result<Response, Response> {
    let refuse = |status| move |why: String| message(status, why);
    let body = whole_body(request)
        .await
        .map_err(|(status, why)| message(status, why))?;
    let asked = ReconcileBody::read(&body).map_err(refuse(StatusCode::BAD_REQUEST))?;
    let wait = asked.wait_seconds.unwrap_or(USUAL_WAIT);
    // Given back with the answer, and when the client goes.
    let Ok(_place) = places.try_acquire() else {
        let busy = format!("{WAITING} requests are already waiting for a run");
        let mut refused = message(StatusCode::SERVICE_UNAVAILABLE, busy);
        refused.headers_mut().insert(RETRY_AFTER, AGAIN.into());
        return Err(refused);
    };
    let ignores_windows = asked.ignore_windows;
    let answered = api.queue.ask(asked.scope(), ignores_windows);
    match tokio::time::timeout(Duration::from_secs(wait), answered).await {
        Ok(Ok(Ok(status))) => Ok(json(StatusCode::OK, &status)),
        Ok(Ok(Err(why))) => Err(message(StatusCode::INTERNAL_SERVER_ERROR, why)),
        Ok(Err(_)) => Err(message(
            StatusCode::SERVICE_UNAVAILABLE,
            STOPPING.to_owned(),
        )),
        Err(_) => Ok(message(
            StatusCode::ACCEPTED,
            format!("the run did not finish within {wait} s; it continues"),
        )),
    }
}

/// The body of a request, bounded in length and time.
async fn whole_body(request: Request) -> Result<Bytes, (StatusCode, String)> {
    match tokio::time::timeout(PATIENCE, Bytes::from_request(request, &())).await {
        Ok(read) => read.map_err(|error| (error.status(), error.body_text())),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the request took too long".to_owned(),
        )),
    }
}

async fn nothing_here(uri: Uri) -> Response {
    let path = visible(uri.path()).into_owned();
    message(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
}

async fn not_so(method: Method, uri: Uri) -> Response {
    let (method, path) = (visible(method.as_str()), visible(uri.path()));
    message(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} does not take {method}"),
    )
}

fn message(status: StatusCode, message: String) -> Response {
    json(status, &MessageBody { message })
}

fn json(status: StatusCode, what: &impl Serialize) -> Response {
    match serde_json::to_vec(what) {
        Ok(mut text) => {
            text.push(b'\n');
            let kind = [(CONTENT_TYPE, "application/json")];
            (status, kind, Body::from(text)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
