//! The body of an upload: one part, of known length, read as it is sent.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use reqwest::Body;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::api::PveApi;
use super::call::{PveCall, data};
use super::config::CallLimits;
use super::error::PveError;
use super::permit::PermitEnded;
use super::upid::Upid;

/// Bytes that are read at once.
const PIECE: u64 = 256 << 10;

/// What is sent to a node: a file, or something that is made as it is read. It is read on
/// threads that may wait.
pub trait UploadContent: fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> u64;

    /// Reads a part of it.
    ///
    /// # Errors
    /// Where that cannot be read whole: then the upload ends early.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// Sends a file under a name.
pub(super) async fn send(
    api: &PveApi,
    call: &PveCall,
    source: &Arc<dyn UploadContent>,
    name: &str,
) -> Result<Upid, PveError> {
    let size = source.length();
    let boundary = boundary();
    // The node reads the part with a regular expression: `Content-Disposition` first,
    // the name of the field exactly `filename`.
    let head = format!(
        "--{boundary}\r\n\
         Content-Disposition: form-data; name=\"filename\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n",
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let length = head.len() as u64 + size + tail.len() as u64;

    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    // What cannot be read ends the body early, which breaks the request. So does what may
    // not be sent any more: the node drops what has come.
    let pieces = pieces(Arc::clone(source), size);
    let edge = |text: String| stream::once(async { Ok(Bytes::from(text)) });
    let permit = api.permit().cloned();
    let body = edge(head)
        .chain(pieces)
        .chain(edge(tail))
        .map(move |piece| {
            let piece = piece?;
            if permit.as_ref().is_some_and(|permit| !permit.may_change()) {
                return Err(io::Error::other(PermitEnded));
            }
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(piece)
        });
    let headers = [
        (
            CONTENT_TYPE,
            format!("multipart/form-data; boundary={boundary}"),
        ),
        (CONTENT_LENGTH, length.to_string()),
    ];
    let alive = stalled(&sent, length, api.limits());
    let body = Body::wrap_stream(body);
    let answered = api.send_body(call, headers, body, alive).await?;
    data(call, &answered.body)
}

fn pieces(
    source: Arc<dyn UploadContent>,
    size: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(0, move |at| {
        let source = Arc::clone(&source);
        async move {
            let length = (size - at).min(PIECE);
            if length == 0 {
                return Ok(None);
            }
            let read = move || {
                let mut buffer = BytesMut::zeroed(length as usize);
                source.read_at(at, &mut buffer)?;
                Ok(buffer.freeze())
            };
            let bytes = tokio::task::spawn_blocking(read).await;
            let bytes: io::Result<Bytes> = bytes.map_err(io::Error::other)?;
            bytes.map(|bytes| Some((bytes, at + length)))
        }
    })
}

/// Ends when nothing was taken from the file for too long, or when the answer does not
/// come after everything was.
async fn stalled(sent: &AtomicU64, length: u64, limits: CallLimits) -> Duration {
    let mut before = 0;
    loop {
        let is_all = before >= length;
        let patience = if is_all { limits.receipt } else { limits.idle };
        tokio::time::sleep(patience).await;
        let now = sent.load(Ordering::Relaxed);
        if now == before {
            return patience;
        }
        before = now;
    }
}

/// A line that no image has in it: chance decides, not a search through gigabytes.
fn boundary() -> String {
    format!(
        "talos-order-{:016x}{:016x}",
        fastrand::u64(..),
        fastrand::u64(..)
    )
}
