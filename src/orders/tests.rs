//! What orders come to: defaults, destinations, files. What is refused, and in
//! which words, is in `tests/gallery`.

mod awaited;
mod covered;
mod files;
mod schematics;
mod templates;

use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::model::OrderDefaults;
use crate::model::{Deletion, Format, Platform, Position, SchematicSource, VersionPolicy};

fn defaults(config: &str) -> OrderDefaults {
    crate::config::parse("config.yaml", config, &|_| None)
        .expect("a valid configuration")
        .orders
}

/// The one position of an order whose position has these keys (flow style).
fn position(config: &str, keys: &str) -> Position {
    let text = format!("- orderid: a\n  positions:\n    - {{{keys}}}\n");
    let mut set = parse("orders.yaml", &text, &defaults(config));
    let problems: Vec<String> = set.problems().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    set.orders.remove(0).positions.remove(0)
}

fn targets(position: &Position) -> Vec<String> {
    let show = |target: &crate::model::PushTarget| format!("{}:{}", target.node, target.dir);
    position.targets.iter().map(show).collect()
}

#[test]
fn a_position_may_say_nothing() {
    let position = position("", "");
    assert_eq!(position.name, "position-1");
    assert_eq!(
        (position.platform, position.format),
        (Platform::Nocloud, Format::Iso)
    );
    assert_eq!(position.version, VersionPolicy::Latest);
    let SchematicSource::Customization(schematic) = position.schematic else {
        panic!("described");
    };
    assert_eq!(*schematic, crate::model::Schematic::default());
    assert!(position.targets.is_empty() && !position.unpack && !position.secureboot);
}

#[test]
fn files_have_three_forms() {
    let order = "orderid: 12345\npositions: [{name: x}]\n";
    let list = format!("- {}", order.replace('\n', "\n  "));
    let map = format!("orders:\n  {}", list.replace('\n', "\n  "));
    for text in [order, &list, &map] {
        let set = parse("o.yaml", text, &defaults(""));
        assert!(set.is_complete(), "{text}");
        assert_eq!(set.orders[0].id.as_str(), "12345");
    }
    for text in ["[]", "orders: []"] {
        let set = parse("o.yaml", text, &defaults(""));
        assert!(set.is_complete() && set.orders.is_empty());
    }
}

#[test]
fn versions_have_short_and_long_forms() {
    let exact = VersionPolicy::Exact("v1.11.3".parse().expect("a version"));
    let minor = VersionPolicy::LatestInMinor("v1.10".parse().expect("a minor"));
    let cases = [
        ("version: latest", VersionPolicy::Latest),
        ("version: v1.11.3", exact.clone()),
        ("version: 1.11.3", exact.clone()),
        ("version: {type: exact, value: 1.11.3, minor: }", exact),
        (
            "version: {type: latest-in-minor, minor: '1.10'}",
            minor.clone(),
        ),
        ("version: {type: latest-in-minor, minor: v1.10}", minor),
        ("version: {}", VersionPolicy::Latest),
        ("version: ~", VersionPolicy::Latest),
    ];
    for (keys, policy) in cases {
        assert_eq!(position("", keys).version, policy, "{keys}");
    }
}

#[test]
fn what_is_delivered_decides_the_directory() {
    let config = "defaults: {proxmox_default_import_dir: /import}\nnodes:\n  \
                  - {name: own, iso_dir: /own/iso, import_dir: /own/import}\n";
    let cases = [
        ("image_format: iso", "h", "/var/lib/vz/template/iso"),
        ("image_format: raw", "h", "/import"),
        ("image_format: qcow2", "h", "/import"),
        ("image_format: raw.xz", "h", "/var/lib/vz/template/iso"),
        ("image_format: iso", "own", "/own/iso"),
        ("image_format: raw", "own", "/own/import"),
    ];
    for (format, host, dir) in cases {
        let position = position(
            config,
            &format!("{format}, push: {{enabled: yes, hosts: [{host}]}}"),
        );
        assert_eq!(
            targets(&position),
            [format!("{host}:{dir}")],
            "{format} {host}"
        );
    }
    let over = "image_format: raw, push: {enabled: yes, hosts: [{node: own, import_dir: /mine}]}";
    assert_eq!(targets(&position(config, over)), ["own:/mine"]);
    let bare = "image_format: raw, push: {enabled: yes, hosts: [{host: h, iso_dir: /iso}]}";
    assert_eq!(targets(&position("", bare)), ["h:/iso"]);
}

#[test]
fn unpacking_follows_from_what_is_wanted() {
    let push = "defaults: {push: {enabled: yes, prefer_decompressed: yes}}";
    // keys, unpack, push_unpacked
    let cases = [
        (push, "image_format: raw.xz", true, true),
        (
            push,
            "image_format: raw.xz, push: {enabled: no}",
            false,
            false,
        ),
        (
            push,
            "image_format: raw.xz, push: {prefer_decompressed: no}",
            false,
            false,
        ),
        (push, "image_format: iso", false, false),
        (push, "image_format: raw", false, false),
        (
            "",
            "image_format: raw.gz, decompress_raw: true",
            true,
            false,
        ),
        (
            "",
            "image_format: qcow2, decompress_raw: false",
            false,
            false,
        ),
    ];
    for (config, keys, unpack, push_unpacked) in cases {
        let position = position(config, keys);
        assert_eq!(
            (position.unpack, position.push_unpacked),
            (unpack, push_unpacked),
            "{keys}"
        );
    }
}

#[test]
fn one_node_has_one_name_however_it_is_written() {
    let config = "nodes:\n  - {name: one, host: 10.0.0.1, user: root, labels: [all]}\n  \
                  - {name: two, host: two.example, labels: [all]}\n";
    for host in [
        "one",
        "root@one",
        "root@10.0.0.1",
        "{host: 10.0.0.1, user: root}",
        "{node: one}",
    ] {
        let keys = format!("push: {{enabled: yes, hosts: [{host}]}}");
        assert_eq!(
            targets(&position(config, &keys)),
            ["one:/var/lib/vz/template/iso"],
            "{host}"
        );
    }
    let keys = "push: {enabled: yes, hosts: [{group: all, iso_dir: /x}, {node: two, iso_dir: /x}]}";
    assert_eq!(targets(&position(config, keys)), ["one:/x", "two:/x"]);
    let keys =
        "push: {enabled: yes, hosts: ['root@[fe80::1]', {host: 'fe80::1', port: 22}, {local: l}]}";
    let iso = "/var/lib/vz/template/iso";
    assert_eq!(
        targets(&position("", keys)),
        [
            format!("root@fe80::1:{iso}"),
            format!("[fe80::1]:22:{iso}"),
            format!("l:{iso}")
        ]
    );
}

#[test]
fn an_order_keeps_its_id_even_if_it_is_refused() {
    let text = "- {orderid: a, positions: [], oops: 1}\n- {orderid: a, positions: []}\n";
    let set = parse("o.yaml", text, &defaults(""));
    assert!(set.orders.is_empty());
    let ids: Vec<bool> = set
        .rejected_orders
        .iter()
        .map(|order| order.id.is_some())
        .collect();
    assert_eq!(ids, [true, false]);
}

#[test]
fn directories_are_read_as_git_sync_and_kubernetes_mount_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = dir.path().join("orders");
    let write = |path: &str, id: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, format!("orderid: {id}\npositions: []\n")).expect("written");
    };
    // A Kubernetes volume: hidden data behind links.
    write("orders/..2026_01_01/kube.yaml", "kube");
    symlink("..2026_01_01", root.join("..data")).expect("linked");
    symlink("..data/kube.yaml", root.join("kube.yaml")).expect("linked");
    // A worktree of git-sync, a loop, a second way to the same tree.
    write("orders/.revision/deep/er/git.yml", "git");
    symlink(".revision", root.join("current")).expect("linked");
    symlink(".", root.join("loop")).expect("linked");
    symlink(".revision/deep", root.join("again")).expect("linked");
    // Things that are not orders.
    write("orders/.hidden.yaml", "hidden");
    write("orders/notes.txt", "notes");
    fs::create_dir(root.join("dir.yaml")).expect("made");
    write("orders/dir.yaml/inside.yaml", "inside");

    let set = load(&root, &defaults("")).expect("readable");
    let ids: Vec<&str> = set.orders.iter().map(|order| order.id.as_str()).collect();
    assert!(
        set.is_complete(),
        "{:?}",
        set.problems().collect::<Vec<_>>()
    );
    assert_eq!(ids, ["git", "inside", "kube"]);
    assert_eq!(set.files, 3);
}

#[test]
fn what_cannot_be_read_is_a_fact_and_stops_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str| dir.path().join(name);
    fs::write(file("good.yaml"), "orderid: good\npositions: []\n").expect("written");
    fs::write(file("huge.yaml"), vec![b'#'; 2 << 20]).expect("written");
    symlink("nowhere", file("broken.yaml")).expect("linked");
    symlink("nowhere", file("team")).expect("linked");
    symlink("nowhere", file("README.md")).expect("linked");
    let socket = std::os::unix::net::UnixListener::bind(file("socket.yaml")).expect("a socket");
    let set = load(dir.path(), &defaults("")).expect("readable");
    drop(socket);
    assert_eq!(set.orders.len(), 1);
    let told: Vec<&str> = set
        .problems()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "the link leads nowhere",
            "the file is larger than 1 MiB",
            "this is a socket, not a file",
            "the link leads nowhere",
        ]
    );
}

#[test]
fn a_missing_path_is_not_an_empty_set() {
    let why = load(Path::new("/nonexistent/orders"), &defaults("")).expect_err("missing");
    assert!(matches!(why, OrdersError::Missing { .. }));
    let empty = tempfile::tempdir().expect("a directory");
    let set = load(empty.path(), &defaults("")).expect("readable");
    assert!(set.is_complete() && set.files == 0);
}

#[test]
fn a_schematic_file_is_read_as_the_factory_would() {
    let text = "overlay: {image: siderolabs/sbc-raspberrypi, name: rpi_generic}\n\
                customization:\n  meta: [{key: 0xa, value: foo}]\n";
    let schematic = parse_schematic("s.yaml", text).expect("a schematic");
    assert_eq!(schematic.customization.meta[0].key, 10);
    assert_eq!(schematic.overlay.expect("an overlay").name, "rpi_generic");
    assert_eq!(
        parse_schematic("s.yaml", "").expect("the empty one"),
        Default::default()
    );
    assert_eq!(
        parse_schematic("s.yaml", "customisation: {}")
            .expect_err("a typo")
            .len(),
        1
    );
}

proptest! {
    /// A bad position takes nothing from its siblings, whatever is in it.
    #[test]
    fn siblings_are_never_lost(key in "[a-z_]{1,12}", value in "[a-z0-9/$;. -]{0,12}") {
        let text = format!(
            "- orderid: a\n  positions:\n    - name: before\n    - {key}: \"{value}\"\n    - name: after\n\
             - orderid: b\n  positions: [{{name: other}}]\n"
        );
        let set = parse("o.yaml", &text, &defaults(""));
        let names: Vec<&str> = set
            .orders
            .iter()
            .flat_map(|order| &order.positions)
            .map(|position| position.name.as_str())
            .collect();
        for name in ["before", "after", "other"] {
            prop_assert!(names.contains(&name));
        }
    }
}

#[test]
fn an_order_says_what_becomes_of_its_files() {
    let cases = [
        ("", None),
        ("prune: true", Some(Deletion::Delete)),
        ("prune: false", Some(Deletion::Orphan)),
        ("deletion_policy: orphan", Some(Deletion::Orphan)),
        ("deletion_policy: delete", Some(Deletion::Delete)),
        (
            "prune: true\ndeletion_policy: orphan",
            Some(Deletion::Orphan),
        ),
        (
            "prune: true\ndeletion_policy: delete",
            Some(Deletion::Delete),
        ),
        (
            "prune: false\ndeletion_policy: orphan",
            Some(Deletion::Orphan),
        ),
    ];
    for (keys, deletion) in cases {
        let set = parse(
            "o.yaml",
            &format!("orderid: a\npositions: []\n{keys}\n"),
            &defaults(""),
        );
        assert_eq!(set.orders[0].deletion, deletion, "{keys}");
        assert!(!set.orders[0].suspended);
    }
    let set = parse(
        "o.yaml",
        "orderid: a\npositions: []\nsuspend: yes\n",
        &defaults(""),
    );
    assert!(set.orders[0].suspended);
}

#[test]
fn a_position_may_say_how_it_is_sent() {
    use crate::model::PushMethod;
    let method = |keys: &str| position("", keys).push_method;
    assert_eq!(method("push: {enabled: true}"), None);
    assert_eq!(method("push: {method: auto}"), Some(PushMethod::Auto));
    assert_eq!(method("push: {method: rsync}"), Some(PushMethod::Rsync));
}

#[test]
fn orders_are_understood_anew_only_where_they_changed() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let order = |id: &str| format!("orderid: {id}\npositions: []\n");
    fs::write(file("a.yaml"), order("a")).unwrap();
    fs::write(file("b.yaml"), order("b")).unwrap();
    let plain = defaults("");
    let mut reader = OrdersReader::default();
    let mut load = |defaults: &OrderDefaults| reader.load(dir.path(), defaults).unwrap();
    let first = load(&plain);
    assert!(Arc::ptr_eq(&first, &load(&plain)));
    // What one file says can be wrong because of another.
    fs::write(file("b.yaml"), order("a")).unwrap();
    let clash = load(&plain);
    assert!(!clash.is_complete());
    assert_eq!(*clash, super::load(dir.path(), &plain).unwrap());
    fs::write(file("b.yaml"), order("b")).unwrap();
    assert_eq!(load(&plain), first);
    // The same bytes under another name, and with other defaults.
    fs::rename(file("b.yaml"), file("c.yaml")).unwrap();
    let renamed = load(&plain);
    assert!(renamed.orders[1].source.file.ends_with("c.yaml"));
    let other = defaults("defaults: {arch: arm64}");
    assert!(!Arc::ptr_eq(&renamed, &load(&other)));
}
