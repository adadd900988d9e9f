//! Virtual machines that are made, made templates, changed and removed.

use std::collections::{BTreeMap, BTreeSet};

use talos_order::proxmox::{PveApi, PveError, TaskFailure, VmChange, VmRefusal};
use talos_order::proxmox_stub::StubVm;

use crate::lab::{Lab, machine, noise, pairs, sha256, until};

/// Makes a template of the usual machine.
async fn template(api: &PveApi, vmid: u32, config: &BTreeMap<String, String>) {
    let made = api.create_vm("pve-01", vmid, config).await.unwrap();
    assert_eq!(
        (made.kind.as_str(), made.id.as_str()),
        ("qmcreate", &*vmid.to_string())
    );
    api.follow(&made).await.unwrap();
    let converted = api.convert_to_template("pve-01", vmid).await.unwrap();
    if let Some(task) = converted {
        assert_eq!(task.kind, "qmtemplate");
        api.follow(&task).await.unwrap();
    }
}

#[tokio::test]
async fn an_image_becomes_a_template_and_goes() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    assert!(api.vmid_is_free(9000).await.unwrap());
    let mut config = machine();
    config.extend(pairs(&[
        ("bios", "ovmf"),
        ("efidisk0", "local-lvm:1,efitype=4m,pre-enrolled-keys=0"),
        ("tpmstate0", "local-lvm:1,version=v2.0"),
        ("ide2", "local-lvm:cloudinit"),
    ]));
    template(&api, 9000, &config).await;
    assert!(!api.vmid_is_free(9000).await.unwrap());

    let found = api.vm_config("pve-01", 9000).await.unwrap();
    let value = |key: &str| found.values[key].as_str();
    assert_eq!(value("description"), "Talos\n\n<!-- mark -->");
    assert_eq!(value("template"), "1");
    assert_eq!(
        value("efidisk0"),
        "local-lvm:base-9000-disk-0,efitype=4m,pre-enrolled-keys=0,size=4M"
    );
    assert_eq!(
        value("scsi0"),
        "local-lvm:base-9000-disk-1,discard=on,size=1M"
    );
    assert_eq!(
        value("tpmstate0"),
        "local-lvm:base-9000-disk-2,size=4M,version=v2.0"
    );
    assert_eq!(value("ide2"), "local-lvm:vm-9000-cloudinit,media=cdrom");
    let net = value("net0");
    assert!(
        net.starts_with("virtio=BC:24:11:") && net.ends_with(",bridge=vmbr0"),
        "{net}"
    );
    assert_eq!(value("boot"), "order=scsi0;ide2;net0");
    let disks = lab.stub.disks();
    let disk = disks
        .iter()
        .find(|disk| disk.volid == "local-lvm:base-9000-disk-1")
        .unwrap();
    assert_eq!(disk.source, Some(sha256(&noise(1 << 20)).to_string()));
    assert_eq!((disk.size, disk.node.as_str()), (1 << 20, "pve-01"));

    // The list of the cluster is as old as what nodes told last, that of the node is not.
    let old = &api.vms().await.unwrap()[0];
    assert_eq!((old.name.as_deref(), old.template), (None, false));
    assert_eq!(old.tags.as_deref(), Some("talos-order-new"));
    let now = &api.node_vms("pve-01").await.unwrap()[0];
    assert_eq!(
        (now.name.as_deref(), now.template),
        (Some("talos-new"), true)
    );
    lab.stub.refresh_statistics();
    assert!(api.vms().await.unwrap()[0].template);
    assert!(api.node_vms("pve-02").await.unwrap().is_empty());

    let change = VmChange {
        set: pairs(&[("name", "talos"), ("tags", "talos;V1.11.3;a")]),
        delete: vec!["description".to_owned()],
        digest: Some(found.digest.clone()),
    };
    let task = api
        .change_vm("pve-01", 9000, &change)
        .await
        .unwrap()
        .unwrap();
    api.follow(&task).await.unwrap();
    let changed = api.vm_config("pve-01", 9000).await.unwrap();
    assert_eq!(changed.values["tags"], "a;talos;v1.11.3");
    assert!(!changed.values.contains_key("description"));
    assert_ne!(changed.digest, found.digest);
    // Who still has the old one is too late.
    let error = api.change_vm("pve-01", 9000, &change).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Changed(_))),
        "{error:?}"
    );

    let task = api.destroy_vm("pve-01", 9000).await.unwrap();
    assert_eq!(task.kind, "qmdestroy");
    api.follow(&task).await.unwrap();
    assert!(lab.stub.vmids().is_empty() && lab.stub.disks().is_empty());
    let error = api.vm_config("pve-01", 9000).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Missing(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_disk_has_the_size_and_the_format_of_its_image() {
    let lab = Lab::with_disks(|options| {
        options.storages[0].content.insert("images".to_owned());
    })
    .await;
    let mut setup = crate::lab::templates();
    setup.templates[0].storage = "local".to_owned();
    lab.grant(&setup);
    let mut qcow2 = noise(4096);
    qcow2[..32].fill(0);
    qcow2[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    qcow2[24..32].copy_from_slice(&(10_u64 << 30).to_be_bytes());
    lab.put("pve-01", "local", "import", "talos.qcow2", &qcow2);
    let api = lab.api();
    for (vmid, image, disk) in [
        (
            9000,
            "talos.qcow2",
            "local:9000/base-9000-disk-0.qcow2,size=10G",
        ),
        (9001, "talos.raw", "local:9001/base-9001-disk-0.raw,size=1M"),
    ] {
        let drive = format!("local:0,import-from=local:import/{image}");
        template(&api, vmid, &pairs(&[("name", "x"), ("scsi0", &drive)])).await;
        assert_eq!(
            api.vm_config("pve-01", vmid).await.unwrap().values["scsi0"],
            disk
        );
    }
}

#[tokio::test]
async fn an_old_version_makes_a_template_without_a_task() {
    let lab = Lab::with_disks(|options| options.converts_without_task = true).await;
    let api = lab.api();
    template(&api, 9000, &machine()).await;
    assert!(lab.stub.vm(9000).unwrap().is_template());
}

/// In drives, snapshots and changes that wait, of machines on any node.
#[tokio::test]
async fn linked_clones_are_found() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    let clone = |id, node: &str, config: &[(&str, &str)]| StubVm {
        id,
        node: node.to_owned(),
        config: pairs(config),
        ..StubVm::default()
    };
    let vms = [
        clone(
            9000,
            "pve-01",
            &[
                ("scsi0", "tank:base-9000-disk-0,size=1M"),
                ("template", "1"),
            ],
        ),
        clone(
            9001,
            "pve-01",
            &[
                ("scsi0", "local:9001/base-9001-disk-0.raw"),
                ("template", "1"),
            ],
        ),
        clone(
            9002,
            "pve-01",
            &[("scsi0", "local-lvm:base-9002-disk-0"), ("template", "1")],
        ),
        clone(
            105,
            "pve-02",
            &[("scsi0", "tank:base-9000-disk-0/vm-105-disk-0,size=1M")],
        ),
        StubVm {
            snapshots: BTreeMap::from([(
                "before".to_owned(),
                pairs(&[(
                    "virtio1",
                    "nfs:9001/base-9001-disk-0.raw/106/vm-106-disk-0.qcow2",
                )]),
            )]),
            ..clone(106, "pve-01", &[("scsi0", "local-lvm:vm-106-disk-0")])
        },
        StubVm {
            pending: pairs(&[("scsi1", "tank:base-9000-disk-0/vm-107-disk-0")]),
            ..clone(107, "pve-01", &[])
        },
        StubVm {
            is_container: true,
            ..clone(108, "pve-01", &[("rootfs", "tank:subvol-108-disk-0")])
        },
    ];
    for vm in vms {
        lab.stub.set_vm(vm);
    }
    let templates = BTreeSet::from([9000, 9001, 9002]);
    let clones = api.linked_clones(&templates).await.unwrap();
    let expected = BTreeMap::from([
        (9000, BTreeSet::from([105, 107])),
        (9001, BTreeSet::from([106])),
        (9002, BTreeSet::new()),
    ]);
    assert_eq!(clones, expected);

    let task = api.destroy_vm("pve-01", 9000).await.unwrap();
    let error = api.follow(&task).await.unwrap_err();
    assert!(
        matches!(&error, PveError::Task { source: TaskFailure::Vm(VmRefusal::Clones(text)), .. }
            if text == "base volume 'tank:base-9000-disk-0' is still in use by linked cloned"),
        "{error:?}"
    );
    assert!(error.hint().is_some() && !error.is_transient());
}

/// A task goes on whatever becomes of who asked for it.
#[tokio::test]
async fn nobody_has_to_wait_for_a_task() {
    let lab = Lab::with_disks(|_| {}).await;
    lab.stub.hold_tasks("qmcreate");
    drop(
        lab.api()
            .create_vm("pve-01", 9000, &machine())
            .await
            .unwrap(),
    );
    let now = lab.stub.vm(9000).unwrap();
    assert_eq!(
        now.config,
        pairs(&[("lock", "create")]),
        "neither name nor notes yet"
    );
    lab.stub.release_tasks("qmcreate");
    until(|| lab.stub.tasks()[0].2.as_deref() == Some("OK")).await;
    assert!(lab.stub.vm(9000).unwrap().config.contains_key("scsi0"));
}

#[tokio::test]
async fn a_stopped_task_leaves_nothing() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    lab.stub.hold_tasks("qmcreate");
    let task = api.create_vm("pve-01", 9000, &machine()).await.unwrap();
    until(|| !lab.stub.disks().is_empty()).await;
    api.stop_task(&task).await.unwrap();
    let error = api.follow(&task).await.unwrap_err();
    assert!(
        matches!(
            &error,
            PveError::Task {
                source: TaskFailure::Stopped,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(lab.stub.vmids().is_empty() && lab.stub.disks().is_empty());
}

#[tokio::test]
async fn a_node_that_goes_off_leaves_the_lock_and_the_disk() {
    let mut lab = Lab::with_disks(|_| {}).await;
    let api = lab.api_of(&["pve-02"], crate::lab::SECRET);
    lab.stub.hold_tasks("qmcreate");
    api.create_vm("pve-01", 9000, &machine()).await.unwrap();
    until(|| !lab.stub.disks().is_empty()).await;
    lab.stub.power_off("pve-01").await;
    let error = api.vm_config("pve-01", 9000).await.unwrap_err();
    assert!(
        matches!(error, PveError::NodeUnreachable { .. }),
        "{error:?}"
    );
    until(|| lab.stub.tasks()[0].2.as_deref() == Some("unexpected status")).await;
    lab.stub.power_on("pve-01").await.unwrap();
    let found = api.vm_config("pve-01", 9000).await.unwrap();
    assert_eq!(found.values, pairs(&[("lock", "create")]));
    assert_eq!(lab.stub.disks().len(), 1);
    let error = api.convert_to_template("pve-01", 9000).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Locked(_))),
        "{error:?}"
    );
    assert!(error.is_transient() && error.hint().unwrap().contains("qm unlock"));
}
