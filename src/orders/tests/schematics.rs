//! Schematics: the ids that the factory gives, and what is refused because it would
//! give another.

use std::fs;
use std::path::Path;

use super::*;
use crate::model::Problem;
use crate::schematic::{Canonical, document};

fn id_of(text: &str) -> String {
    match parse_schematic("s.yaml", text) {
        Ok(schematic) => Canonical::of(&schematic).id().to_string(),
        Err(problems) => panic!("{text}: {problems:?}"),
    }
}

fn refused(text: &str) -> Vec<Problem> {
    match parse_schematic("s.yaml", text) {
        Ok(schematic) => panic!("{text}: {}", Canonical::of(&schematic).text),
        Err(problems) => problems,
    }
}

#[test]
fn ids_are_those_of_the_factory() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schematics");
    let mut checked = 0;
    for entry in fs::read_dir(dir).expect("the cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ext| ext == "yaml") {
            let text = fs::read_to_string(&path).expect("readable");
            let id = fs::read_to_string(path.with_extension("id")).expect("readable");
            assert_eq!(id_of(&text), id.trim(), "{}", path.display());
            checked += 1;
        }
    }
    assert_eq!(checked, 15);
}

/// The canonical text of what the factory would read in the same bytes.
#[test]
fn values_are_what_the_factory_reads() {
    let options = |options: &str| {
        let text = format!("overlay: {{image: o/i, name: n, options: {options}}}");
        let schematic = parse_schematic("s.yaml", &text).expect("a schematic");
        let text = Canonical::of(&schematic).text;
        let from = text.find("options:\n").expect("options") + "options:\n".len();
        let until = text.find("customization").expect("the end");
        text[from..until].replace("        ", "")
    };
    for (written, canonical) in [
        ("{a: 0x1F}", "a: 31\n"),
        ("{a: 0o17}", "a: 15\n"),
        ("{a: 1_000}", "a: 1000\n"),
        ("{a: 1.0}", "a: 1\n"),
        ("{a: ~}", "a: null\n"),
        ("{a: TRUE}", "a: true\n"),
        ("{a: '010'}", "a: \"010\"\n"),
        ("{a: '2026-01-01'}", "a: \"2026-01-01\"\n"),
        ("{a: !!str 12}", "a: \"12\"\n"),
        ("{a: '.inf'}", "a: \".inf\"\n"),
        ("{1: a}", "\"1\": a\n"),
        ("{true: a}", "\"true\": a\n"),
        ("{a: {'1': b}}", "a:\n    \"1\": b\n"),
        ("{a: &x [1], b: *x}", "a:\n    - 1\nb:\n    - 1\n"),
        ("{a: {<<: {b: 1}, c: 2}}", "a:\n    b: 1\n    c: 2\n"),
    ] {
        assert_eq!(options(written), canonical, "{written}");
    }
    // Words of YAML 1.1 in quotes: releases of the factory write them differently, so
    // its answer decides, and it is asked in JSON.
    let text = "overlay: {image: o/i, name: n, options: {a: 'yes'}}";
    let schematic = parse_schematic("s.yaml", text).expect("a schematic");
    assert!(!Canonical::of(&schematic).certain);
    assert!(document(&schematic).contains("\"a\":\"yes\""));
}

#[test]
fn what_readers_read_apart_is_refused_at_its_place() {
    for value in [
        "010",
        "-010",
        "08",
        "yes",
        "No",
        "on",
        "off",
        "y",
        "2026-01-01",
        "2026-01-01 10:00:00",
        ".inf",
        "-.inf",
        ".nan",
        "-0",
        "18446744073709551616",
        "0x1ffffffffffffffff",
        "1e400",
        "nULL",
        "tRue",
    ] {
        for text in [
            format!("overlay:\n  image: o/i\n  name: n\n  options:\n    a: {value}\n"),
            format!("overlay:\n  image: o/i\n  name: n\n  options:\n    - [x]\n    a: {value}\n"),
            format!("overlay:\n  image: o/i\n  name: n\n  options:\n    a: {{b: [{value}]}}\n"),
        ] {
            let problems = refused(&text);
            assert!(
                problems[0].line.is_some_and(|line| line >= 5),
                "{problems:?}"
            );
        }
    }
    for key in ["1", "true", "2026-01-01", "010", "~", "1.5"] {
        let text = format!("overlay: {{image: o/i, name: n, options: {{a: {{{key}: b}}}}}}");
        assert_eq!(refused(&text)[0].line, Some(1), "{key}");
    }
    for custom in [
        "meta: [{key: 010, value: x}]",
        "meta: [{key: 0x+a, value: x}]",
        "meta: [{key: +0x, value: x}]",
        "meta: [{key: 256, value: x}]",
        "diskImage: {sectorSize: 0512}",
        "diskImage: {sectorSize: 010000}",
        "systemExtensions: {officialExtensions: [' siderolabs/i915']}",
        "systemExtensions: {officialExtensions: [\"siderolabs/i915\u{a0}\"]}",
        "systemExtensions: {officialExtensions: [i915]}",
        "systemExtensions: {officialExtensions: [siderolabs/]}",
        "extraKernelArgs: [!!binary aGk=]",
        "meta: [{key: !!int '10', value: x}]",
        "bootloader: sdboot",
        "secureboot: {enrollKeys: Force}",
    ] {
        assert!(!refused(&format!("customization: {{{custom}}}")).is_empty());
    }
    refused("overlay: {image: ' o/i', name: n}");
    refused("overlay: {image: o/i, name: 'n '}");
    refused("overlay: {image: o/i, name: n, options: [a]}");
    refused("overlay: {image: o/i, name: n, options: {a: {'<<': {b: 1}}}}");
    refused("overlay: {image: o/i, name: n, options: {a: {\"<<\": b}}}");
}

#[test]
fn numbers_in_the_place_of_text_stay_as_they_are_written() {
    for (written, canonical) in [
        ("010", "\"010\""),
        ("0x1F", "\"0x1F\""),
        ("1.10", "\"1.10\""),
        ("true", "\"true\""),
        ("2026-01-01", "\"2026-01-01\""),
    ] {
        let text = format!("customization: {{extraKernelArgs: [{written}]}}");
        let schematic = parse_schematic("s.yaml", &text).expect("a schematic");
        let text = Canonical::of(&schematic).text;
        assert!(text.ends_with(&format!("- {canonical}\n")), "{text}");
    }
}

#[test]
fn meta_keys_have_every_base() {
    let decimal = id_of("customization: {meta: [{key: 10, value: x}]}");
    for key in ["0xa", "0XA", "0o12", "0b1010", "+10", "'0xa'"] {
        let text = format!("customization: {{meta: [{{key: {key}, value: x}}]}}");
        assert_eq!(id_of(&text), decimal, "{key}");
    }
}

#[test]
fn boot_loaders_are_read_as_the_factory_does() {
    let empty = id_of("");
    for word in ["none", "None", "auto", "AUTO"] {
        assert_eq!(
            id_of(&format!("customization: {{bootloader: {word}}}")),
            empty
        );
    }
    let grub = id_of("customization: {bootloader: grub}");
    assert_eq!(id_of("customization: {bootloader: GRUB}"), grub);
    assert_ne!(grub, empty);
}

#[test]
fn an_owner_is_part_of_a_schematic_file_and_not_of_an_order() {
    let schematic = parse_schematic("s.yaml", "owner: acme\ncustomization: {}\n");
    let schematic = schematic.expect("a schematic");
    assert_eq!(
        Canonical::of(&schematic).text,
        "owner: acme\ncustomization: {}\n"
    );
    refused("owner: 'acme '\ncustomization: {}\n");
    let text = "- orderid: a\n  positions: [{customization: {owner: acme}}]\n";
    assert!(!parse("o.yaml", text, &defaults("")).is_complete());
}

#[test]
fn what_the_factory_refuses_is_refused_before() {
    let told = |keys: &str| {
        let text = format!("- orderid: a\n  positions:\n    - {{{keys}}}\n");
        let set = parse("o.yaml", &text, &defaults(""));
        let problems = set.problems().map(|problem| problem.message.clone());
        let warnings = set.warnings.iter().map(|problem| problem.message.clone());
        problems.chain(warnings).collect::<Vec<_>>().join("; ")
    };
    let embedded = "customization: {embeddedMachineConfiguration: 'version: v1alpha1'}";
    let overlay = "overlay: {image: siderolabs/sbc-raspberrypi, name: rpi_generic}";
    let board = "platform: metal, arch: arm64, image_format: raw.xz";
    for (keys, words) in [
        (
            format!("version: v1.11.3, {embedded}"),
            "needs Talos v1.12 or newer",
        ),
        (
            format!("version: {{type: latest-in-minor, minor: v1.11}}, {embedded}"),
            "v1.12 or newer",
        ),
        (
            format!("version: v1.6.7, {board}, {overlay}"),
            "an overlay needs Talos v1.7 or newer",
        ),
        (
            format!("version: v1.11.3, {overlay}"),
            "with arm64, but this is amd64",
        ),
        (
            format!("arch: arm64, {overlay}"),
            "for the platform metal, but this is nocloud",
        ),
        (
            "customization: {secureboot: {includeWellKnownCertificates: true}}".to_owned(),
            "`secureboot` has no effect without `secureboot: true`",
        ),
        (
            "customization: {diskImage: {sectorSize: 4096}}".to_owned(),
            "no effect on an iso",
        ),
        (
            "push: {prefer_decompressed: true}".to_owned(),
            "no effect on iso",
        ),
    ] {
        assert!(told(&keys).contains(words), "{keys}: {}", told(&keys));
    }
    for keys in [
        format!("version: v1.12.0-alpha.1, {embedded}"),
        embedded.to_owned(),
        format!("version: v1.7.0, {board}, {overlay}"),
        "secureboot: true, customization: {secureboot: {enrollKeys: force}}".to_owned(),
        "image_format: raw.xz, customization: {diskImage: {sectorSize: 4096}}".to_owned(),
    ] {
        assert_eq!(told(&keys), "", "{keys}");
    }
}

#[test]
fn warnings_leave_the_orders_complete() {
    let text = "- orderid: a\n  positions:\n    - push: {prefer_decompressed: true}\n";
    let set = parse("o.yaml", text, &defaults(""));
    assert!(set.is_complete());
    assert_eq!((set.warnings.len(), set.warnings[0].line), (1, Some(3)));
}
