//! What keeps a template, and what works on one.

use talos_order::facts::TemplateState::{Current, New, Retired};
use talos_order::nodes::{TemplateDone, Templates};

use crate::lab::{Lab, change, creation, machine, marked, node, shown, template_removal, until};

/// A template on `pve-01`, retired.
async fn retired(lab: &Lab) {
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes.create_template(&pve, &creation(9000)).await.unwrap();
    nodes
        .change_templates(&pve, &[change(9000, New, Retired)])
        .await
        .unwrap();
}

#[tokio::test]
async fn clones_protection_and_locks_keep_it() {
    let lab = Lab::for_templates().await;
    retired(&lab).await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let removal = template_removal(9000, Retired);
    let clone = [("scsi0", "tank:base-9000-disk-1/vm-105-disk-0")];
    lab.stub.set_vm(machine(105, "pve-01", &clone));
    let error = nodes.remove_template(&pve, &removal).await.unwrap_err();
    let text = shown(&error);
    assert!(
        text.contains("still in use by linked cloned") && !error.is_transient(),
        "{text}"
    );
    lab.stub.remove_vm(105);

    let set = |key: &str, value: &str| {
        let mut vm = lab.stub.vm(9000).unwrap();
        vm.config.insert(key.to_owned(), value.to_owned());
        lab.stub.set_vm(vm);
    };
    set("protection", "1");
    let error = nodes.remove_template(&pve, &removal).await.unwrap_err();
    let text = shown(&error);
    assert!(
        text.contains("protection mode enabled") && !error.is_transient(),
        "{text}"
    );
    assert!(text.contains("--protection 0"), "{text}");
    set("protection", "0");

    set("lock", "backup");
    let error = nodes.remove_template(&pve, &removal).await.unwrap_err();
    let text = shown(&error);
    assert!(
        text.contains("VM is locked (backup)") && error.is_transient(),
        "{text}"
    );
    let error = nodes
        .change_templates(&pve, &[change(9000, Retired, Current)])
        .await
        .unwrap_err();
    assert!(shown(&error).contains("qm unlock"), "{error:?}");
    assert_eq!(marked(&nodes, "pve-01").await, [(9000, Retired)]);
    assert!(lab.stub.disks().len() == 4, "{:?}", lab.stub.disks());

    let mut vm = lab.stub.vm(9000).unwrap();
    vm.config.remove("lock");
    lab.stub.set_vm(vm);
    let done = nodes.remove_template(&pve, &removal).await.unwrap();
    assert_eq!(done, TemplateDone::Done);
    assert!(lab.stub.vmids().is_empty() && lab.stub.disks().is_empty());
}

/// Somebody writes notes of their own between the look and the change.
#[tokio::test]
async fn a_change_of_somebody_else_is_not_lost() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes.create_template(&pve, &creation(9000)).await.unwrap();
    let late = talos_order::proxmox_stub::PveFault::Late(std::time::Duration::from_millis(200));
    lab.stub
        .inject("POST /api2/json/nodes/pve-01/qemu/9000/config", late);
    let before = lab.count("qemu/9000/config");
    let switch = [change(9000, New, Current)];
    let (done, ()) = tokio::join!(nodes.change_templates(&pve, &switch), async {
        until(|| lab.count("qemu/9000/config") == before + 2).await;
        let mut vm = lab.stub.vm(9000).unwrap();
        vm.config
            .insert("description".to_owned(), "mine".to_owned());
        lab.stub.set_vm(vm);
    });
    let what = "the configuration of VM 9000 was changed meanwhile".to_owned();
    assert_eq!(done.unwrap(), TemplateDone::Outdated(what));
    assert_eq!(lab.stub.vm(9000).unwrap().config["description"], "mine");
}

/// Somebody writes notes between the look of a run and its last step, which may be hours.
#[tokio::test]
async fn what_was_written_since_the_look_stays() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes.create_template(&pve, &creation(9000)).await.unwrap();
    let mut vm = lab.stub.vm(9000).unwrap();
    let notes = vm.config.get_mut("description").unwrap();
    *notes = format!("mine\r\n{notes}\r\nmine, too");
    let mine = notes.clone();
    lab.stub.set_vm(vm);
    let changed = change(9000, New, Current);
    let line = changed.mark.clone();
    let becomes = changed.becomes.line();
    let done = nodes.change_templates(&pve, &[changed]).await.unwrap();
    assert_eq!(done, TemplateDone::Done);
    let found = &lab.stub.vm(9000).unwrap().config["description"];
    assert_eq!(*found, mine.replace(&line, &becomes));
}

#[tokio::test]
async fn tags_that_the_cluster_restricts_are_told() {
    let tag = "talos-order-new".to_owned();
    let lab = Lab::for_templates_with(|options| options.restricted_tags = [tag].into()).await;
    let error = lab
        .nodes()
        .create_template(&node("pve-01"), &creation(9000))
        .await
        .unwrap_err();
    assert!(
        shown(&error).contains("modifying tag 'talos-order-new'"),
        "{error:?}"
    );
    assert!(shown(&error).contains("user-tag-access"), "{error:?}");
    assert!(!error.is_transient() && error.is_permission(), "{error:?}");
    assert!(lab.stub.vmids().is_empty() && lab.stub.disks().is_empty());
}
