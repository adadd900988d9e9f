//! What the overview asks people to look at.

use std::sync::Arc;

use super::fleet::now;
use super::{Asked, markup, overview, small};
use crate::conclude::{Condition, ConditionState, Reason, Status};
use crate::web::pages::OverviewQuery;

/// The overview with these conditions, and what else `change` does.
fn page(reasons: &[(&str, Option<Reason>)], change: impl FnOnce(&mut Status)) -> String {
    let mut fleet = small();
    let status = Arc::make_mut(&mut fleet.view.status);
    let conditions = reasons.iter().map(|(order, reason)| Condition {
        order: Some((*order).to_owned()),
        node: None,
        state: match reason {
            Some(_) => ConditionState::Reconciling,
            None => ConditionState::Ready,
        },
        reason: *reason,
        message: "as it is".to_owned(),
        since: now(),
        last_ready: None,
        images: Vec::new(),
    });
    status.conditions = conditions.collect();
    change(status);
    let asked = Asked::reader();
    let page = overview(&asked.visit(&fleet), &OverviewQuery::default(), &[]).unwrap();
    let found = markup::problems(&page);
    assert!(found.is_empty(), "{found:#?}\n{page}");
    page
}

#[test]
fn what_waits_for_its_ring_or_window_needs_no_attention_and_a_manual_ring_does() {
    let waits = [
        ("alpha", Some(Reason::WaitsForRing)),
        ("beta", Some(Reason::OutsideWindow)),
        ("gamma", None),
    ];
    let quiet = page(&waits, |_| {});
    assert!(!quiet.contains("Needs attention"), "{quiet}");
    assert!(
        quiet.contains("<span class=\"state waiting\">waiting</span></td>"),
        "{quiet}"
    );

    let manual = [waits[0], ("delta", Some(Reason::WaitsForPromotion))];
    let manual = page(&manual, |_| {});
    let (_, list) = manual.split_once("Needs attention").expect("a list");
    let (list, _) = list.split_once("</ul>").unwrap();
    assert!(
        list.contains("/orders/delta") && !list.contains("/orders/alpha"),
        "{list}"
    );
}

#[test]
fn a_refused_reload_is_told_in_the_words_of_the_status() {
    assert!(!page(&[], |_| {}).contains("Reload"));
    let mut told = String::new();
    let page = page(&[], |status| {
        status.refused_config = Some("nodes[0].<b>: no & never".to_owned());
        told = status.refused_reload().unwrap();
    });
    assert!(told.starts_with("refused: nodes[0].<b>: no & never; the configuration before it"));
    let shown = told
        .replace('&', "&#38;")
        .replace('<', "&#60;")
        .replace('>', "&#62;");
    let line = format!("<p class=\"notice bad\"><strong>Reload</strong> {shown}</p>");
    assert!(page.contains(&line), "{page}");
}
