//! The clock of the server, as its answers tell it.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::HeaderMap;
use hyper::header::DATE;
use jiff::Timestamp;

/// What the server last said that the time is. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerClock(Arc<Mutex<Option<Timestamp>>>);

impl ServerClock {
    /// Takes the time from the headers of an answer, if it is there.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let Some(heard) = date.and_then(|date| Timestamp::try_from(date).ok()) else {
            return;
        };
        // Not the latest of all: a server whose clock was ahead is set back some day.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
    }

    #[cfg(test)]
    pub(super) fn set(&self, time: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    pub(super) fn last(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_that_a_server_told_is_known() {
        let clock = ServerClock::default();
        let mut headers = HeaderMap::new();
        clock.hear(&headers);
        assert_eq!(clock.last(), None);
        for date in [
            "Mon, 30 Nov 2026 14:00:04 GMT",
            "Mon, 30 Nov 2026 14:00:05 GMT",
            "soon",
        ] {
            headers.insert(DATE, date.parse().unwrap());
            clock.hear(&headers);
        }
        assert_eq!(clock.last(), Some("2026-11-30T14:00:05Z".parse().unwrap()));
    }
}
