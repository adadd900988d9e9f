//! Which virtual machines use an image.

use std::collections::{BTreeMap, BTreeSet};

use talos_order::proxmox::{ImagePlace, ImageUse, ImageUses};
use talos_order::proxmox_stub::{AclEntry, StubVm};

use crate::lab::{Lab, TOKEN};

fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

fn places() -> Vec<ImagePlace> {
    let place = |volid: &str, path: &str| ImagePlace {
        volid: volid.to_owned(),
        path: Some(path.to_owned()),
    };
    vec![
        place("local:iso/a.iso", "/var/lib/vz/template/iso/a.iso"),
        place("local:import/b.raw", "/var/lib/vz/import/b.raw"),
        place("local:iso/free.iso", "/var/lib/vz/template/iso/free.iso"),
    ]
}

fn lab_vms(lab: &Lab) {
    lab.stub.set_vm(StubVm {
        id: 100,
        node: "pve-01".to_owned(),
        config: config(&[
            ("ide2", "local:iso/a.iso,media=cdrom,size=1M"),
            ("name", "x"),
        ]),
        ..StubVm::default()
    });
    lab.stub.set_vm(StubVm {
        id: 101,
        node: "pve-02".to_owned(),
        config: config(&[("ide2", "none,media=cdrom"), ("template", "1")]),
        pending: config(&[("ide2", "local:iso/a.iso,media=cdrom")]),
        snapshots: BTreeMap::from([(
            "before".to_owned(),
            config(&[("args", "-drive file=/var/lib/vz/import/b.raw,if=virtio")]),
        )]),
        ..StubVm::default()
    });
}

#[tokio::test]
async fn drives_snapshots_changes_and_arguments_are_searched() {
    let lab = Lab::new().await;
    lab_vms(&lab);
    let ImageUses::Known(uses) = lab.api().image_uses(&places()).await.unwrap() else {
        panic!("unknown");
    };
    let one = |vmid, node: &str, key: &str, snapshot: Option<&str>| ImageUse {
        vmid,
        node: node.to_owned(),
        key: key.to_owned(),
        snapshot: snapshot.map(str::to_owned),
    };
    let expected = BTreeMap::from([
        (
            "local:iso/a.iso".to_owned(),
            BTreeSet::from([
                one(100, "pve-01", "ide2", None),
                one(101, "pve-02", "ide2", None),
            ]),
        ),
        (
            "local:import/b.raw".to_owned(),
            BTreeSet::from([one(101, "pve-02", "args", Some("before"))]),
        ),
    ]);
    assert_eq!(uses, expected);
}

#[tokio::test]
async fn without_the_privilege_on_all_machines_it_is_unknown() {
    let lab = Lab::new().await;
    lab_vms(&lab);
    lab.stub.revoke_all();
    lab.stub.grant(TOKEN, "/vms/101", "VM.Audit");
    let vms = lab.api().vms().await.unwrap();
    assert_eq!(vms.len(), 1, "the other one is left out silently");
    assert!(vms[0].template);
    let uses = lab.api().image_uses(&places()).await.unwrap();
    assert!(
        matches!(&uses, ImageUses::Unknown(why) if why[0].contains("no VM.Audit on /vms")),
        "{uses:?}"
    );
}

#[tokio::test]
async fn a_privilege_that_is_not_inherited_covers_no_machine() {
    let lab = Lab::new().await;
    lab_vms(&lab);
    lab.stub.revoke_all();
    for who in [TOKEN, "talos-order@pve"] {
        lab.stub.set_acl(AclEntry {
            propagate: false,
            ..AclEntry::new("/vms", who, "VM.Audit")
        });
    }
    let uses = lab.api().image_uses(&places()).await.unwrap();
    assert!(matches!(uses, ImageUses::Unknown(_)), "{uses:?}");
}

/// What the API cannot show, and docs/proxmox.md says.
#[tokio::test]
async fn a_machine_with_no_access_stays_hidden() {
    let lab = Lab::new().await;
    lab_vms(&lab);
    lab.stub.set_acl(AclEntry::new("/vms/100", TOKEN, ""));
    let uses = lab.api().image_uses(&places()).await.unwrap();
    let ImageUses::Known(uses) = uses else {
        panic!("{uses:?}");
    };
    assert!(
        uses["local:iso/a.iso"]
            .iter()
            .all(|found| found.vmid != 100)
    );
}

#[tokio::test]
async fn a_machine_on_a_node_that_is_off_makes_it_unknown() {
    let mut lab = Lab::new().await;
    lab_vms(&lab);
    lab.stub.power_off("pve-02").await;
    let uses = lab.api().image_uses(&places()).await.unwrap();
    assert!(
        matches!(&uses, ImageUses::Unknown(why) if why.len() == 1 && why[0].contains("VM 101")),
        "{uses:?}"
    );
}
