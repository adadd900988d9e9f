//! What a cluster refuses, in its words.

use std::time::Duration;

use talos_order::proxmox::{PveError, VmChange, VmRefusal};
use talos_order::proxmox_stub::{AclEntry, StubVm};

use crate::lab::{Lab, TOKEN, chain, machine, pairs, templates, until};

#[tokio::test]
async fn a_vmid_is_one_of_the_cluster() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    lab.stub.set_vm(StubVm {
        id: 9000,
        node: "pve-02".to_owned(),
        ..StubVm::default()
    });
    lab.stub.set_vm(StubVm {
        id: 9001,
        node: "pve-01".to_owned(),
        is_container: true,
        ..StubVm::default()
    });
    for (vmid, kind) in [
        (9000, "VM 9000 already exists on node 'pve-02'"),
        (9001, "CT 9001"),
    ] {
        let error = api.create_vm("pve-01", vmid, &machine()).await.unwrap_err();
        assert!(
            matches!(error.vm_refusal(), Some(VmRefusal::Exists(text)) if text.contains(kind)),
            "{error:?}"
        );
        assert!(!error.is_transient());
        assert!(!api.vmid_is_free(vmid).await.unwrap(), "{vmid}");
    }
    // Also one that the token may not see.
    for who in [TOKEN, "talos-order@pve"] {
        lab.stub.set_acl(AclEntry::new("/vms/9000", who, ""));
    }
    assert!(api.vms().await.unwrap().iter().all(|vm| vm.vmid != 9000));
    assert!(!api.vmid_is_free(9000).await.unwrap());
    assert!(lab.stub.tasks().is_empty());
}

#[tokio::test]
async fn an_image_has_to_be_one_that_can_be_imported() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    lab.put("pve-01", "local", "iso", "a.iso", b"an image");
    let made = async |drive: &str| {
        let config = pairs(&[("name", "x"), ("scsi0", drive)]);
        let task = api.create_vm("pve-01", 9000, &config).await?;
        api.follow(&task).await
    };
    let error = made("local-lvm:0,import-from=local:iso/a.iso")
        .await
        .unwrap_err();
    let text = "local:iso/a.iso has wrong type 'iso' - needs to be 'images' or 'import'";
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Source(found)) if found == text),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("content type import"));
    let error = made("local-lvm:0,import-from=local:import/gone.raw")
        .await
        .unwrap_err();
    let text = "unable to create VM 9000 - cannot import from 'local:import/gone.raw' - could not \
                get size of local:import/gone.raw";
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Source(found)) if found == text),
        "{error:?}"
    );
    assert!(lab.stub.vmids().is_empty(), "nothing is left of it");
    let error = made("local-lvm:2,import-from=local:import/talos.raw")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PveError::Parameters { errors, .. }
            if errors["scsi0"].contains("special syntax")),
        "{error:?}"
    );
    let error = made("local-lvm:0,import-from=/root/talos.raw")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Only root can pass"), "{error}");

    lab.stub
        .grant(TOKEN, "/storage/plain", "Datastore.AllocateSpace");
    let error = made("plain:0,import-from=local:import/talos.raw")
        .await
        .unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::NoImages(_))),
        "{error:?}"
    );
    lab.stub
        .grant(TOKEN, "/storage/none", "Datastore.AllocateSpace");
    let error = made("none:0,import-from=local:import/talos.raw")
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("storage 'none' does not exist"),
        "{error}"
    );
}

/// The text names the path and the privilege, but for the first one.
#[tokio::test]
async fn each_privilege_is_needed_to_make_one() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    for (path, missing) in [
        ("/vms", "VM.Allocate"),
        ("/vms", "VM.Config.CPU"),
        ("/vms", "VM.Config.Memory"),
        ("/vms", "VM.Config.Network"),
        ("/vms", "VM.Config.Options"),
        ("/storage/local-lvm", "Datastore.AllocateSpace"),
        ("/sdn/zones/localnetwork/vmbr0", "SDN.Use"),
    ] {
        lab.stub.revoke_all();
        let need = templates().need();
        for (path, privileges) in talos_order::proxmox::rights::NeededRights::of(&need).iter() {
            let kept: Vec<&str> = privileges
                .iter()
                .copied()
                .filter(|p| *p != missing)
                .collect();
            lab.stub.grant(TOKEN, path, &kept.join(" "));
        }
        let error = api.create_vm("pve-01", 9000, &machine()).await.unwrap_err();
        let PveError::Forbidden {
            path: named,
            privileges,
            ..
        } = &error
        else {
            panic!("without {missing}: {error:?}");
        };
        if missing == "VM.Allocate" {
            assert_eq!(*named, None, "Proxmox VE does not say it");
        } else {
            let path = if path == "/vms" { "/vms/9000" } else { path };
            assert_eq!(
                (named.as_deref(), &privileges[..]),
                (Some(path), &[missing.to_owned()][..])
            );
        }
        assert!(lab.stub.vmids().is_empty() && lab.stub.tasks().is_empty());
    }
}

#[tokio::test]
async fn protection_locks_and_work_keep_a_machine() {
    let lab = Lab::with_disks(|options| options.lock_patience = Duration::from_millis(50)).await;
    let api = lab.api();
    let vm = |config: &[(&str, &str)]| StubVm {
        id: 9000,
        node: "pve-01".to_owned(),
        config: pairs(config),
        ..StubVm::default()
    };
    let removed = async || {
        let task = api.destroy_vm("pve-01", 9000).await?;
        api.follow(&task).await
    };
    lab.stub.set_vm(vm(&[("protection", "1")]));
    let error = removed().await.unwrap_err();
    assert!(
        chain(&error).contains("can't remove VM 9000 - protection mode enabled"),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("--protection 0"));
    lab.stub.set_vm(vm(&[("lock", "backup")]));
    let error = removed().await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Locked(text)) if text == "VM is locked (backup)"),
        "{error:?}"
    );
    let change = VmChange {
        set: pairs(&[("name", "x")]),
        ..VmChange::default()
    };
    let error = api.change_vm("pve-01", 9000, &change).await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Locked(_))),
        "{error:?}"
    );

    lab.stub.set_vm(vm(&[("name", "x")]));
    lab.stub.hold_tasks("qmconfig");
    let first = api
        .change_vm("pve-01", 9000, &change)
        .await
        .unwrap()
        .unwrap();
    // Tasks get the lock in the order of their start.
    until(|| lab.stub.tasks().len() == 2).await;
    let error = removed().await.unwrap_err();
    assert!(
        matches!(error.vm_refusal(), Some(VmRefusal::Busy(_))),
        "{error:?}"
    );
    assert!(error.is_transient());
    lab.stub.release_tasks("qmconfig");
    api.follow(&first).await.unwrap();
    removed().await.unwrap();
}

/// A privilege on one VMID goes with its machine.
#[tokio::test]
async fn entries_of_one_machine_go_with_it() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    lab.stub
        .grant(TOKEN, "/vms/9000", "VM.Allocate VM.Audit VM.Config.Options");
    let config = pairs(&[("name", "x")]);
    let task = api.create_vm("pve-01", 9000, &config).await.unwrap();
    api.follow(&task).await.unwrap();
    lab.stub.revoke_all();
    lab.stub
        .grant(TOKEN, "/vms/9000", "VM.Allocate VM.Audit VM.Config.Options");
    let task = api.destroy_vm("pve-01", 9000).await.unwrap();
    api.follow(&task).await.unwrap();
    let error = api.create_vm("pve-01", 9000, &config).await.unwrap_err();
    assert!(matches!(error, PveError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn tags_can_be_restricted() {
    let tag = "talos-order-new".to_owned();
    let lab = Lab::with_disks(|options| options.restricted_tags = [tag].into()).await;
    let api = lab.api();
    let task = api.create_vm("pve-01", 9000, &machine()).await.unwrap();
    let error = api.follow(&task).await.unwrap_err();
    assert!(
        chain(&error).contains("modifying tag 'talos-order-new'"),
        "{error:?}"
    );
    assert!(lab.stub.vmids().is_empty() && lab.stub.disks().is_empty());
}

#[tokio::test]
async fn values_have_a_form() {
    let lab = Lab::with_disks(|_| {}).await;
    let api = lab.api();
    for (key, value) in [
        ("name", "a_b"),
        ("tags", "ä"),
        ("cores", "many"),
        ("nonsense", "1"),
        ("description", &*"x".repeat(8193)),
    ] {
        let error = api
            .create_vm("pve-01", 9000, &pairs(&[(key, value)]))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, PveError::Parameters { errors, .. } if errors.contains_key(key)),
            "{key}: {error:?}"
        );
    }
}
