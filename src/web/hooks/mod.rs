//! Hooks: another program says that the orders have changed, and the controller looks.
//!
//! What a call says is not used: it proves only that the caller has the secret, so that a
//! forged or repeated one costs at most a look. The body may have as many bytes as GitHub
//! sends, and goes through `signature` in pieces. `hook_calls` bounds how often the
//! controller looks; a call beyond that is answered with 429, and one look is made up for
//! all of them.

mod signature;

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::time::{sleep, timeout};

use super::answer::text;
use super::hook_calls::Paced;
use super::peer::Peer;
use super::site::WebSite;
use crate::model::HookName;
use signature::{SignatureCheck, SignatureError};

/// The longest body in bytes: what GitHub sends at most.
const HOOK_BODY_MAX: usize = 25 << 20;

/// How long a body may take. Those who call wait about as long for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A call of a hook.
pub(super) async fn call(
    State(site): State<WebSite>,
    Path(name): Path<String>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let config = site.config();
    let hook = config.hooks.iter().find(|hook| hook.name.as_str() == name);
    let Some(hook) = hook else {
        return text(StatusCode::NOT_FOUND, "there is no such hook");
    };
    let (head, body) = request.into_parts();
    let checked = match SignatureCheck::begin(hook, &head.headers) {
        Ok(check) => check_body(check, body).await,
        Err(error) => Err(HookRefusal::Signature(error)),
    };
    let refusal = match checked {
        Ok(()) if is_ping(&head.headers) => {
            site.hook_calls().tried(&hook.name);
            return text(StatusCode::OK, "the hook works");
        }
        Ok(()) => return look(&site, &hook.name),
        Err(refusal) => refusal,
    };
    if let Some(count) = site.hook_calls().refused(&hook.name) {
        tracing::warn!(
            hook = %hook.name, peer = %peer, reason = %refusal, count,
            "refused calls of a hook"
        );
    }
    text(refusal.code(), &refusal.to_string())
}

/// Why a call is not taken.
#[derive(Debug, thiserror::Error)]
enum HookRefusal {
    #[error(transparent)]
    Signature(SignatureError),
    #[error("the body is longer than {} MiB", HOOK_BODY_MAX >> 20)]
    TooLong,
    #[error("the body did not come within {} s", PATIENCE.as_secs())]
    TooSlow,
    #[error("the body is not whole")]
    Broken,
}

impl HookRefusal {
    const fn code(&self) -> StatusCode {
        match self {
            Self::Signature(_) => StatusCode::UNAUTHORIZED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads the body to its end, so that the answer can be read, too.
async fn check_body(mut check: SignatureCheck, body: Body) -> Result<(), HookRefusal> {
    let read = async {
        let mut pieces = body.into_data_stream();
        let mut length = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| HookRefusal::Broken)?;
            length += piece.len();
            if length > HOOK_BODY_MAX {
                return Err(HookRefusal::TooLong);
            }
            check.update(&piece);
        }
        check.finish().map_err(HookRefusal::Signature)
    };
    timeout(PATIENCE, read)
        .await
        .unwrap_or(Err(HookRefusal::TooSlow))
}

/// True for the call with which a new hook is tried.
fn is_ping(headers: &HeaderMap) -> bool {
    let events = ["x-github-event", "x-gitea-event", "x-forgejo-event"];
    events
        .iter()
        .any(|name| headers.get(*name).is_some_and(|event| event == "ping"))
}

/// Makes the controller look, now or as soon as it may.
fn look(site: &WebSite, name: &HookName) -> Response {
    let later = match site.hook_calls().taken(name) {
        Paced::Now => {
            tracing::info!(hook = %name, "a hook was called");
            site.control().look();
            return text(StatusCode::ACCEPTED, "the controller looks at its orders");
        }
        Paced::Later(later) => {
            let site = site.clone();
            tokio::spawn(async move {
                sleep(later).await;
                site.control().look();
            });
            later
        }
        Paced::Joined(later) => later,
    };
    let seconds = later.as_secs() + 1;
    let mut answer = text(
        StatusCode::TOO_MANY_REQUESTS,
        &format!("too many calls; the controller looks at its orders in {seconds} s"),
    );
    let headers = answer.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}
