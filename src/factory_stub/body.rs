//! Sends answers: notes them, checks credentials, keeps to a rate, and lets
//! things go wrong where a fault is queued.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::faults::StubFault;
use super::requests::Note;
use super::shared::{Role, Shared, plain};

/// Bytes that are handed to a connection at once.
const PIECE: usize = 64 << 10;
/// How often a rate-limited answer sends something.
const TICK: Duration = Duration::from_millis(20);

const PAGE: &str =
    "<!doctype html>\n<html><head><title>Sign in</title></head><body>Welcome.</body></html>\n";

/// Wraps every route: what is the same for all answers happens here.
pub(super) async fn deliver(
    State((shared, role)): State<(Arc<Shared>, Role)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, request_body) = request.into_parts();
    let note = shared.requests.note(&head, role == Role::Cdn);
    let fault = shared
        .faults
        .take(&format!("{} {}", head.method, head.uri.path()));
    let is_head = head.method == Method::HEAD;

    if let Some(StubFault::Late(wait)) = fault {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.stop.cancelled() => {}
        }
    }
    if matches!(fault, Some(StubFault::IgnoreRange | StubFault::WrongRange)) {
        head.headers.remove(RANGE);
    }
    let response = if let Some(refusal) = refuse(&shared, role, &head.headers) {
        refusal
    } else if let Some(response) = fault.as_ref().and_then(|fault| replace(fault, &head.uri)) {
        response
    } else {
        next.run(Request::from_parts(head, request_body)).await
    };
    let (mut parts, body) = response.into_parts();
    shared.requests.answered(&note, parts.status);
    // Every route answers with bytes in memory, so this copies nothing.
    let content = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if is_head {
        return Response::from_parts(parts, Body::empty());
    }
    let content = match &fault {
        Some(StubFault::WrongBytes) => content.iter().map(|byte| !byte).collect(),
        _ => content,
    };
    if !parts.headers.contains_key(CONTENT_LENGTH) {
        parts.headers.insert(CONTENT_LENGTH, content.len().into());
    }
    match &fault {
        Some(StubFault::Header(name, value)) => set(&mut parts.headers, name, value),
        Some(StubFault::WithoutHeader(name)) => {
            parts.headers.remove(*name);
        }
        Some(StubFault::WrongRange) => {
            let total = content.len();
            parts.status = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes 0-{}/{total}", total.saturating_sub(1));
            set(&mut parts.headers, "content-range", &range);
        }
        _ => {}
    }
    let end = match fault {
        Some(StubFault::Short(after)) => BodyEnd::Broken { after },
        Some(StubFault::Stall(after)) => BodyEnd::Stalled { after },
        Some(StubFault::Drip { after, every }) => {
            // However much was announced, the drops do not come to an end before it.
            BodyEnd::Dripping { after, every }
        }
        _ => BodyEnd::Whole,
    };
    let body = send(content, end, note, shared);
    Response::from_parts(parts, body)
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// 401, where credentials are wanted. The second origin does not know them.
fn refuse(shared: &Shared, role: Role, headers: &HeaderMap) -> Option<Response> {
    let wanted = shared.options.authorization.as_ref()?;
    let given = headers.get(AUTHORIZATION);
    let right = role == Role::Cdn || given.is_some_and(|given| given == wanted.as_str());
    (!right).then(|| plain(StatusCode::UNAUTHORIZED, "authentication required"))
}

/// The answer of a fault that needs nothing of the real one.
fn replace(fault: &StubFault, uri: &axum::http::Uri) -> Option<Response> {
    Some(match fault {
        StubFault::Status {
            code,
            text,
            retry_after,
        } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = plain(status, text);
            if let Some(value) = retry_after {
                set(response.headers_mut(), "retry-after", value);
            }
            response
        }
        StubFault::Html => ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response(),
        StubFault::Page(code) => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::FORBIDDEN);
            (status, [(CONTENT_TYPE, "text/html")], PAGE).into_response()
        }
        StubFault::RedirectLoop => redirect(&uri.to_string()),
        StubFault::RedirectTo(target) => redirect(target),
        _ => return None,
    })
}

fn redirect(target: &str) -> Response {
    (StatusCode::FOUND, [(LOCATION, target)]).into_response()
}

/// How a body ends.
#[derive(Debug, Clone, Copy)]
enum BodyEnd {
    Whole,
    Broken { after: u64 },
    Stalled { after: u64 },
    Dripping { after: u64, every: Duration },
}

/// A body in pieces, at the rate that was asked for.
fn send(content: Bytes, end: BodyEnd, note: Note, shared: Arc<Shared>) -> Body {
    let cut = |after: u64| {
        content.slice(
            ..content
                .len()
                .min(usize::try_from(after).unwrap_or(usize::MAX)),
        )
    };
    let content = match end {
        BodyEnd::Whole => content,
        BodyEnd::Broken { after }
        | BodyEnd::Stalled { after }
        | BodyEnd::Dripping { after, .. } => cut(after),
    };
    let piece = shared.options.rate.map_or(PIECE, |rate| {
        let per_tick = rate.saturating_mul(TICK.as_millis() as u64) / 1000;
        usize::try_from(per_tick).unwrap_or(PIECE).clamp(1, PIECE)
    });
    let pieces = futures_util::stream::unfold(Some(content), move |rest| {
        let shared = Arc::clone(&shared);
        let sent = Arc::clone(&note.bytes);
        async move {
            let mut rest = rest?;
            let next = async {
                if rest.is_empty() {
                    return match end {
                        BodyEnd::Whole => None,
                        BodyEnd::Broken { .. } => {
                            // What was sent before has to reach the client: the
                            // connection flushes while the body has nothing to say.
                            tokio::time::sleep(TICK).await;
                            Some(Err(broken("the fault")))
                        }
                        BodyEnd::Stalled { .. } => std::future::pending().await,
                        BodyEnd::Dripping { every, .. } => {
                            tokio::time::sleep(every).await;
                            Some(Ok(Bytes::from_static(b" ")))
                        }
                    };
                }
                if let Some(rate) = shared.options.rate {
                    let wait = piece as f64 / rate.max(1) as f64;
                    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
                }
                let bytes = rest.split_to(rest.len().min(piece));
                sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Some(Ok(bytes))
            };
            let next = tokio::select! {
                next = next => next,
                () = shared.stop.cancelled() => Some(Err(broken("the end of the server"))),
            };
            next.map(|item| {
                let rest = item.is_ok().then_some(rest);
                (item, rest)
            })
        }
    });
    Body::from_stream(pieces)
}

/// An error in a body makes the server close the connection, which is all that
/// the client sees.
fn broken(by: &str) -> io::Error {
    io::Error::other(format!("interrupted by {by}"))
}
