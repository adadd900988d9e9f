//! What was asked of a factory stub, for tests to read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{StatusCode, request};

/// A request and what it was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubRequest {
    /// The method, in capitals.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without the question mark; empty where there is none.
    pub query: String,
    /// The headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// True if it came to the second origin.
    pub cdn: bool,
    /// The status of the answer; 0 while there is none.
    pub status: u16,
    /// Bytes of the body that were handed to the connection so far.
    pub bytes: u64,
}

impl StubRequest {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Every request so far.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<Vec<RequestEntry>>);

#[derive(Debug)]
struct RequestEntry {
    request: StubRequest,
    bytes: Arc<AtomicU64>,
}

/// Where the answer to one request is noted.
#[derive(Debug)]
pub(super) struct Note {
    index: usize,
    /// Counts the bytes of the body.
    pub bytes: Arc<AtomicU64>,
}

impl Requests {
    /// Writes down a request that came in.
    pub(super) fn note(&self, head: &request::Parts, cdn: bool) -> Note {
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let bytes = Arc::new(AtomicU64::new(0));
        let mut entries = self.lock();
        entries.push(RequestEntry {
            request: StubRequest {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers,
                cdn,
                status: 0,
                bytes: 0,
            },
            bytes: Arc::clone(&bytes),
        });
        Note {
            index: entries.len() - 1,
            bytes,
        }
    }

    /// Writes down the status of the answer.
    pub(super) fn answered(&self, note: &Note, status: StatusCode) {
        if let Some(entry) = self.lock().get_mut(note.index) {
            entry.request.status = status.as_u16();
        }
    }

    pub(super) fn list(&self) -> Vec<StubRequest> {
        self.lock()
            .iter()
            .map(|entry| StubRequest {
                bytes: entry.bytes.load(Ordering::Relaxed),
                ..entry.request.clone()
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<RequestEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
