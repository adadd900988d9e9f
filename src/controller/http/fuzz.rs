//! The bodies that come over the socket, for `crate::fuzz`: at the controller's end,
//! and at that of whoever asked.

use axum::http::StatusCode;

use super::body::{REQUEST_MAX, ReconcileBody};
use super::client;

/// What somebody asks. What was understood is understood again. Gives back what is
/// answered to anything else.
pub(crate) fn question(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(REQUEST_MAX)];
    match ReconcileBody::read(bytes) {
        Ok(asked) => {
            let text = serde_json::to_vec(&asked).expect("a form in JSON");
            assert!(text.len() <= REQUEST_MAX);
            assert_eq!(ReconcileBody::read(&text), Ok(asked));
            None
        }
        Err(why) => Some(why),
    }
}

/// What a controller answers: a status that can be sent on, or else a message.
pub(crate) fn answer(bytes: &[u8]) {
    if let Ok(status) = client::status_of(bytes) {
        let text = serde_json::to_vec(&status).expect("a form in JSON");
        assert_eq!(client::status_of(&text).ok(), Some(status));
    }
    client::message_of(StatusCode::BAD_REQUEST, bytes);
}
