//! One request, with its redirects, its credentials and its time.
//!
//! Redirects are followed here and not by `reqwest::redirect::Policy::custom`. A policy
//! is not told the method, so that a schematic could be posted again to another place;
//! it is not called where `Location` is missing or no URL, which would make a response
//! of the redirect; and a timeout would not say which server was silent.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::config::UpstreamConfig;
use super::endpoint::Endpoint;
use super::error::{PAGE, UpstreamError, unresolved};
use super::tally::RequestTally;
use super::{retry, text, trust};

const USER_AGENT: &str = concat!("talos-order/", env!("CARGO_PKG_VERSION"));
/// Redirects that are followed. A factory needs one, a renamed repository two.
const HOPS: usize = 8;
/// Bytes of an error's text that are read at all.
const ERROR_TEXT: usize = 16 << 10;
/// How long to wait for the text of an error.
const ERROR_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(super) struct UpstreamRequest<'a> {
    pub endpoint: &'a Endpoint,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<String>,
    /// How long the head of the answer may take, redirects included.
    pub patience: Duration,
}

impl<'a> UpstreamRequest<'a> {
    pub(super) fn get(endpoint: &'a Endpoint, url: Url, patience: Duration) -> Self {
        Self {
            endpoint,
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            body: None,
            patience,
        }
    }

    /// Sets a header. A value that HTTP does not allow (from a file that somebody
    /// edited) is left out: the answer is checked, not the question.
    pub(super) fn header(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(super) struct UpstreamResponse {
    pub inner: Response,
    /// Who answered in the end, fit to be shown.
    pub from: String,
    /// When the patience for the head ran, or would have run, out.
    pub deadline: Instant,
}

impl UpstreamResponse {
    pub(super) fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// Refuses a web page that answers as if all were well, as sign-in pages of
    /// proxies and networks do.
    fn unless_page(self) -> Result<Self, UpstreamError> {
        match self.header(CONTENT_TYPE) {
            Some(kind) if self.status().is_success() && text::is_html(kind) => {
                Err(UpstreamError::Page {
                    content_type: text::shown(kind).unwrap_or_default(),
                    url: self.from,
                })
            }
            _ => Ok(self),
        }
    }

    /// The value of a header, if it is text.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The whole body, which must be small: so many bytes, all of them within so much
    /// time. A limit on silence alone would let a source that sends a byte now and
    /// then hold a run for days.
    pub(super) async fn text(
        mut self,
        limit: usize,
        total: Duration,
    ) -> Result<String, UpstreamError> {
        let mut body = Vec::new();
        let until = Instant::now() + total;
        loop {
            let piece = match self.piece(until, total).await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(UpstreamError::Timeout { url, .. }) => {
                    return Err(UpstreamError::Late {
                        url,
                        got: body.len() as u64,
                        after: total,
                    });
                }
                Err(error) => return Err(error),
            };
            if body.len() + piece.len() > limit {
                return Err(UpstreamError::Answer {
                    url: self.from,
                    reason: format!(
                        "more than {limit} bytes, which is not an answer to the request"
                    ),
                });
            }
            body.extend_from_slice(&piece);
        }
        let text = String::from_utf8(body).map_err(|_| UpstreamError::Answer {
            url: self.from.clone(),
            reason: "something that is not UTF-8 text".into(),
        })?;
        // Some proxies call their pages plain text.
        if text::is_page(&text) {
            return Err(UpstreamError::Page {
                url: self.from,
                content_type: "HTML".into(),
            });
        }
        Ok(text)
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn piece(
        &mut self,
        until: Instant,
        patience: Duration,
    ) -> Result<Option<Bytes>, UpstreamError> {
        match timeout_at(until, self.inner.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(source)) => Err(transport("reading from", &self.from, source)),
            Err(_) => Err(UpstreamError::Timeout {
                url: self.from.clone(),
                waiting_for: "waiting for the next bytes",
                after: patience,
            }),
        }
    }
}

/// The HTTP client behind all requests.
#[derive(Debug)]
pub(super) struct HttpClient {
    client: Client,
    /// For this machine, which no proxy can reach.
    direct: Option<Client>,
    tally: RequestTally,
}

impl HttpClient {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, UpstreamError> {
        let bases = [&config.factory, &config.github];
        let needs_tls = bases.iter().any(|url| url.scheme() == "https");
        let trusted = trust::certificates(config.ca.as_ref())?;
        let build = |builder: fn() -> ClientBuilder| {
            let common = || {
                builder()
                    .user_agent(USER_AGENT)
                    .connect_timeout(config.connect)
                    // Followed here instead, see the head of this file.
                    .redirect(reqwest::redirect::Policy::none())
                    .referer(false)
            };
            let built = common().tls_certs_merge(trusted.clone()).build();
            // A machine without CA certificates can still use plain HTTP, and HTTPS
            // with servers that the configured ones vouch for.
            let built = match built {
                Err(_) if !needs_tls || !trusted.is_empty() => {
                    common().tls_certs_only(trusted.clone()).build()
                }
                built => built,
            };
            built.map_err(|source| trust::blamed(config.ca.as_ref(), source))
        };
        let direct = bases.iter().any(|url| is_this_machine(url));
        Ok(Self {
            client: build(Client::builder)?,
            direct: direct
                .then(|| build(|| Client::builder().no_proxy()))
                .transpose()?,
            tally: config.tally.clone(),
        })
    }

    /// Sends a request and follows redirects; any status is an answer. A web page in
    /// place of it is not: nothing that is asked here is one, and it is refused in this
    /// one place, before anybody reads it as something else.
    pub(super) async fn send(
        &self,
        request: &UpstreamRequest<'_>,
    ) -> Result<UpstreamResponse, UpstreamError> {
        let deadline = Instant::now() + request.patience;
        let mut url = text::without_user(&request.url);
        for _ in 0..=HOPS {
            let shown = text::public(&url);
            let sent = timeout_at(deadline, self.built(request, &url).send()).await;
            self.tally.count(&url, &sent);
            let response = match sent {
                Ok(Ok(response)) => response,
                Ok(Err(source)) => return Err(transport("asking", &shown, source)),
                Err(_) => {
                    return Err(UpstreamError::Timeout {
                        url: shown,
                        waiting_for: "waiting for an answer",
                        after: request.patience,
                    });
                }
            };
            match target(&request.method, &url, &response)? {
                Some(next) => url = next,
                None => {
                    let response = UpstreamResponse {
                        inner: response,
                        from: shown,
                        deadline,
                    };
                    return response.unless_page();
                }
            }
        }
        Err(UpstreamError::Redirect {
            url: text::public(&request.url),
            reason: format!("more than {HOPS} times"),
        })
    }

    /// Sends a request and makes everything but success an error.
    pub(super) async fn demand(
        &self,
        request: &UpstreamRequest<'_>,
    ) -> Result<UpstreamResponse, UpstreamError> {
        let response = self.send(request).await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            _ => Err(self.refusal(request, response).await),
        }
    }

    /// What an answer that is not a success says.
    pub(super) async fn refusal(
        &self,
        request: &UpstreamRequest<'_>,
        mut response: UpstreamResponse,
    ) -> UpstreamError {
        let status = response.status().as_u16();
        let retry_after = retry::retry_after(response.inner.headers(), SystemTime::now());
        let is_page = response.header(CONTENT_TYPE).is_some_and(text::is_html);
        let mut body = Vec::new();
        // A text that does not come is no reason to hide the status.
        let until = Instant::now() + ERROR_TIME;
        while !is_page && body.len() < ERROR_TEXT {
            match response.piece(until, ERROR_TIME).await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(ERROR_TEXT);
        UpstreamError::Status {
            method: name(&request.method),
            url: response.from,
            status,
            text: match is_page {
                true => Some(PAGE.to_owned()),
                false => request
                    .endpoint
                    .shown(&message(&String::from_utf8_lossy(&body))),
            },
            retry_after,
        }
    }

    fn built(&self, request: &UpstreamRequest<'_>, url: &Url) -> reqwest::RequestBuilder {
        let client = match &self.direct {
            Some(direct) if is_this_machine(url) => direct,
            _ => &self.client,
        };
        let mut built = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            // The bytes of an image are to be the bytes of the image.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = request.endpoint.authorization_for(url) {
            built = built.header(AUTHORIZATION, authorization.clone());
        }
        match &request.body {
            Some(body) => built.body(body.clone()),
            None => built,
        }
    }
}

/// Where a redirect leads; `None` if the answer is not one.
fn target(method: &Method, from: &Url, response: &Response) -> Result<Option<Url>, UpstreamError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refuse = |reason: String| {
        Err(UpstreamError::Redirect {
            url: text::public(from),
            reason,
        })
    };
    let location = response.headers().get(LOCATION);
    let Some(location) = location.and_then(|value| value.to_str().ok()) else {
        return refuse("without a location".into());
    };
    let Ok(to) = from.join(location) else {
        return refuse("to something that is not a URL".into());
    };
    let to = text::without_user(&to);
    let shown = text::public(&to);
    if *method != Method::GET && *method != Method::HEAD {
        // Sending a document again to another place is the user's decision.
        return refuse(format!("a {method} to {shown}, which is not followed"));
    }
    match (from.scheme(), to.scheme()) {
        ("https", "http") => refuse(format!("to {shown}, which is not encrypted")),
        (_, "http" | "https") => Ok(Some(to)),
        _ => refuse(format!("to {shown}, which is not a web address")),
    }
}

/// Reads a URL that the catalogue made.
pub(super) fn parse(url: &str) -> Result<Url, UpstreamError> {
    match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(url) => Err(UpstreamError::Url {
            url: text::public(&url),
        }),
        // It may hold a secret all the same.
        Err(_) => Err(UpstreamError::Url {
            url: url.split(['?', '@']).next().unwrap_or_default().to_owned(),
        }),
    }
}

fn transport(doing: &'static str, url: &str, source: reqwest::Error) -> UpstreamError {
    if let Some(why) = unresolved(&source) {
        let url = url.to_owned();
        return UpstreamError::Unresolved { doing, url, why };
    }
    UpstreamError::Transport {
        doing,
        url: url.to_owned(),
        connect: source.is_connect(),
        // The library's own message has the URL in it, with its query.
        source: source.without_url(),
    }
}

/// The message in an error of GitHub's, or the text as it is.
fn message(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    json.as_ref()
        .and_then(|json| json.get("message")?.as_str())
        .unwrap_or(body)
        .to_owned()
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "GET",
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
