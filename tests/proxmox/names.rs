//! Names, as the real functions treat them.

use std::collections::BTreeSet;

use talos_order::proxmox::ImageContent;
use talos_order::proxmox_stub::{listed, normalised, parses, sendable};

use crate::lab::Lab;

#[test]
fn names_are_normalised() {
    for (name, stored) in [
        ("a+b=c.raw", "a_b_c.raw"),
        ("na me,x:y.iso", "na_me_x_y.iso"),
        ("ü", "__"),
        (".hidden.raw", ".hidden.raw"),
        ("a/b\\c.iso", "c.iso"),
    ] {
        assert_eq!(normalised(name), stored);
    }
}

#[test]
fn what_may_be_sent_and_what_is_a_volume() {
    for name in ["a.iso", "a.img", "a.ISO", "a.IMG"] {
        assert!(sendable("iso", name), "{name}");
    }
    for name in ["a.ova", "a.qcow2", "a.raw", "a.vmdk"] {
        assert!(sendable("import", name), "{name}");
    }
    for name in ["a.ovf", "a.img", "a.raw.xz", "a.RAW"] {
        assert!(!sendable("import", name), "{name}");
    }
    for (content, name) in [("import", ".tmp.raw"), ("iso", ".a.iso")] {
        assert!(parses(content, name) && !listed(content, name), "{name}");
    }
    for (content, name) in [
        ("iso", "a.raw"),
        ("import", "a.img"),
        ("import", "a.RAW"),
        ("import", "a.vhd"),
        ("iso", "sub/a.iso"),
        ("import", "a~b.raw"),
    ] {
        assert!(!parses(content, name), "{content}/{name}");
    }
}

/// What the client lets through, the node takes, and lists under the same name.
#[test]
fn the_client_refuses_what_would_not_come_out_right() {
    let names = [
        "a.iso",
        "a.ISO",
        "a.img",
        "a.raw",
        "a.RAW",
        "a.qcow2",
        "a.vmdk",
        "a.ova",
        "a.ovf",
        "a.raw.xz",
        "a+b.raw",
        "a b.iso",
        ".a.iso",
        ".a.raw",
        "a~b.raw",
        "ä.iso",
        "iso",
        ".iso",
        "sub/a.iso",
        "nocloud-amd64-v1.11.2.raw",
    ];
    for name in names {
        for content in [ImageContent::Iso, ImageContent::Import] {
            let kind = content.name();
            let comes_out =
                sendable(kind, &normalised(name)) && normalised(name) == name && listed(kind, name);
            assert_eq!(content.refuses(name).is_none(), comes_out, "{kind}/{name}");
        }
    }
}

#[tokio::test]
async fn a_directory_is_listed_as_the_real_one_is() {
    let lab = Lab::new().await;
    let iso = [
        "a.iso",
        "b.ISO",
        "c.img",
        "e.iso.tmp_dwnl.123",
        ".d.iso",
        "f.raw",
    ];
    for name in iso {
        lab.put("pve-01", "local", "iso", name, b"x");
    }
    let import = [
        "a.raw",
        "B.RAW",
        "g~1.raw",
        "c.img",
        ".d.raw",
        "e.ova",
        "f.ovf",
        "h.qcow2",
        "i.vmdk",
        "j+k=l.raw",
    ];
    for name in import {
        lab.put("pve-01", "local", "import", name, b"x");
    }
    let dir = lab.stub.directory("pve-01", "local", "iso");
    std::fs::create_dir(dir.join("sub.iso")).unwrap();
    std::os::unix::fs::symlink(dir.join("a.iso"), dir.join("link.iso")).unwrap();
    std::os::unix::fs::symlink(dir.join("none"), dir.join("dangling.iso")).unwrap();
    for (content, expected) in [
        ("iso", vec!["a.iso", "b.ISO", "c.img", "link.iso"]),
        (
            "import",
            vec!["a.raw", "e.ova", "f.ovf", "h.qcow2", "i.vmdk", "j+k=l.raw"],
        ),
    ] {
        let path = format!("/api2/json/nodes/pve-01/storage/local/content?content={content}");
        let answer = lab.get(&path).await.json();
        let volumes = answer["data"].as_array().unwrap().iter();
        let names = volumes.map(|volume| volume["volid"].as_str().unwrap().rsplit('/').next());
        let names: BTreeSet<&str> = names.map(Option::unwrap).collect();
        assert_eq!(names, BTreeSet::from_iter(expected));
    }
}
