//! The body of an upload: one part, of known length, read as it is sent.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::Body;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::api::PveApi;
use super::call::{PveCall, data};
use super::config::CallLimits;
use super::error::PveError;
use super::upid::Upid;

/// Bytes that are read from the file at once.
const PIECE: usize = 256 << 10;

/// Sends a file under a name.
pub(super) async fn send(
    api: &PveApi,
    call: &PveCall,
    source: &Path,
    name: &str,
) -> Result<Upid, PveError> {
    let failed = |why| PveError::File {
        path: source.to_owned(),
        source: why,
    };
    let file = tokio::fs::File::open(source).await;
    let file = file.map_err(failed)?;
    let size = file.metadata().await.map_err(failed)?.len();

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
    // What grows meanwhile is not sent; what shrinks ends the body early, which breaks
    // the request.
    let pieces = ReaderStream::with_capacity(file.take(size), PIECE);
    let edge = |text: String| stream::once(async { Ok(Bytes::from(text)) });
    let body = edge(head)
        .chain(pieces)
        .chain(edge(tail))
        .inspect(move |piece| {
            if let Ok(piece) = piece {
                counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
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
