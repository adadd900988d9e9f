//! The canonical text against ids that real factories gave, against lines that
//! go-yaml wrote (recorded from the library).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::model::{
    Bootloader, Customization, DiskImage, EnrollKeys, MetaValue, Overlay, Schematic,
    SecureBootOptions,
};

fn custom(change: impl FnOnce(&mut Customization)) -> Schematic {
    let mut schematic = Schematic::default();
    change(&mut schematic.customization);
    schematic
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn meta(key: u8, value: &str) -> Vec<MetaValue> {
    let value = value.to_owned();
    vec![MetaValue { key, value }]
}

fn overlay(image: &str, name: &str, options: Value) -> Option<Overlay> {
    let options: BTreeMap<String, Value> = serde_json::from_value(options).unwrap();
    let (image, name) = (image.to_owned(), name.to_owned());
    Some(Overlay {
        image,
        name,
        options,
    })
}

/// Each id was computed by a factory's own code for the same customization.
#[test]
fn ids_of_real_factories() {
    let everything = Schematic {
        owner: None,
        overlay: overlay(
            "siderolabs/sbc-raspberrypi",
            "rpi_generic",
            json!({"configTxtAppend": "dtoverlay=disable-bt"}),
        ),
        customization: Customization {
            embedded_machine_configuration: None,
            extra_kernel_args: strings(&["console=ttyS0", "net.ifnames=0"]),
            meta: meta(12, r#"{"a":1}"#),
            official_extensions: strings(&["siderolabs/iscsi-tools", "siderolabs/drbd"]),
            bootloader: Some(Bootloader::Grub),
            secureboot: SecureBootOptions {
                enroll_keys: Some(EnrollKeys::Force),
                include_well_known_certificates: true,
            },
            disk_image: DiskImage {
                sector_size: Some(4096),
            },
        },
    };
    let with_overlay = |image: &str, name: &str, options: Value| Schematic {
        overlay: overlay(image, name, options),
        ..Schematic::default()
    };
    let nothing = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";
    let cases = [
        (Schematic::default(), nothing),
        (custom(|c| c.bootloader = Some(Bootloader::Auto)), nothing),
        (with_overlay("", "", json!({})), nothing),
        (custom(|c| c.disk_image.sector_size = Some(0)), nothing),
        (
            custom(|c| c.extra_kernel_args = strings(&["noapic", "nolapic"])),
            "9cba8e32753f91a16c1837ab8abf356af021706ef284aef07380780177d9a06c",
        ),
        (
            custom(|c| c.meta = meta(0xa, "foo")),
            "d308a2a5ee2277bed5fbaa104fcbc8d59122abfa737df987a95b4ca763459a7f",
        ),
        (
            custom(|c| {
                c.extra_kernel_args = strings(&["vga=791", "net.ifnames=0"]);
                c.meta = meta(0xa, "{}");
            }),
            "c7d733c8a404203329b512d19b2f5cfa18b364e5d832fc78dd15767c1feffd4c",
        ),
        (
            with_overlay("siderolabs/sbc-raspberrypi", "rpi_generic", json!({})),
            "ee21ef4a5ef808a9b7484cc0dda0f25075021691c8c09a276591eedb638ea1f9",
        ),
        (
            custom(|c| c.secureboot.include_well_known_certificates = true),
            "fa8e05f142a851d3ee568eb0a8e5841eaf6b0ebc8df9a63df16ac5ed2c04f3e6",
        ),
        (
            custom(|c| c.disk_image.sector_size = Some(4096)),
            "92833e9ddd9bb9e11b2464fa5525429f01866306d52ebd882ee08d7918f6d1ea",
        ),
        (
            custom(|c| c.official_extensions = strings(&["siderolabs/qemu-guest-agent"])),
            "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515",
        ),
        (
            custom(|c| {
                c.official_extensions = strings(&[
                    "siderolabs/drbd",
                    "siderolabs/gvisor",
                    "siderolabs/iscsi-tools",
                ]);
            }),
            "079113ce0508c2b803971ea6cce43fc95c10eff57a123699b5c76fdc773132ae",
        ),
        (
            custom(|c| c.bootloader = Some(Bootloader::SdBoot)),
            "9ed5fecdacb36b5c5427b87d409f1065cfb2df69b0f71c58b868d9d466d8dab3",
        ),
        (
            custom(|c| c.bootloader = Some(Bootloader::Grub)),
            "39d496b2cbdb6265d3b714514c5334bf010f1b4d31b23b9e38c80fb2f3ad7ecb",
        ),
        (
            custom(|c| c.bootloader = Some(Bootloader::DualBoot)),
            "43a1a6104d8dcd6547983f4ed13abb6f5e8a1b2fdad796c69e7db6e95d122884",
        ),
        (
            custom(|c| {
                let document = "apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: x\n";
                c.embedded_machine_configuration = Some(document.to_owned());
            }),
            "9ac3dc5caac49e82fbbec38c43da76931796494729505840e038aea736ac46f1",
        ),
        (
            everything,
            "95fda781b9dfb0c0dda9d34bade4de002c3f64665d3e73674a2b1768babd2ef9",
        ),
    ];
    for (schematic, id) in cases {
        let canonical = Canonical::of(&schematic);
        assert_eq!(
            Canonical::of(&schematic).id().to_string(),
            id,
            "{}",
            canonical.text
        );
        assert!(canonical.certain, "{}", canonical.text);
    }
}

/// The newest factories quote these in their own way: right, and not certain.
#[test]
fn ids_of_the_newest_factories() {
    let with_option = Schematic {
        overlay: overlay("i", "n", json!({"enable": "yes"})),
        ..Schematic::default()
    };
    let cases = [
        (
            custom(|c| c.extra_kernel_args = strings(&["on", "1.20"])),
            "ed2a7df88618bd3b7f06463479c625c40189664f98f19cca2aaf169caddd47fd",
        ),
        (
            custom(|c| c.meta = meta(0xa, "off")),
            "ea8ac3e47398bf729c9977565b54caa17ddbf921b07c7d7108010cbf4219c63b",
        ),
        (
            with_option,
            "5bb4bb4964217d3d94cd9083dc7369030f95c197725a603fe404431d96bd6702",
        ),
    ];
    for (schematic, id) in cases {
        let canonical = Canonical::of(&schematic);
        assert_eq!(
            Canonical::of(&schematic).id().to_string(),
            id,
            "{}",
            canonical.text
        );
        assert!(!canonical.certain, "{}", canonical.text);
    }
}

/// Lines as go-yaml writes them, one kernel argument each.
#[test]
fn strings_are_quoted_as_go_yaml_does() {
    let cases = [
        // Read back as a string: no quotes.
        ("console=ttyS0,115200n8", "console=ttyS0,115200n8"),
        ("yes please", "yes please"),
        ("nO", "nO"),
        ("0x", "0x"),
        ("0x1ffffffffffffffff", "0x1ffffffffffffffff"),
        ("1e999", "1e999"),
        ("_1", "_1"),
        ("2001-02-29", "2001-02-29"),
        ("12:60", "12:60"),
        ("a:b#c", "a:b#c"),
        ("-a", "-a"),
        ("?a", "?a"),
        ("<<<", "<<<"),
        ("é", "é"),
        // Read back as something else: double quotes.
        ("", r#""""#),
        ("~", r#""~""#),
        ("null", r#""null""#),
        ("1_000", r#""1_000""#),
        ("0b101", r#""0b101""#),
        ("-0o17", r#""-0o17""#),
        ("+0xFF", r#""+0xFF""#),
        ("0899", r#""0899""#),
        ("1.", r#""1.""#),
        (".5_0", r#"".5_0""#),
        ("-.INF", r#""-.INF""#),
        ("1e3", r#""1e3""#),
        ("2001-2-3", r#""2001-2-3""#),
        (
            "2001-12-14t21:59:43.10-05:00",
            r#""2001-12-14t21:59:43.10-05:00""#,
        ),
        ("2001-12-14  1:2:3", r#""2001-12-14  1:2:3""#),
        // Would break the syntax: single quotes.
        ("a: b", "'a: b'"),
        ("a:", "'a:'"),
        ("a #b", "'a #b'"),
        ("#a", "'#a'"),
        ("- a", "'- a'"),
        ("-", "'-'"),
        ("---a", "'---a'"),
        ("...", "'...'"),
        ("[a]", "'[a]'"),
        ("it's: so", "'it''s: so'"),
        ("'", "''''"),
        (" a", "' a'"),
        ("a ", "'a '"),
        ("%a", "'%a'"),
        ("`a", "'`a'"),
        // Needs escapes: double quotes.
        ("a\tb", r#""a\tb""#),
        ("a \nb", r#""a \nb""#),
        ("a\n ", r#""a\n ""#),
        // Several lines: a block.
        ("a\nb", "|-\n          a\n          b"),
        ("a\n", "|\n          a"),
        ("a\n\n", "|+\n          a\n"),
        ("a\n  b\n", "|\n          a\n            b"),
    ];
    for (text, line) in cases {
        let canonical = Canonical::of(&custom(|c| c.extra_kernel_args = strings(&[text])));
        let expected = format!("customization:\n    extraKernelArgs:\n        - {line}\n");
        assert_eq!(canonical.text, expected, "{text:?}");
        assert!(canonical.certain, "{text:?}");
    }
}

#[test]
fn what_releases_of_go_yaml_disagree_about_is_not_certain() {
    let cases = [
        ("<<", "'<<'"),
        ("n", "'n'"),
        ("Off", "'Off'"),
        ("1:30", "'1:30'"),
        ("-1_2:03.5", "'-1_2:03.5'"),
        ("0b-1", "0b-1"),
        ("\n", "\"\\n\""),
        ("\na", "|-\n\n          a"),
        (" a\nb", "|4-\n           a\n          b"),
        ("\ta\nb", "|-\n          \ta\n          b"),
        ("a\r\nb", "\"a\\r\\nb\""),
        ("a\u{1b}", "\"a\\e\""),
        ("a\u{2028}b", "'a\u{2028}          b'"),
        ("\u{feff} b", "\"\\uFEFF\\x20\\x62\""),
        ("\u{1f600}", "\"\\U0001F600\""),
        (
            "2001-12-14T1:2:3.1234567890Z",
            "\"2001-12-14T1:2:3.1234567890Z\"",
        ),
    ];
    for (text, line) in cases {
        let schematic = custom(|c| c.extra_kernel_args = strings(&[text]));
        let canonical = Canonical::of(&schematic);
        let expected = format!("customization:\n    extraKernelArgs:\n        - {line}\n");
        assert_eq!(canonical.text, expected, "{text:?}");
        assert!(!canonical.certain, "{text:?}");
        let sent: Value = serde_json::from_str(&document(&schematic)).unwrap();
        assert_eq!(sent["customization"]["extraKernelArgs"][0], text);
    }
    let if_safe = custom(|c| c.secureboot.enroll_keys = Some(EnrollKeys::IfSafe));
    assert!(!Canonical::of(&if_safe).certain);
}

#[test]
fn overlay_options_are_laid_out_as_go_yaml_does() {
    let schematic = Schematic {
        owner: Some("acme".to_owned()),
        overlay: overlay(
            "img",
            "",
            json!({
                "a10": 1, "a2": 2, "a02": 3, "B": null, "_": true,
                "floats": [1.0, 1.5, 123_456.0, 1_234_567.0, 1e-5, 0.0001, 1e300],
                "whole": [u64::MAX, i64::MIN],
                "nested": {"list": [[1, [2]], [], {}, {"k": "v", "l": ["m"]}]},
                "text": "one\n  two\n",
            }),
        ),
        customization: Customization::default(),
    };
    let expected = "\
owner: acme
overlay:
    image: img
    name: \"\"
    options:
        _: true
        B: null
        a2: 2
        a02: 3
        a10: 1
        floats:
            - 1
            - 1.5
            - 123456
            - 1.234567e+06
            - 1e-05
            - 0.0001
            - 1e+300
        nested:
            list:
                - - 1
                  - - 2
                - []
                - {}
                - k: v
                  l:
                    - m
        text: |
            one
              two
        whole:
            - 18446744073709551615
            - -9223372036854775808
customization: {}
";
    assert_eq!(Canonical::of(&schematic).text, expected);
    assert!(Canonical::of(&schematic).certain);
}

#[test]
fn the_order_of_keys_never_panics_where_it_is_no_order() {
    // Before `b` comes `a1`, before `a1` comes `_`, and so on in a circle.
    let keys = [
        "1a", "a", "_", "a1", "aa", "1", "01", "1_", "_1", "10", "1b", "A",
    ];
    let options: Value = keys.iter().map(|key| (*key, json!(1))).collect();
    for rotation in 0..keys.len() {
        let mut options: BTreeMap<String, Value> = serde_json::from_value(options.clone()).unwrap();
        options.remove(keys[rotation]);
        let overlay = Overlay {
            options,
            ..Overlay::default()
        };
        let schematic = Schematic {
            overlay: Some(overlay),
            ..Schematic::default()
        };
        assert_eq!(
            Canonical::of(&schematic).text.lines().count(),
            4 + keys.len()
        );
    }
}
