//! The metrics of a running controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::answer;
use super::site::WebSite;
use crate::facts::UpstreamUse;
use crate::io::process::ProcessUse;
use crate::live::{LiveView, RunningView};
use crate::metrics::{self, LastLook, LiveNumbers, MetricsScene, RunningNumbers};

/// Everything as text. It takes milliseconds, with a thousand orders a tenth of a second,
/// so it is made beside the tasks that serve others.
pub(super) async fn metrics(State(site): State<WebSite>) -> Response {
    let mut last = site.metrics().lock().await;
    let view = site.live().view();
    let version = view.version;
    if let Some(text) = last.serving(version) {
        return answered(text);
    }
    let (waiting, upstream) = (site.vitals().waiting(), site.vitals().upstream());
    let text = tokio::task::spawn_blocking(move || text(&view, waiting, &upstream));
    match text.await {
        Ok(text) => answered(last.keep(version, text)),
        Err(_) => answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be made",
        ),
    }
}

fn answered(text: Bytes) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], Body::from(text)).into_response()
}

fn text(view: &LiveView, waiting: usize, upstream: &UpstreamUse) -> String {
    let last = view.last.as_ref().map(Arc::as_ref);
    metrics::text(&MetricsScene {
        status: &view.status,
        last: last.map(|last| LastLook {
            report: &last.report,
            memory: &last.memory,
        }),
        live: Some(LiveNumbers {
            running: view.running.as_ref().map(running),
            waiting,
            process: ProcessUse::now(),
        }),
        upstream,
    })
}

fn running(view: &RunningView) -> RunningNumbers {
    let mut active = BTreeMap::new();
    for kind in view.active.iter().filter_map(|step| step.step.kind()) {
        *active.entry(kind).or_default() += 1;
    }
    RunningNumbers {
        since: view.since,
        active,
    }
}
