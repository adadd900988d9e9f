//! Templates: what they default to, and that no value begins another option.

use proptest::prelude::*;

use super::*;
use crate::model::{Bios, Hardware, NetworkInterface, Template, VmIds};

const PUSH: &str = "push: {enabled: yes, hosts: [pve-01]}, image_format: qcow2";

/// The template with these keys, of a position with those.
fn template(of: &str, keys: &str) -> Template {
    let keys = format!("{PUSH}, {of} template: {{name: talos, target_storage: lvm, {keys}}}");
    *position("", &keys).template.expect("a template")
}

fn hardware(of: &str, keys: &str) -> Hardware {
    template(of, &format!("hardware: {{{keys}}}")).hardware
}

#[test]
fn a_template_may_say_little() {
    let template = template("", "");
    assert_eq!(template.name.as_str(), "talos");
    assert_eq!(template.storage.as_str(), "lvm");
    assert_eq!(template.ids, VmIds::default());
    assert_eq!(template.hardware, Hardware::default());
    assert_eq!((template.keep, template.max_at_once), (None, 1));
    assert!(template.on.is_none() && template.tags.is_empty());
    assert!(position("", PUSH).template.is_none());
}

#[test]
fn a_template_may_say_much() {
    let template = template(
        "",
        "vmid: 9001, on: [pve-01, pve-01], tags: [Talos, '{version}'], keep: 0, max_at_once: 3",
    );
    assert_eq!(template.ids, VmIds::Fixed("9001".parse().expect("a VMID")));
    assert_eq!(template.on.map(|on| on.len()), Some(1));
    let tags: Vec<String> = template.tags.iter().map(ToString::to_string).collect();
    assert_eq!(tags, ["Talos", "{version}"]);
    assert_eq!((template.keep, template.max_at_once), (Some(0), 3));
    let hardware = hardware(
        "",
        "cores: 4, sockets: 2, memory: 8192, balloon: 1024, cpu: x86-64-v3, \
         machine: pc-q35-9.2+pve1, bios: seabios, tpm: yes, scsihw: lsi, vga: serial0, \
         disk_options: 'ssd=1, discard=ignore', cloud_init: yes, rng: yes, agent: yes, \
         net: [{bridge: vmbr1, vlan: 7, mtu: 1, firewall: yes}, {model: e1000}]",
    );
    let expected = Hardware {
        cores: 4,
        sockets: 2,
        memory: 8192,
        balloon: 1024,
        cpu: "x86-64-v3".to_owned(),
        machine: "pc-q35-9.2+pve1".to_owned(),
        bios: Bios::SeaBios,
        pre_enrolled_keys: false,
        tpm: true,
        scsihw: "lsi".to_owned(),
        disk_options: "ssd=1,discard=ignore".to_owned(),
        net: vec![
            NetworkInterface {
                bridge: "vmbr1".to_owned(),
                vlan: Some(7),
                mtu: Some(1),
                firewall: true,
                ..NetworkInterface::default()
            },
            NetworkInterface {
                model: "e1000".to_owned(),
                ..NetworkInterface::default()
            },
        ],
        agent: true,
        serial: true,
        vga: Some("serial0".to_owned()),
        cloud_init: true,
        rng: true,
    };
    assert_eq!(hardware, expected);
}

#[test]
fn the_image_decides_some_of_the_hardware() {
    let agent = "customization: {systemExtensions: [siderolabs/qemu-guest-agent]},";
    let id = format!("schematic_id: {},", "ab".repeat(32));
    for (of, keys, has_agent) in [
        ("", "", false),
        (agent, "", true),
        (agent, "agent: no", false),
        (&id, "", false),
        (&id, "agent: yes", true),
    ] {
        assert_eq!(hardware(of, keys).agent, has_agent, "{of} {keys}");
    }
    let signed = "secureboot: yes,";
    let safe = hardware(signed, "");
    assert!(safe.tpm && safe.bios == Bios::Ovmf && !safe.pre_enrolled_keys);
    assert!(!hardware(signed, "tpm: no").tpm && !hardware("", "").tpm);
    assert!(hardware("", "net: []").net.is_empty());
    assert_eq!(hardware("", "disk_options: ''").disk_options, "");
    let one = [NetworkInterface::default()];
    for keys in ["net: [{}]", "net: ~", ""] {
        assert_eq!(hardware("", keys).net, one, "{keys}");
    }
}

#[test]
fn unpacked_images_become_templates_and_directories_here_do_not() {
    let keys = "image_format: raw.xz, template: {name: t, target_storage: lvm}, \
                push: {enabled: yes, prefer_decompressed: yes, hosts: [pve-01, {local: share}]}";
    assert!(
        position("", keys)
            .template
            .expect("a template")
            .on
            .is_none()
    );
}

#[test]
fn a_label_means_those_nodes_that_get_the_image() {
    let config = "nodes:\n  - {name: a, labels: [x]}\n  - {name: b, labels: [x, y]}\n  \
                  - {name: c, labels: [x]}\n";
    let on = |list: &str| {
        let keys = format!(
            "image_format: raw, push: {{enabled: yes, hosts: [a, b]}}, \
             template: {{name: t, target_storage: lvm, on: {list}}}"
        );
        let template = position(config, &keys).template.expect("a template");
        let on = template.on.expect("nodes");
        on.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(on("[x]"), "a b");
    assert_eq!(on("[y]"), "b");
    assert_eq!(on("[b, a]"), "a b");
}

proptest! {
    /// Whatever is accepted is one value of one option on one line.
    #[test]
    fn no_word_begins_another_option(
        key in "cpu|machine|vga|scsihw|disk_options|bridge|model",
        value in "[a-z0-9,=:;._+ -]{1,12}|(host|q35|std|discard=on)[,=\n a-z0-9]{0,6}|\\PC{1,6}",
    ) {
        let written = serde_json::to_string(&value).expect("text");
        let hardware = match key.as_str() {
            "bridge" | "model" => format!("net: [{{{key}: {written}}}]"),
            _ => format!("{key}: {written}"),
        };
        let text = format!(
            "- orderid: a\n  positions:\n    - {{{PUSH}, template: {{name: t, \
             target_storage: lvm, hardware: {{{hardware}}}}}}}\n"
        );
        let set = parse("o.yaml", &text, &defaults(""));
        if let Some(position) = set.orders[0].positions.first() {
            let hardware = &position.template.as_ref().expect("a template").hardware;
            let net = &hardware.net[0];
            let words = [
                &hardware.cpu, &hardware.machine, &hardware.scsihw, &net.bridge, &net.model,
            ];
            for word in words.into_iter().chain(&hardware.vga) {
                prop_assert!(!word.contains([',', '=', ' ', '\n', ':', ';']), "{word:?}");
            }
            let options = hardware.disk_options.split(',');
            for option in options.filter(|_| !hardware.disk_options.is_empty()) {
                prop_assert_eq!(option.split('=').count(), 2, "{}", option);
                prop_assert!(!option.contains([' ', '\n', ':', ';']), "{:?}", option);
            }
        }
    }
}
