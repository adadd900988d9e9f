//! Which path leads where.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use super::site::WebSite;
use super::{actions, answer, guard, health, hooks, metrics, rollouts, stream, visits};

/// Every route, with what is checked before and added after all of them.
pub(super) fn router(site: &WebSite) -> Router {
    // What may be large.
    let shown = visits::routes()
        .route("/v1/status", get(answer::status))
        .route("/metrics", get(metrics::metrics))
        .layer(from_fn_with_state(site.clone(), guard::bounded));
    let guarded = Router::new()
        .merge(shown)
        .route("/live", get(stream::live))
        .route("/login", post(actions::login))
        .route("/logout", post(actions::logout))
        .route("/actions/suspend", post(actions::suspend))
        .route("/actions/resume", post(actions::resume))
        .route("/actions/reconcile", post(actions::reconcile))
        .route("/actions/approve", post(actions::approve))
        .route("/actions/rollout", post(rollouts::rollout))
        .fallback(answer::nothing_here)
        .method_not_allowed_fallback(answer::not_so)
        .layer(from_fn_with_state(site.clone(), guard::host))
        .layer(from_fn(visits::as_pages));
    // Probes and hooks come under whatever name: they show and take nothing secret.
    let open = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/hooks/{name}", post(hooks::call).fallback(answer::not_so));
    guarded
        .merge(open)
        .layer(from_fn(guard::headers))
        .layer(DefaultBodyLimit::max(answer::BODY_MAX))
        .with_state(site.clone())
}
