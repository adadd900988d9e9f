//! Answers that are no pages.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::site::WebSite;
use crate::conclude::{Status, StatusAnswer};
use crate::model::visible;

/// The longest body of a request, in bytes: a form with a few fields. Hooks have their own.
pub(super) const BODY_MAX: usize = 16 << 10;

/// A line of text.
pub(super) fn text(status: StatusCode, text: &str) -> Response {
    let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, Body::from(format!("{text}\n"))).into_response()
}

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct WebRefusal {
    code: StatusCode,
    /// One line for the visitor.
    why: String,
}

impl WebRefusal {
    pub(super) fn new(code: StatusCode, why: &str) -> Self {
        Self {
            code,
            why: why.to_owned(),
        }
    }
}

impl IntoResponse for WebRefusal {
    fn into_response(self) -> Response {
        text(self.code, &self.why)
    }
}

/// What `status -o json` prints.
pub(super) async fn status(State(site): State<WebSite>) -> Response {
    let view = site.live().view();
    let state = site.state().clone();
    let suspended = tokio::task::spawn_blocking(move || state.suspended()).await;
    let Ok(suspended) = suspended else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the state cannot be read",
        );
    };
    let status = Status::clone(&view.status).with_suspended(suspended);
    match serde_json::to_vec(&StatusAnswer::from(&status)) {
        Ok(mut body) => {
            body.push(b'\n');
            ([(CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

pub(super) async fn nothing_here(uri: Uri) -> Response {
    let path = visible(uri.path()).into_owned();
    text(
        StatusCode::NOT_FOUND,
        &format!("there is nothing at {path}"),
    )
}

pub(super) async fn not_so(method: Method, uri: Uri) -> Response {
    let (method, path) = (visible(method.as_str()), visible(uri.path()));
    text(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("{path} does not take {method}"),
    )
}
