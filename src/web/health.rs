//! Health, for whoever supervises the process.
//!
//! Anybody may ask, so the answers name no order, no node and no path.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer::text;
use super::site::WebSite;
use crate::live::LiveView;

/// Whether the loop lives.
pub(super) async fn healthz(State(site): State<WebSite>) -> Response {
    let (code, body) = health(site.vitals().is_alive());
    text(code, &body)
}

/// Whether what is shown was seen by this process.
pub(super) async fn readyz(State(site): State<WebSite>) -> Response {
    let (code, body) = readiness(&site.live().view());
    text(code, &body)
}

fn health(alive: Result<(), Duration>) -> (StatusCode, String) {
    match alive {
        Ok(()) => (StatusCode::OK, "the controller runs".to_owned()),
        Err(silent) => {
            let minutes = silent.as_secs() / 60;
            let body = format!("the controller has given no sign of life for {minutes} minutes");
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
    }
}

fn readiness(view: &LiveView) -> (StatusCode, String) {
    if view.last.is_some() {
        return (StatusCode::OK, "ready".to_owned());
    }
    let why = match (&view.running, view.runs) {
        (Some(running), 0) => {
            let since = running.since.strftime("%FT%TZ");
            format!("not ready: the first run is in progress since {since}")
        }
        (None, 0) => "not ready: the first run has not begun".to_owned(),
        // What went wrong may name what is nobody's business.
        _ => "not ready: no run could observe the nodes yet; the log says why".to_owned(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, why)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::conclude::Status;
    use crate::live::Live;
    use crate::model::Trigger;

    #[test]
    fn a_silent_loop_is_not_healthy() {
        assert_eq!(health(Ok(())).0, StatusCode::OK);
        let (code, body) = health(Err(Duration::from_secs(1860)));
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            "the controller has given no sign of life for 31 minutes"
        );
    }

    #[test]
    fn it_is_not_ready_before_a_run_that_could_look() {
        let live = Live::new(Status::default(), Timestamp::UNIX_EPOCH);
        let asked = |says: &str| {
            let (code, body) = readiness(&live.view());
            assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
            assert!(body.contains(says), "{body}");
        };
        asked("has not begun");
        live.run_begun(&Status::default(), Trigger::Start, Timestamp::UNIX_EPOCH);
        asked("in progress since 1970-01-01T00:00:00Z");
        live.run_finished(None, None);
        asked("no run could observe");
        live.run_begun(&Status::default(), Trigger::Retry, Timestamp::UNIX_EPOCH);
        asked("no run could observe");
    }
}
