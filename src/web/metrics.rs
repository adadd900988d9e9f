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
use crate::conclude::alerts::DeliveryNumbers;
use crate::facts::{SourceUse, UpstreamUse};
use crate::io::process::ProcessUse;
use crate::live::{LiveView, RunningView};
use crate::metrics::{self, HookNumbers, LastLook, LiveNumbers, MetricsScene, RunningNumbers};

/// What is not in the live view.
struct BesideLive {
    waiting: usize,
    upstream: UpstreamUse,
    source: SourceUse,
    notifications: BTreeMap<String, DeliveryNumbers>,
    hooks: BTreeMap<String, HookNumbers>,
}

/// Everything as text. It takes milliseconds, with a thousand orders a tenth of a second,
/// so it is made beside the tasks that serve others.
pub(super) async fn metrics(State(site): State<WebSite>) -> Response {
    let mut last = site.metrics().lock().await;
    let view = site.live().view();
    let version = view.version;
    if let Some(text) = last.serving(version) {
        return answered(text);
    }
    let vitals = site.vitals();
    let beside = BesideLive {
        waiting: vitals.waiting(),
        upstream: vitals.upstream(),
        source: vitals.source(),
        notifications: vitals.notifications(),
        hooks: site.hook_calls().numbers(&site.config().hooks),
    };
    let text = tokio::task::spawn_blocking(move || text(&view, beside));
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

fn text(view: &LiveView, beside: BesideLive) -> String {
    let last = view.last.as_ref().map(Arc::as_ref);
    metrics::text(&MetricsScene {
        status: &view.status,
        last: last.map(|last| LastLook {
            report: &last.report,
            memory: &last.memory,
        }),
        live: Some(LiveNumbers {
            running: view.running.as_ref().map(running),
            waiting: beside.waiting,
            hooks: beside.hooks,
            process: ProcessUse::now(),
            fleet: view.fleet.clone(),
        }),
        upstream: &beside.upstream,
        source: beside.source,
        notifications: &beside.notifications,
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
