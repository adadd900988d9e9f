//! What is checked before every request, and what every answer says to browsers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;

use super::answer::text;
use super::site::WebSite;
use crate::model::visible;

/// Nothing from elsewhere, no inline script or style, no framing, forms to this server only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// How long a request waits for a place.
const QUEUE: Duration = Duration::from_secs(10);

const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Adds the headers that protect a visitor. An answer may have its own word on caching.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Waits for a place among the answers that are in memory, and keeps it until the last byte
/// is sent: clients that read slowly keep others from a page, and never fill the memory.
pub(super) async fn bounded(State(site): State<WebSite>, request: Request, next: Next) -> Response {
    let places = Arc::clone(site.answers());
    let Ok(Ok(place)) = tokio::time::timeout(QUEUE, places.acquire_owned()).await else {
        let mut busy = text(StatusCode::SERVICE_UNAVAILABLE, "too many clients");
        busy.headers_mut().insert(RETRY_AFTER, 10.into());
        return busy;
    };
    let (head, body) = next.run(request).await.into_parts();
    let kept = body.into_data_stream().map(move |piece| {
        let _until_the_last = &place;
        piece
    });
    Response::from_parts(head, Body::from_stream(kept))
}

/// Refuses requests for a host that this server is not. A page of somebody else whose name
/// leads here (DNS rebinding) could read the answers otherwise; it cannot have an IP
/// address as its name.
pub(super) async fn host(State(site): State<WebSite>, request: Request, next: Next) -> Response {
    let named = request.uri().authority().map(|to| to.as_str().to_owned());
    let mut headers = request.headers().get_all(HOST).iter();
    let header = headers.next();
    let header = header.and_then(|host| Some(host.to_str().ok()?.to_owned()));
    // A proxy in front may have looked at another one of several.
    if headers.next().is_some() {
        let several = "the request has more than one Host header";
        return text(StatusCode::BAD_REQUEST, several);
    }
    let Some(host) = named.or(header) else {
        return text(StatusCode::BAD_REQUEST, "the request has no Host header");
    };
    if is_known(&host, &site.config().hosts) {
        return next.run(request).await;
    }
    let name = visible(name_of(&host).unwrap_or(&host)).into_owned();
    text(
        StatusCode::MISDIRECTED_REQUEST,
        &format!(
            "this server is not asked for as {name}; add the name to `web.hosts` in the \
             configuration of talos-order if it should be"
        ),
    )
}

/// The name in a Host header, without the port; `None` where there is anything else in it,
/// such as a login: who reads that as what is a matter of opinion.
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name)
}

fn is_known(host: &str, hosts: &[String]) -> bool {
    let Some(name) = name_of(host) else {
        return false;
    };
    let name = name.trim_end_matches('.').to_lowercase();
    let own = rustix::system::uname();
    let own = own.nodename().to_string_lossy().to_lowercase();
    let short = own.split('.').next().unwrap_or_default();
    name.parse::<Ipv4Addr>().is_ok()
        || name.parse::<Ipv6Addr>().is_ok()
        || name == "localhost"
        || (!own.is_empty() && (name == own || name == short))
        || hosts.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known_by_address_and_by_name() {
        let hosts = ["images.example.org".to_owned()];
        for known in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "images.example.org",
            "Images.Example.org:443",
            "images.example.org.",
        ] {
            assert!(is_known(known, &hosts), "{known}");
        }
        for unknown in [
            "",
            "evil.example",
            "images.example.org.evil.example",
            "127.0.0.1.evil.example",
            "x127.0.0.1",
            "[evil",
            "1.2.3",
            "[::1]evil.example",
            "[::1].evil.example:80",
            "127.0.0.1:80@evil.example",
            "localhost:evil.example",
            "evil.example@127.0.0.1",
        ] {
            assert!(!is_known(unknown, &hosts), "{unknown}");
        }
    }
}
