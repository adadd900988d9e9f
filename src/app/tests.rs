//! A whole run of a reconciler of the real places, on a clock of the test.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::execute::Recall;
use crate::factory_stub::{FactoryStub, StubOptions};
use crate::plan::BlockedReason;
use crate::reconcile::{Inputs, Signals};

/// The factory gives another id than the computed one, so the run looks twice. In between
/// the window closes.
#[tokio::test]
async fn a_further_round_of_a_run_keeps_to_the_windows_of_its_own_time() {
    let dir = tempfile::TempDir::new().unwrap();
    let root = dir.path().display();
    let factory = FactoryStub::start(StubOptions {
        owner: Some("acme".to_owned()),
        ..StubOptions::default()
    });
    let factory = factory.await.unwrap();
    let url = factory.url();
    let config = dir.path().join("config.yaml");
    let text = format!(
        "defaults: {{cache_dir: {root}/cache, push: {{create: true}}}}\n\
         manifest: {{dir: {root}/manifests}}\n\
         factory: {{url: \"{url}\"}}\ngithub: {{api_url: \"{url}\"}}\n\
         nodes: [{{name: pve-1, local: true, iso_dir: {root}/iso}}]\n"
    );
    fs::write(&config, text).unwrap();
    let orders = dir.path().join("orders.yaml");
    fs::write(
        &orders,
        "- orderid: one\n  windows: [{to: \"12:30\", timezone: UTC}]\n  positions:\n\
         \x20   - {name: iso, version: v1.11.3, push: {enabled: true, hosts: [pve-1]}}\n",
    )
    .unwrap();

    let app = App::start(Some(&config), Mode::ReadWrite).unwrap();
    let orders = app.known_orders(Some(&orders)).unwrap();
    let begin: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let later = begin + SignedDuration::from_hours(1);
    let mut reconciler = app.reconciler().unwrap();
    reconciler.clock = Box::new(move || later);
    let inputs = Inputs {
        orders: app.orders(&orders).unwrap(),
        ..Inputs::default()
    };
    let look = reconciler.look(&inputs, begin).await.unwrap();
    assert_eq!(look.plan.blocked.len(), 0, "{:?}", look.plan.blocked);
    let signals = Signals {
        events: mpsc::unbounded_channel().0,
        cancel: CancellationToken::new(),
        handover: CancellationToken::new(),
        recall: Recall::default(),
        shows_manifests: false,
    };
    let again = std::cell::Cell::new(0);
    let replanned = |_: &_| again.set(again.get() + 1);
    let report = reconciler.run(&inputs, look, &signals, replanned);
    let report = report.await.unwrap();
    assert_eq!(again.get(), 1);
    assert_eq!(report.look.observed.now, later);
    let [push] = &report.look.plan.blocked[..] else {
        panic!("{:?}", report.look.plan.blocked)
    };
    let tomorrow: Timestamp = "2026-06-02T00:00:00Z".parse().unwrap();
    assert!(
        matches!(push.reason, BlockedReason::OutsideWindow { until, .. } if until == tomorrow),
        "{push:?}"
    );
    assert!(!dir.path().join("iso").exists(), "nothing was pushed");
    drop(report);
    factory.stop().await;
}
