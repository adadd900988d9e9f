//! What whoever is logged in can have done with rollouts: the same as `rollout` of the
//! command line.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::actions::{ActionAsked, done};
use super::answer::WebRefusal;
use super::site::WebSite;
use crate::conclude::{RolloutAsked, rollouts};
use crate::facts::RolloutChange;
use crate::model::{OrderId, Release};

/// Pauses, resumes, promotes or stops the rollouts of an order.
pub(super) async fn rollout(
    State(site): State<WebSite>,
    asked: ActionAsked,
) -> Result<Response, WebRefusal> {
    let refuse = |why: &str| WebRefusal::new(StatusCode::BAD_REQUEST, why);
    let form = asked.form();
    let order: OrderId = form
        .get("order")
        .parse()
        .map_err(|why| refuse(&format!("{why}")))?;
    let ring = match form.get("to") {
        "" => None,
        name => Some(name.parse().map_err(|why| refuse(&format!("{why}")))?),
    };
    let wanted = match form.get("do") {
        "pause" => RolloutAsked::Pause,
        "resume" => RolloutAsked::Resume,
        "promote" => RolloutAsked::Promote(ring),
        "rollback" => RolloutAsked::Rollback,
        _ => return Err(refuse("do: expected pause, resume, promote or rollback")),
    };
    let view = site.live().view();
    let lines = view.rollouts();
    let gone = |why: &str| WebRefusal::new(StatusCode::CONFLICT, why);
    let change = wanted.change(&order, lines);
    let change = change.map_err(|refused| gone(&refused.to_string()))?;
    if matches!(
        change,
        RolloutChange::Promote { .. } | RolloutChange::Stop(_)
    ) {
        // Only what is shown: the order may bring another image by now.
        let shown = form.all("release").map(str::parse::<Release>);
        let shown: Result<BTreeSet<Release>, _> = shown.collect();
        let shown = shown.map_err(|why| refuse(&format!("{why}")))?;
        if shown != rollouts::releases(lines, &order) {
            let other = "the order has other images in its rings by now; load the page again";
            return Err(gone(other));
        }
    }
    let what = wanted.object(&order, lines);
    let said = site.control().instruct(order.clone(), change).await;
    let said = said.map_err(|why| {
        tracing::warn!(reason = why, "an action of the status page failed");
        WebRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, &why)
    })?;
    site.live().instructed(&order, &said);
    Ok(done(&site, &asked, wanted.action(), what).await)
}
