//! The version of what the pages show, as server-sent events.
//!
//! Only the number is sent: a page that sees another one fetches itself again. So a stream
//! costs a few bytes a second, and what is shown has one form only.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::answer::text;
use super::site::WebSite;

/// The shortest time between two events.
const PACE: Duration = Duration::from_millis(500);

/// How often progress is told while steps move bytes: the version stays the same then.
const PROGRESS: Duration = Duration::from_secs(2);

/// A stream that says nothing is taken for dead by proxies, and one whose client is gone
/// is noticed only when something is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /live`: an event `version` now, after each change, and every two seconds while
/// bytes move.
pub(super) async fn live(State(site): State<WebSite>) -> Response {
    let Ok(place) = std::sync::Arc::clone(site.streams()).try_acquire_owned() else {
        let mut busy = text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open");
        busy.headers_mut().insert(RETRY_AFTER, 10.into());
        return busy;
    };
    let changes = site.live().subscribe();
    let begin = (site, changes, place, 0_u64);
    let events = stream::unfold(begin, |(site, mut changes, place, count)| async move {
        if count > 0 {
            tokio::time::sleep(PACE).await;
            let moves = |site: &WebSite| {
                let running = site.live().view().running;
                running.is_some_and(|run| run.active.iter().any(|step| step.meter.is_some()))
            };
            loop {
                match tokio::time::timeout(PROGRESS, changes.changed()).await {
                    Ok(Ok(())) => break,
                    // The controller ends.
                    Ok(Err(_)) => return None,
                    Err(_) if moves(&site) => break,
                    Err(_) => {}
                }
            }
        }
        let version = *changes.borrow_and_update();
        let event = Event::default().event("version").data(version.to_string());
        Some((
            Ok::<_, Infallible>(event),
            (site, changes, place, count + 1),
        ))
    });
    let alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(events).keep_alive(alive).into_response()
}
