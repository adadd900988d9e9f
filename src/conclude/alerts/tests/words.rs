//! What is read at night.

use super::super::alert::{AlertKey, Severity};
use super::super::due::{DueMessage, due};
use super::super::ledger::AlertLedger;
use super::super::message::{AlertMessage, Sender};
use super::super::record::record;
use super::super::settled::delivered;
use super::{PROVIDER, alert, at, fine, firing, found, routes};

fn message(ledger: &AlertLedger, second: i64) -> AlertMessage {
    let sender = Sender {
        controller: "homelab".to_owned(),
        revision: Some("main@sha1:0a1b2c3 — More space (Ada)".to_owned()),
        page: Some("https://status.example.org".to_owned()),
    };
    match due(ledger, PROVIDER, &routes(), &sender, at(second)) {
        DueMessage::Now(message) => *message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_and_its_recovery_say_what_an_operator_needs() {
    let error = firing(alert("prod", Severity::Error, at(0)));
    let ledger = record(&AlertLedger::default(), &found([error]), &routes(), at(300));
    let failure = message(&ledger, 300);
    let text = failure.text(10);
    assert_eq!(
        text.title,
        "[homelab] Error: order prod on node pve-01: InsufficientSpace"
    );
    assert_eq!(
        text.plain(),
        "prod fails\n\
         State: Stalled\n\
         Since: 2027-01-15 08:00 UTC (5 minutes)\n\
         To do: nothing: `talos-order notify test` sent this\n\n\
         Revision: main@sha1:0a1b2c3 — More space (Ada)\n\
         Controller: homelab\n\
         https://status.example.org/orders/prod\n"
    );
    let ledger = delivered(ledger, PROVIDER, &failure, at(300));
    let ledger = record(&ledger, &found([fine("prod")]), &routes(), at(7200));
    let text = message(&ledger, 7200).text(10);
    assert_eq!(
        text.title,
        "[homelab] Recovered: order prod on node pve-01: InsufficientSpace"
    );
    assert!(
        text.plain().starts_with(
            "in sync\n\
             Failed: 2027-01-15 08:00 UTC (for 2 hours)\n\
             Was: prod fails\n\n"
        ),
        "{}",
        text.plain()
    );
}

/// What is told alone is linked to; of several, each is, and the first page.
#[test]
fn links_lead_to_the_page_of_what_is_told() {
    let page = |path: &str| Some(format!("https://status.example.org{path}"));
    let on_node = |order: &str, node: &str| {
        let mut alert = alert(order, Severity::Error, at(0));
        let node = node.parse().unwrap();
        alert.key = AlertKey::place(order, &node);
        alert.node = Some(node);
        alert
    };
    let mut silent = alert("b", Severity::Warning, at(0));
    silent.key = AlertKey::node(&"pve-02".parse().unwrap());
    silent.node = "pve-02".parse().ok();
    silent.is_retried = false;
    let all = [
        firing(on_node("größe/1 ?.yaml", "pve-01")),
        firing(silent.clone()),
    ];
    let ledger = record(&AlertLedger::default(), &found(all), &routes(), at(0));
    let text = message(&ledger, 0).text(10);
    let links: Vec<_> = text.items.iter().map(|item| item.link.clone()).collect();
    assert_eq!(
        links,
        [
            page("/orders/gr%C3%B6%C3%9Fe%2F1%20%3F.yaml"),
            page("/nodes/pve-02")
        ]
    );
    assert_eq!(text.link, page(""));
    let ledger = record(
        &AlertLedger::default(),
        &found([firing(silent)]),
        &routes(),
        at(0),
    );
    assert_eq!(message(&ledger, 0).text(10).link, page("/nodes/pve-02"));
    // A path without an end, and what belongs to no order.
    let sender = message(&ledger, 0).sender;
    let long = on_node(&"ä".repeat(1000), "pve-01");
    assert_eq!(sender.page_of(&long), None);
    let mut run = alert("x", Severity::Error, at(0));
    (run.key, run.node, run.orders) = (AlertKey::run(), None, Default::default());
    assert_eq!(sender.page_of(&run), None);
    assert_eq!(Sender::default().page_of(&on_node("a", "pve-01")), None);
}

#[test]
fn many_at_once_are_one_message_of_a_bounded_length() {
    let many = (0..1000).map(|number| {
        let mut one = alert(&format!("order-{number:04}"), Severity::Error, at(0));
        if number % 2 == 0 {
            one.message = "the upstream is away".to_owned();
        }
        firing(one)
    });
    let ledger = record(&AlertLedger::default(), &found(many), &routes(), at(0));
    let text = message(&ledger, 0).text(10);
    assert_eq!(text.title, "[homelab] 501 errors");
    assert_eq!(text.items.len(), 11);
    assert_eq!(text.items[10].head.as_deref(), Some("and 491 more"));
    let plain = text.plain();
    assert!(
        plain.contains("Error: 500 orders on node pve-01"),
        "{plain}"
    );
    assert!(
        plain.contains(
            "Orders: order-0000, order-0002, order-0004, order-0006, order-0008 and 495 more"
        ),
        "{plain}"
    );
    assert!(plain.len() < 6000, "{}", plain.len());
}
