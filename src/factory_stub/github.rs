//! As much of GitHub's API as it takes to list the tags of a repository.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::TalosVersion;

/// Requests an hour without a token.
const LIMIT: u32 = 60;

/// The state of the part that plays GitHub.
#[derive(Debug, Default)]
pub(super) struct GithubStub {
    /// When the limit is reset, in seconds since 1970; `None` below the limit.
    limited: Mutex<Option<u64>>,
}

impl GithubStub {
    pub(super) fn limit(&self, reset: Option<Duration>) {
        let reset = reset.map(|wait| {
            let at = SystemTime::now() + wait;
            at.duration_since(UNIX_EPOCH)
                .map_or(0, |time| time.as_secs())
        });
        *self.limited.lock().unwrap_or_else(PoisonError::into_inner) = reset;
    }

    /// A page of tags, among them those of a Go module, which are most of the
    /// real repository's.
    pub(super) fn tags(
        &self,
        base: &str,
        known: &[String],
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Response {
        if let Some(refusal) = self.refuse() {
            return refusal;
        }
        let number = |key: &str, default: usize| {
            query
                .iter()
                .find(|(name, _)| name == key)
                .and_then(|(_, value)| value.parse().ok())
                .filter(|&value| value > 0)
                .unwrap_or(default)
        };
        let per_page = number("per_page", 30).min(100);
        let page = number("page", 1);
        let names: Vec<String> = known
            .iter()
            .rev()
            .flat_map(|version| [format!("pkg/machinery/{version}"), version.clone()])
            .collect();
        let pages = names.len().div_ceil(per_page).max(1);
        let tags: Vec<Value> = names
            .iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .map(|name| tag(base, name))
            .collect();
        let mut response = conditional(&Value::Array(tags).to_string(), headers);
        if page < pages {
            let link = |page: usize, rel: &str| {
                format!(
                    "<{base}repositories/1/tags?per_page={per_page}&page={page}>; rel=\"{rel}\""
                )
            };
            let links = format!("{}, {}", link(page + 1, "next"), link(pages, "last"));
            if let Ok(links) = HeaderValue::from_str(&links) {
                response.headers_mut().insert(LINK, links);
            }
        }
        response
    }

    /// The release that was published last: never a pre-release.
    pub(super) fn latest_release(&self, known: &[String], headers: &HeaderMap) -> Response {
        if let Some(refusal) = self.refuse() {
            return refusal;
        }
        let latest = known
            .iter()
            .filter_map(|name| name.parse::<TalosVersion>().ok())
            .filter(TalosVersion::is_ga)
            .max();
        match latest {
            None => answer(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
            Some(version) => {
                let release = json!({
                    "tag_name": version.to_string(),
                    "name": version.to_string(),
                    "draft": false,
                    "prerelease": false,
                });
                conditional(&release.to_string(), headers)
            }
        }
    }

    fn refuse(&self) -> Option<Response> {
        let reset = (*self.limited.lock().unwrap_or_else(PoisonError::into_inner))?;
        let headers = [
            ("x-ratelimit-limit", LIMIT.to_string()),
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        let body = json!({ "message": "API rate limit exceeded for 127.0.0.1." });
        Some((headers, answer(StatusCode::FORBIDDEN, &body)).into_response())
    }
}

fn tag(base: &str, name: &str) -> Value {
    let sha =
        &crate::model::Sha256::from_bytes(Sha256::digest(name.as_bytes()).into()).to_string()[..40];
    json!({
        "name": name,
        "commit": {
            "sha": sha,
            "url": format!("{base}repos/siderolabs/talos/commits/{sha}"),
        },
    })
}

/// The body, or 304 where the asker has it; with a weak entity tag, as GitHub
/// sends it.
fn conditional(body: &str, headers: &HeaderMap) -> Response {
    let digest = crate::model::Sha256::from_bytes(Sha256::digest(body.as_bytes()).into());
    let etag = format!("W/\"{digest}\"");
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes());
    let tag = [(ETAG, etag)];
    if known {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, json_body(body.to_owned())).into_response()
}

/// A JSON answer with a status.
pub(super) fn answer(status: StatusCode, body: &Value) -> Response {
    (status, json_body(body.to_string())).into_response()
}

fn json_body(body: String) -> Response {
    let kind = [(CONTENT_TYPE, "application/json; charset=utf-8")];
    (kind, body).into_response()
}
