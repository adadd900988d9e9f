//! Things that go wrong on the way, on request.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StubFault {
    /// An error status with a plain text.
    Status {
        /// The status, such as 503.
        code: u16,
        /// The text of the answer.
        text: String,
        /// The value of `Retry-After`.
        retry_after: Option<String>,
    },
    /// An HTML page with status 200, as a captive portal sends it.
    Html,
    /// An HTML page with another status.
    Page(u16),
    /// A redirect to the same URL.
    RedirectLoop,
    /// A redirect to this URL.
    RedirectTo(String),
    /// The connection closes after this many bytes of the body.
    Short(u64),
    /// Nothing more comes after this many bytes of the body, and the connection
    /// stays open.
    Stall(u64),
    /// After this many bytes of the body one more comes now and then, for ever.
    Drip {
        /// Bytes that come as fast as usual.
        after: u64,
        /// The time between two more.
        every: Duration,
    },
    /// The head of the answer comes after this time only.
    Late(Duration),
    /// Right length, wrong bytes.
    WrongBytes,
    /// `Range` is not looked at: 200 and the whole body.
    IgnoreRange,
    /// 206, but from the start of the file whatever was asked.
    WrongRange,
    /// A header is set on the answer, or replaced.
    Header(&'static str, String),
    /// A header is left out of the answer.
    WithoutHeader(&'static str),
}

impl StubFault {
    /// An error status without `Retry-After`.
    pub fn status(code: u16, text: impl Into<String>) -> Self {
        Self::Status {
            code,
            text: text.into(),
            retry_after: None,
        }
    }
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<VecDeque<(String, StubFault)>>);

impl Faults {
    pub(super) fn push(&self, request: String, fault: StubFault) {
        self.lock().push_back((request, fault));
    }

    /// Takes the first fault that is meant for a request.
    pub(super) fn take(&self, request: &str) -> Option<StubFault> {
        let mut queue = self.lock();
        let index = queue
            .iter()
            .position(|(wanted, _)| request.contains(wanted.as_str()))?;
        queue.remove(index).map(|(_, fault)| fault)
    }

    pub(super) fn left(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(String, StubFault)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
