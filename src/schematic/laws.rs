//! The laws of the canonical form, over schematics full of text that provokes
//! quoting.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{
    Bootloader, Customization, DiskImage, EnrollKeys, MetaValue, Overlay, Schematic,
    SecureBootOptions,
};

/// Text that provokes quoting: fragments with a meaning in YAML, put together.
fn tricky_text() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "a",
        "b",
        "1",
        "0",
        "9",
        "_",
        ".",
        "-",
        "+",
        "e",
        "x",
        ":",
        " ",
        "\n",
        "\t",
        "#",
        ",",
        "[",
        "{",
        "&",
        "*",
        "!",
        "|",
        ">",
        "'",
        "\"",
        "%",
        "@",
        "`",
        "?",
        "~",
        "\\",
        "yes",
        "null",
        "true",
        ".inf",
        "0x",
        "0o",
        "2001-12-14",
        "T1:2:3Z",
        "é",
        "console=ttyS0",
    ]);
    let tricky = prop::collection::vec(fragment, 0..6).prop_map(|parts| parts.concat());
    prop_oneof![20 => tricky, 1 => any::<String>()]
}

fn option_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Few digits: serde_json, which the tests read with, is not exact beyond.
        any::<i16>().prop_map(|n| Value::from(f64::from(n) / 64.0)),
        tricky_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z0-9_-]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn schematics()(
        overlay in prop::option::of((tricky_text(), tricky_text(),
            prop::collection::btree_map("[a-z0-9_-]{1,8}", option_value(), 0..4))),
        embedded in prop::option::of(tricky_text()),
        args in prop::collection::vec(tricky_text(), 0..4),
        meta in prop::collection::vec((any::<u8>(), tricky_text()), 0..3),
        extensions in prop::collection::vec(tricky_text(), 0..3),
        bootloader in prop::option::of(prop::sample::select(&Bootloader::ALL[..])),
        enroll in prop::option::of(prop::sample::select(&EnrollKeys::ALL[..])),
        well_known in any::<bool>(),
        sector in prop::option::of(any::<u32>()),
    ) -> Schematic {
        Schematic {
            owner: None,
            overlay: overlay.map(|(image, name, options)| Overlay { image, name, options }),
            customization: Customization {
                embedded_machine_configuration: embedded,
                extra_kernel_args: args,
                meta: meta.into_iter().map(|(key, value)| MetaValue { key, value }).collect(),
                official_extensions: extensions,
                bootloader,
                secureboot: SecureBootOptions {
                    enroll_keys: enroll,
                    include_well_known_certificates: well_known,
                },
                disk_image: DiskImage { sector_size: sector },
            },
        }
    }
}

/// Numbers compared by value: `1.0` is written as `1`.
fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.into_iter().map(by_value).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, by_value(v))).collect(),
        other => other,
    }
}

fn parsed(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap_or_else(|why| panic!("{why}\n{yaml}"))
}

proptest! {
    #[test]
    fn certain_text_reads_back_as_what_was_meant(schematic in schematics()) {
        let canonical = Canonical::of(&schematic);
        // Not an assumption: most of these schematics hold something contested.
        if !canonical.certain {
            return Ok(());
        }
        let meant = canonical::json(&schematic);
        prop_assert_eq!(by_value(parsed(&canonical.text)), by_value(meant));
        prop_assert_eq!(document(&schematic), canonical.text);
    }

    #[test]
    fn what_is_sent_reads_back_as_what_was_meant(schematic in schematics()) {
        let meant = canonical::json(&schematic);
        let sent: Value = match serde_json::from_str(&document(&schematic)) {
            Ok(json) => json,
            Err(_) => parsed(&document(&schematic)),
        };
        prop_assert_eq!(by_value(sent), by_value(meant));
    }

    #[test]
    fn different_meaning_has_a_different_id(left in schematics(), right in schematics()) {
        let same = canonical::json(&left) == canonical::json(&right);
        prop_assert_eq!(Canonical::of(&left).id() == Canonical::of(&right).id(), same);
    }

    #[test]
    fn the_order_of_lists_is_part_of_the_id(args in prop::collection::vec("[a-z]{1,3}", 2..5)) {
        let mut turned = args.clone();
        turned.rotate_left(1);
        let same = args == turned;
        let id = |args: Vec<String>| {
            let mut schematic = Schematic::default();
            schematic.customization.extra_kernel_args = args;
            Canonical::of(&schematic).id()
        };
        prop_assert_eq!(id(args) == id(turned), same);
    }
}
