//! What can come over the control socket, for `crate::fuzz`: at the controller's end,
//! and at that of whoever asked.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, ReadBuf};

use super::control::{self, Answer, Question, REQUEST_MAX};

/// What somebody asks. No more is read than a question is long, and what was understood
/// is understood again. Gives back what is answered to anything else.
pub fn question(bytes: &[u8]) -> Option<String> {
    match hear(bytes)? {
        Ok(question) => {
            let line = control::line(&question).expect("a form in JSON");
            assert!(line.len() as u64 <= REQUEST_MAX);
            assert_eq!(hear(&line), Some(Ok(question)));
            None
        }
        Err(why) => Some(why),
    }
}

/// `None` for what is no text.
fn hear(bytes: &[u8]) -> Option<Result<Question, String>> {
    let mut connection = Connection { bytes, taken: 0 };
    let mut reader = control::bounded(&mut connection);
    let heard = control::hear(&mut reader).now_or_never();
    let heard = heard.expect("a connection that does not wait").ok();
    assert!(connection.taken as u64 <= REQUEST_MAX);
    heard
}

/// A connection that comes in small pieces, and counts what is taken.
struct Connection<'a> {
    bytes: &'a [u8],
    taken: usize,
}

/// Bytes that come at once.
const PIECE: usize = 100;

impl AsyncRead for Connection<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let left = &self.bytes[self.taken..];
        let piece = &left[..left.len().min(into.remaining()).min(PIECE)];
        into.put_slice(piece);
        self.taken += piece.len();
        Poll::Ready(Ok(()))
    }
}

/// What a controller answers: one line, and what was read of it can be sent on.
pub fn answer(bytes: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<Answer>(bytes) {
        let line = control::line(&answer).expect("a form in JSON");
        assert_eq!(line.iter().position(|&b| b == b'\n'), Some(line.len() - 1));
        assert_eq!(serde_json::from_slice::<Answer>(&line).ok(), Some(answer));
    }
}
