//! The connection to the server, below `object_store`.
//!
//! Its own client measures silence from the beginning of a request, so that a part of
//! an upload that takes longer than that on a slow link always fails. Here silence is the
//! time in which nothing moves in either direction. Requests are counted here, with those
//! that are repeated.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::{Certificate, Client, redirect};
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::BucketSettings;
use super::clock::ServerClock;

const USER_AGENT: &str = concat!("talos-order/", env!("CARGO_PKG_VERSION"));

/// Bytes that are handed to the connection at once: what still stands in its buffers
/// counts as sent.
const PIECE: usize = 64 << 10;

/// The most bytes of the text of an error that are read.
const ERROR_TEXT: u64 = 64 << 10;

/// How long a connection is kept that nobody uses. Servers close them after a minute or
/// so, and a request that meets that moment fails.
const KEPT: Duration = Duration::from_secs(20);

/// The connections to one server. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    client: Client,
    idle: Duration,
    requests: Arc<AtomicU64>,
    clock: ServerClock,
}

impl Wire {
    pub(super) fn new(
        settings: &BucketSettings,
        requests: Arc<AtomicU64>,
        clock: ServerClock,
    ) -> Result<Self, reqwest::Error> {
        let trusted = match &settings.authorities {
            Some(pem) => Certificate::from_pem_bundle(pem)?,
            None => Vec::new(),
        };
        let common = || {
            let builder = Client::builder()
                .user_agent(USER_AGENT)
                .connect_timeout(settings.connect)
                // A request is signed for one host.
                .redirect(redirect::Policy::none())
                .referer(false)
                .pool_idle_timeout(KEPT);
            match settings.is_loopback() {
                // No proxy can reach it.
                true => builder.no_proxy(),
                false => builder,
            }
        };
        let client = match common().tls_certs_merge(trusted.clone()).build() {
            // A machine without certificates of its own can still use what needs none.
            Err(_) if settings.is_plain() || !trusted.is_empty() => {
                common().tls_certs_only(trusted).build()?
            }
            built => built?,
        };
        Ok(Self {
            client,
            idle: settings.idle,
            requests,
            clock,
        })
    }

    /// The same connections, on which silence may last so long.
    pub(super) fn waiting(&self, idle: Duration) -> Self {
        Self {
            idle,
            ..self.clone()
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let url = head.uri.to_string().parse();
        let url =
            url.map_err(|error: url::ParseError| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        let moved = Arc::new(Notify::new());
        *request.body_mut() = Some(match body.content_length() {
            0 => Bytes::new().into(),
            _ => reqwest::Body::wrap(SentBody {
                body,
                rest: Bytes::new(),
                moved: Arc::clone(&moved),
            }),
        });
        let mut answer = std::pin::pin!(self.client.execute(request));
        let mut answer = loop {
            tokio::select! {
                answer = &mut answer => break answer.map_err(failed)?,
                () = moved.notified() => {}
                () = tokio::time::sleep(self.idle) => return Err(Silence(self.idle).into()),
            }
        };
        let status = answer.status();
        self.clock.hear(answer.headers());
        let headers = std::mem::take(answer.headers_mut());
        let mut response = HttpResponse::new(HttpResponseBody::new(HeardBody {
            body: answer.into(),
            left: (!status.is_success()).then_some(ERROR_TEXT),
            idle: self.idle,
            waiting: None,
        }));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

impl HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Wire {
    // As `async_trait` has it.
    fn call<'this, 'answer>(
        &'this self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'answer>>
    where
        'this: 'answer,
        Self: 'answer,
    {
        Box::pin(self.send(request))
    }
}

/// Nothing moved for so long.
#[derive(Debug)]
struct Silence(Duration);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer for {:?}", self.0)
    }
}

impl std::error::Error for Silence {}

impl From<Silence> for HttpError {
    fn from(silence: Silence) -> Self {
        Self::new(HttpErrorKind::Timeout, silence)
    }
}

fn failed(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        error if error.is_connect() => HttpErrorKind::Connect,
        error if error.is_timeout() => HttpErrorKind::Timeout,
        error if error.is_builder() => HttpErrorKind::Unknown,
        // Whether the request arrived is not known.
        _ => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error.without_url())
}

/// What is sent, in pieces that tell of themselves.
struct SentBody {
    body: HttpRequestBody,
    /// Of the last frame.
    rest: Bytes,
    moved: Arc<Notify>,
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.moved.notify_one();
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let behind = self.body.size_hint().lower();
        SizeHint::with_exact(behind + self.rest.len() as u64)
    }
}

/// What is answered, as long as it comes.
struct HeardBody {
    body: reqwest::Body,
    /// The bytes that may still come, where there is a limit.
    left: Option<u64>,
    idle: Duration,
    /// Runs while nothing comes and somebody waits for it: a slow reader is no silence.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for HeardBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = None;
            let length = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len) as u64,
                _ => 0,
            };
            self.left = self.left.map(|left| left.saturating_sub(length));
            return Poll::Ready(frame.map(|frame| frame.map_err(failed)));
        }
        let idle = self.idle;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(Silence(idle).into())))
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}
