//! Forms: sizes, escapes, and what each receiver needs.

use jiff::Timestamp;
use serde_json::Value;

use super::escape;
use super::forms::{alertmanager, discord, mail, matrix, ntfy, slack, teams, webhook};
use crate::conclude::alerts::{AlertEvent, AlertMessage, EventKind, Sender, Severity};

/// What somebody may have written into an order or a page of an upstream.
const HOSTILE: &str = "@everyone <!channel> <script>alert(1)</script> [x](http://evil) **b** \
                       `c` _d_ & \"q\" 'r'\r\nBcc: all@example.org\u{202e}\u{0}";

fn sample() -> AlertMessage {
    let at: Timestamp = "2026-11-30T04:12:00Z".parse().unwrap();
    let sender = Sender {
        controller: "homelab".to_owned(),
        revision: Some("main@sha1:0a1b2c3".to_owned()),
        page: Some("https://status.example.org".to_owned()),
    };
    AlertMessage::sample(sender, at)
}

/// So many events, each with as much of a text as is kept.
fn message(events: usize, text: &str) -> AlertMessage {
    let mut message = sample();
    let first = message.events.remove(0);
    message.sender.revision = Some(text.to_owned());
    message.events = (0..events)
        .map(|number| {
            let mut event: AlertEvent = first.clone();
            event.alert.orders = [format!("{number} {text}")].into();
            event.alert.message = format!("{number} {text}");
            event.alert.hint = Some(text.to_owned());
            event.alert.reason = format!("Reason{number}");
            event
        })
        .collect();
    message
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|one| texts(one, found)),
        Value::Object(all) => all.values().for_each(|one| texts(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_message_is_larger_than_its_receiver_takes() {
    let long = "ä<*".repeat(400);
    for events in [1, 10, 2000] {
        let message = message(events, &long);
        let size = |value: &Value| value.to_string().len();
        let fits = |name: &str, value: &Value, most: usize| {
            assert!(size(value) < most, "{name}: {}", size(value));
        };
        fits("slack", &slack::body(&message), 40_000);
        fits("teams", &teams::body(&message), 28 << 10);
        fits("matrix", &matrix::body(&message), 60_000);
        let ntfy = ntfy::body(&message, "t");
        assert!(ntfy["message"].as_str().unwrap().len() < 4096, "ntfy");
        let discord = discord::body(&message);
        let embeds = discord["embeds"].as_array().unwrap();
        assert!(embeds.len() <= 10);
        let mut all = Vec::new();
        for embed in embeds {
            let mut of_embed = Vec::new();
            texts(embed, &mut of_embed);
            assert!(embed["title"].as_str().unwrap_or("").chars().count() <= 256);
            all.extend(of_embed);
        }
        let count: usize = all.iter().map(|text| text.chars().count()).sum();
        assert!(count <= 6000, "discord: {count}");
        assert!(discord["content"].as_str().unwrap().chars().count() <= 2000);
        assert!(
            mail::plain(&message).len() + mail::html(&message).len() < 1 << 20,
            "mail"
        );
    }
}

#[test]
fn a_text_of_others_does_nothing_wherever_it_goes() {
    let message = message(2, HOSTILE);
    let bodies = [
        ("slack", slack::body(&message)),
        ("discord", discord::body(&message)),
        ("teams", teams::body(&message)),
        ("ntfy", ntfy::body(&message, "t")),
        ("matrix", matrix::body(&message)),
    ];
    for (name, body) in &bodies {
        let mut all = Vec::new();
        texts(body, &mut all);
        for text in all {
            assert!(!text.contains("@everyone"), "{name}: {text}");
            let is_seen = |c: char| c == '\n' || !c.is_control();
            assert!(text.chars().all(is_seen), "{name}: {text:?}");
            assert!(!text.contains('\u{202e}'), "{name}: {text:?}");
            match *name {
                "slack" => assert!(!text.contains("<!") && !text.contains("<s"), "{text}"),
                "discord" | "teams" => {
                    assert!(!text.contains("[x]") && !text.contains("**b"), "{text}");
                }
                _ => {}
            }
        }
    }
    let html = mail::html(&message);
    assert!(
        !html.contains("<script") && html.contains("&lt;script&gt;"),
        "{html}"
    );
    assert_eq!(matrix::body(&message)["m.mentions"], serde_json::json!({}));
    assert_eq!(
        discord::body(&message)["allowed_mentions"]["parse"],
        serde_json::json!([])
    );
    let subject = mail::subject(&self::message(1, HOSTILE));
    assert!(!subject.contains(['\r', '\n']), "{subject}");
    // Every line of the text is one that we wrote.
    for line in mail::plain(&message).lines() {
        assert!(!line.starts_with("Bcc"), "{line}");
    }
}

#[test]
fn everybody_is_called_by_nobody() {
    for (text, safe) in [
        ("root@pve-01", "root@pve-01"),
        ("@Everyone", "@\u{2060}Everyone"),
        ("a@here b", "a@\u{2060}here b"),
        ("@", "@"),
        ("@ä@room", "@ä@\u{2060}room"),
    ] {
        assert_eq!(escape::plain(text), safe);
    }
    assert_eq!(escape::slack("<!here> & co"), "&lt;!here&gt; &amp; co");
    assert_eq!(escape::markdown("a_b*c"), "a\\_b\\*c");
    assert_eq!(escape::html("<a href='x'>"), "&lt;a href=&#39;x&#39;&gt;");
}

#[test]
fn a_signature_is_the_hmac_of_the_body() {
    // RFC 4231, test case 2.
    assert_eq!(
        webhook::signature("Jefe", b"what do ya want for nothing?"),
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn alertmanager_ends_what_has_changed_its_labels() {
    let mut message = sample();
    message.events[0].alert.severity = Severity::Error;
    message.events[0].was = Some((Severity::Warning, "Failed".to_owned()));
    let body = alertmanager::body(&message);
    let alerts = body.as_array().unwrap();
    assert_eq!(alerts.len(), 2);
    assert_eq!(alerts[0]["labels"]["severity"], "error");
    assert_eq!(alerts[1]["labels"]["severity"], "warning");
    assert_eq!(alerts[1]["labels"]["reason"], "Failed");
    assert_eq!(alerts[1]["endsAt"], "2026-11-30T04:12:00Z");
    // A recovery ends what was told, under the labels it was told with.
    let end = "2026-11-30T05:00:00Z";
    message.events[0].kind = EventKind::Recovery;
    message.events[0].end = Some((end.parse().unwrap(), "in sync".to_owned()));
    let body = alertmanager::body(&message);
    let alerts = body.as_array().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["labels"]["severity"], "warning");
    assert_eq!(alerts[0]["endsAt"], end);
}
