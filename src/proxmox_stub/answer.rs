//! Answers in the form of Proxmox VE's HTTP server.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;
use serde_json::{Value, json};

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denied {
    /// A status with its text in the status line only.
    Bare(u16, String),
    /// A status with its text in the body, too.
    Told(u16, String),
    /// 400 with a text for each parameter.
    Parameters(BTreeMap<String, String>),
}

impl Denied {
    /// What a handler dies with.
    pub(super) fn died(text: impl Into<String>) -> Self {
        Self::Told(500, text.into())
    }

    /// The text alone.
    pub(super) fn text(self) -> String {
        match self {
            Self::Bare(_, text) | Self::Told(_, text) => text,
            Self::Parameters(errors) => errors.into_values().collect::<Vec<_>>().join("; "),
        }
    }

    /// A parameter that is wrong.
    pub(super) fn parameter(name: &str, text: &str) -> Self {
        Self::Parameters(BTreeMap::from([(name.to_owned(), text.to_owned())]))
    }

    /// A missing privilege.
    pub(super) fn permission(path: &str, privileges: &str) -> Self {
        Self::Told(
            403,
            format!("Permission check failed ({path}, {privileges})"),
        )
    }
}

/// The answer to a request. Errors have a `message` since http-server 5.2.0.
pub(super) fn response(result: Result<Value, Denied>, has_message: bool) -> Response<Body> {
    let with_message = |mut body: Value, text: &str| {
        if has_message {
            body["message"] = json!(format!("{text}\n"));
        }
        Body::from(body.to_string())
    };
    match result {
        Ok(data) => {
            let body = json!({ "data": data }).to_string();
            built(200, "OK", Body::from(body))
        }
        Err(Denied::Bare(status, text)) => built(status, &text, Body::empty()),
        Err(Denied::Told(status, text)) => {
            let body = with_message(json!({ "data": null }), &text);
            built(status, &text, body)
        }
        Err(Denied::Parameters(errors)) => {
            let text = "Parameter verification failed.";
            let body = with_message(json!({ "data": null, "errors": errors }), text);
            built(400, text, body)
        }
    }
}

pub(super) fn built(status: u16, reason: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = axum::http::HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, json);
    let line = reason.lines().next().unwrap_or_default();
    if let Ok(reason) = ReasonPhrase::try_from(line.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}
