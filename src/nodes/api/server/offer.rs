//! The files that may be loaded just now, and how one is answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::range::AskedRange;
use crate::io::Meter;
use crate::io::flow::pace::Pace;
use crate::nodes::api::content::SentContent;

/// Bytes that are read from a file at once.
const PIECE: usize = 256 << 10;

/// A file that may be loaded.
#[derive(Debug)]
pub(in crate::nodes::api) struct Offer {
    /// The name of the file, for messages.
    pub name: String,
    pub content: SentContent,
    pub meter: Arc<Meter>,
    /// The limit that all transfers share.
    pub pace: Option<Arc<Pace>>,
    /// Bytes that were sent, those that were sent twice included.
    pub sent: AtomicU64,
    /// Ends what is being sent.
    pub ended: CancellationToken,
}

/// Ends the connection that a request came over.
#[derive(Debug, Clone)]
pub(super) struct ConnectionEnd(pub CancellationToken);

/// The files that may be loaded, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Offers(Arc<Mutex<BTreeMap<String, Arc<Offer>>>>);

impl Offers {
    pub(super) fn insert(&self, path: String, offer: Arc<Offer>) {
        let mut offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offers.insert(path, offer);
    }

    /// Ends an offer, and with it every connection that still loads it.
    pub(super) fn end(&self, path: &str) {
        let mut offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(offer) = offers.remove(path) {
            offer.ended.cancel();
        }
    }

    fn find(&self, path: &str) -> Option<Arc<Offer>> {
        let offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offers.get(path).cloned()
    }
}

/// Answers `GET` and `HEAD` of a file that is offered; everything else is not there.
pub(super) async fn answer(State(offers): State<Offers>, request: Request) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let Some(offer) = offers.find(request.uri().path()) else {
        return status(StatusCode::NOT_FOUND);
    };
    if !is_head && request.method() != Method::GET {
        return status(StatusCode::METHOD_NOT_ALLOWED);
    }
    if let Some(ConnectionEnd(over)) = request.extensions().get().cloned() {
        let ended = offer.ended.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => over.cancel(),
                () = over.cancelled() => {}
            }
        });
    }
    match offer.send(request.headers(), is_head).await {
        Ok(response) => response,
        Err(error) => {
            let name = &offer.name;
            tracing::warn!(reason = %error, "cannot serve {name} to a node");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

impl Offer {
    async fn send(
        self: &Arc<Self>,
        headers: &HeaderMap,
        is_head: bool,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let etag = format!("\"{}\"", self.content.sha256);
        // A part of another file is of no use.
        let is_same = text(IF_RANGE).is_none_or(|known| known == etag);
        let asked = AskedRange::read(
            text(RANGE).filter(|_| is_same && !is_head),
            self.content.size,
        );
        let response = Response::builder()
            .header(ACCEPT_RANGES, "bytes")
            .header(ETAG, etag);
        let (response, range) = match asked {
            AskedRange::Outside => {
                let range = format!("bytes */{}", self.content.size);
                let response = response.status(StatusCode::RANGE_NOT_SATISFIABLE);
                return Ok(response.header(CONTENT_RANGE, range).body(Body::empty())?);
            }
            AskedRange::Whole => (response, 0..self.content.size),
            AskedRange::Part(range) => {
                let (first, last) = (range.start, range.end - 1);
                let shown = format!("bytes {first}-{last}/{}", self.content.size);
                let response = response.status(StatusCode::PARTIAL_CONTENT);
                (response.header(CONTENT_RANGE, shown), range)
            }
        };
        let length = range.end - range.start;
        let response = response
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, length);
        if is_head {
            return Ok(response.body(Body::empty())?);
        }
        self.meter.set_done(range.start);
        let own = Arc::clone(self);
        // Less than was announced breaks the connection, so that it is not taken for all.
        let pace = self.pace.clone();
        let piece = pace
            .as_ref()
            .map_or(PIECE, |pace| pace.piece().clamp(1, PIECE));
        let pieces = self
            .content
            .pieces(range, piece)
            .then(move |piece| {
                let bytes = piece.as_ref().map_or(0, |piece| piece.len() as u64);
                let wait = pace.as_ref().map(|pace| pace.wait_for(bytes));
                async move {
                    if let Some(wait) = wait {
                        tokio::time::sleep(wait).await;
                    }
                    piece
                }
            })
            .inspect(move |piece| {
                if let Ok(piece) = piece {
                    own.meter.add(piece.len() as u64);
                    own.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            })
            .take_until(self.ended.clone().cancelled_owned());
        Ok(response.body(Body::from_stream(pieces))?)
    }
}
