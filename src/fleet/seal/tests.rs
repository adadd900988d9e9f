//! What breaks a seal: everything.

use proptest::prelude::*;

use super::*;
use crate::facts::{NodeCounts, OrderCounts, RingReport, RolloutInstruction, SiteReport};
use crate::model::LeaderEpoch;

const PURPOSES: [SealPurpose; 4] = [
    SealPurpose::IndexEntry,
    SealPurpose::Deliveries,
    SealPurpose::Report,
    SealPurpose::Instruction,
];

fn at(name: &str) -> ObjectKey {
    name.parse().unwrap()
}

/// A report that says something in each of its fields.
fn report() -> SiteReport {
    let ring = RingReport {
        nodes: 3,
        out_of_sync: 1,
        behind: ["pve-1".parse().unwrap()].into(),
        in_sync_seconds: Some(60),
        has_soaked: true,
    };
    let release = "image/a/v1.11.3/metal-amd64.iso".parse().unwrap();
    let rings = [("first".parse().unwrap(), ring)].into();
    SiteReport {
        epoch: Some(LeaderEpoch::new(7)),
        leader: "ctl-1".to_owned(),
        renewed_within: Some(300),
        revision: Some("main@sha1:abc".to_owned()),
        is_complete: true,
        wanted: ["a".to_owned(), "b".to_owned()].into(),
        nodes: NodeCounts {
            all: 3,
            in_sync: 2,
            silent: 1,
        },
        members: [("lab".parse().unwrap(), ["pve-1".to_owned()].into())].into(),
        orders: OrderCounts { all: 2, in_sync: 1 },
        troubles: vec!["no route to host".to_owned()],
        rollouts: [("web".parse().unwrap(), [(release, rings)].into())].into(),
    }
}

/// Every value below this one, as the pointer that leads there.
fn places(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(field, &format!("{here}/{name}"), all);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{here}/{index}"), all);
            }
        }
        _ => {}
    }
}

fn other(value: &Value, number: u64) -> Value {
    match value {
        Value::Bool(is_true) => (!is_true).into(),
        Value::Number(known) => (known.as_u64().unwrap_or_default() ^ (number | 1)).into(),
        Value::String(text) => format!("{text}{number}").into(),
        Value::Array(items) => items.iter().skip(1).cloned().collect(),
        Value::Object(_) | Value::Null => number.into(),
    }
}

proptest! {
    /// Whatever is changed, added or removed, at whatever depth.
    #[test]
    fn no_change_of_a_sealed_object_is_believed(
        place in any::<prop::sample::Index>(), number in any::<u64>(), removes in any::<bool>(),
    ) {
        let (key, at) = (FleetKey::new(&[1; 32]), at("v1/sites/prague/report.json"));
        let dated = Dated::after(None, report());
        let fields = key.seal(SealPurpose::Report, &at, &dated).unwrap();
        let whole = Value::Object(fields.into_iter().collect());
        let open = |value: &Value| {
            key.open(SealPurpose::Report, &at, value.to_string().as_bytes())
        };
        prop_assert!(open(&whole).is_ok());
        let mut all = Vec::new();
        places(&whole, "", &mut all);
        let place = &all[1 + place.index(all.len() - 1)];
        let mut changed = whole.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap() {
            Value::Object(fields) if removes => {
                fields.remove(&name.replace("~1", "/").replace("~0", "~"));
            }
            _ => {
                let at = changed.pointer_mut(place).unwrap();
                *at = other(at, number);
            }
        }
        prop_assert_ne!(&changed, &whole);
        prop_assert!(matches!(open(&changed), Err(SealFault::Foreign)), "{}", place);
        let mut more = whole;
        more["more"] = number.into();
        prop_assert!(matches!(open(&more), Err(SealFault::Foreign)));
    }

    #[test]
    fn no_byte_of_a_text_can_be_another(at_byte in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (key, name) = (FleetKey::new(&[1; 32]), at("v1/sites/prague/report.json"));
        let dated = Dated::after(None, report());
        let mut text =
            serde_json::to_vec(&key.seal(SealPurpose::Report, &name, &dated).unwrap()).unwrap();
        let at_byte = at_byte.index(text.len());
        text[at_byte] ^= 1 << bit;
        // A digit of the seal may be an upper-case one: the same seal.
        if let Ok(opened) = key.open(SealPurpose::Report, &name, &text) {
            prop_assert_eq!(opened.content::<Dated<SiteReport>>().unwrap(), dated);
            prop_assert!(text[at_byte].is_ascii_uppercase());
        }
    }
}

#[test]
fn an_object_is_believed_as_what_it_is_where_it_is_and_with_its_key_only() {
    let key = FleetKey::new(&[1; 32]);
    let here = at("v1/rollouts/web.json");
    let said = RolloutInstruction {
        is_paused: true,
        ..RolloutInstruction::default()
    };
    for purpose in PURPOSES {
        let dated = Dated::after(None, said.clone());
        let text = serde_json::to_vec(&key.seal(purpose, &here, &dated).unwrap()).unwrap();
        let read = key.open(purpose, &here, &text).unwrap();
        assert_eq!(read.content::<Dated<RolloutInstruction>>().unwrap(), dated);
        let is_foreign = |key: &FleetKey, purpose, at: &ObjectKey| {
            matches!(key.open(purpose, at, &text), Err(SealFault::Foreign))
        };
        assert!(is_foreign(&key, purpose, &at("v1/rollouts/db.json")));
        assert!(is_foreign(&FleetKey::new(&[2; 32]), purpose, &here));
        for other in PURPOSES.into_iter().filter(|other| *other != purpose) {
            assert!(is_foreign(&key, other, &here), "{purpose:?} as {other:?}");
        }
    }
}

#[test]
fn what_has_no_seal_is_foreign_and_what_is_no_object_cannot_be_read() {
    let (key, here) = (FleetKey::new(&[1; 32]), at("v1/rollouts/web.json"));
    let open = |text: &str| key.open(SealPurpose::Instruction, &here, text.as_bytes());
    for text in [
        "{}",
        r#"{"mac":3}"#,
        r#"{"mac":""}"#,
        r#"{"is_paused":false}"#,
    ] {
        let fault = open(text).unwrap_err();
        assert!(matches!(fault, SealFault::Foreign), "{text}: {fault:?}");
        assert!(fault.to_string().contains("key_file"), "{fault}");
    }
    for text in ["", "[]", "paused", "\u{0}"] {
        let fault = open(text).unwrap_err();
        assert!(matches!(fault, SealFault::Content(_)), "{text}: {fault:?}");
    }
}

#[test]
fn a_field_of_a_later_version_is_sealed_and_no_error() {
    let (key, here) = (FleetKey::new(&[1; 32]), at("v1/rollouts/web.json"));
    let dated = Dated::after(None, RolloutInstruction::default());
    let mut later = serde_json::to_value(&dated).unwrap();
    later["zeal"] = serde_json::json!({"z": 1, "a": [2.5, null]});
    let text =
        serde_json::to_vec_pretty(&key.seal(SealPurpose::Instruction, &here, &later).unwrap());
    let read = key.open(SealPurpose::Instruction, &here, &text.unwrap());
    assert_eq!(
        read.unwrap()
            .content::<Dated<RolloutInstruction>>()
            .unwrap(),
        dated
    );
}

#[test]
fn what_is_written_later_is_later_whatever_the_clock_says() {
    let first = Dated::after(None, ());
    let ahead = first.written + SignedDuration::from_hours(24);
    let second = Dated::after(Some(ahead), ());
    assert!(second.written > ahead);
    let third = Dated::after(Some(first.written), ());
    assert!(third.written > first.written && third.written < ahead);
    assert!(Dated::after(Some(Timestamp::MAX), ()).written < ahead);
}
