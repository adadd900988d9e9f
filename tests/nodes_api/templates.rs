//! Templates from an image to their removal, and what is never touched.

use std::collections::{BTreeMap, BTreeSet};

use talos_order::facts::{NodeVms, TemplateState};
use talos_order::model::VmId;
use talos_order::nodes::{ApiError, NodeError, TemplateDone, Templates};

use crate::lab::{
    Lab, TEMPLATE_RIGHTS, change, creation, inventory, machine, mark, marked, node, noise, sha256,
    shown, template_removal,
};

use TemplateState::{Current, New, Retired};

#[tokio::test]
async fn a_template_is_made_switched_to_retired_and_removed() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    assert_eq!(marked(&nodes, "pve-01").await, []);
    let done = nodes.create_template(&pve, &creation(9000)).await.unwrap();
    assert_eq!(done, TemplateDone::Done);
    let found = inventory(&nodes, "pve-01").await;
    let id: VmId = "9000".parse().unwrap();
    let config = &found.marked[&id];
    assert!(config.is_template() && config.mark_of(id) == Some(mark(9000, New)));
    assert_eq!(
        config.get("scsi0"),
        Some("tank:base-9000-disk-1,discard=on,size=1M")
    );
    assert_eq!(config.get("boot"), Some("order=scsi0"));
    assert_eq!(config.get("digest"), None);
    // Not as old as the list of the cluster.
    let seat = &found.taken[&id];
    assert_eq!(
        (seat.host.as_str(), seat.name.as_deref()),
        ("pve-01", Some("talos-new"))
    );
    assert!(seat.is_template && found.clones.is_none());
    assert_eq!(
        (found.host.as_str(), found.cluster.as_deref()),
        ("pve-01", Some("lab"))
    );
    let disks = lab.stub.disks();
    let disk = disks
        .iter()
        .find(|disk| disk.volid == "tank:base-9000-disk-1")
        .unwrap();
    assert_eq!(disk.source, Some(sha256(&noise(1 << 20, 1)).to_string()));

    let switch = [change(9000, New, Current)];
    assert_eq!(
        nodes.change_templates(&pve, &switch).await.unwrap(),
        TemplateDone::Done
    );
    let config = lab.stub.vm(9000).unwrap().config;
    assert_eq!(
        (config["name"].as_str(), config["tags"].as_str()),
        ("talos", "talos;v1.11.3")
    );
    assert_eq!(marked(&nodes, "pve-01").await, [(9000, Current)]);

    // The next one: there is no moment without a template of the name.
    nodes.create_template(&pve, &creation(9001)).await.unwrap();
    let switch = [change(9001, New, Current), change(9000, Current, Retired)];
    let before = lab.stub.requests().len();
    assert_eq!(
        nodes.change_templates(&pve, &switch).await.unwrap(),
        TemplateDone::Done
    );
    let requests = lab.stub.requests();
    let changed = requests[before..]
        .iter()
        .filter(|line| line.contains("POST"));
    let changed: Vec<bool> = changed
        .map(|line| line.contains("qemu/9001/config"))
        .collect();
    assert_eq!(changed, [true, false]);
    assert_eq!(
        marked(&nodes, "pve-01").await,
        [(9000, Retired), (9001, Current)]
    );
    assert_eq!(
        lab.stub.vm(9000).unwrap().config["name"],
        "talos-retired-9000"
    );

    let done = nodes
        .remove_template(&pve, &template_removal(9000, Retired))
        .await;
    assert_eq!(done.unwrap(), TemplateDone::Done);
    assert_eq!(lab.stub.vmids(), [9001]);
    assert!(
        lab.stub
            .disks()
            .iter()
            .all(|disk| disk.volid.contains("-9001-"))
    );
    // Gone is gone.
    let done = nodes
        .remove_template(&pve, &template_removal(9000, Retired))
        .await;
    assert_eq!(done.unwrap(), TemplateDone::Done);
}

/// The one that is most important is not named by Proxmox VE itself.
#[tokio::test]
async fn each_missing_privilege_is_named_before_anything_is_made() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    for (path, missing) in TEMPLATE_RIGHTS {
        lab.grant_templates(|privilege| privilege != missing);
        let error = nodes
            .create_template(&pve, &creation(9000))
            .await
            .unwrap_err();
        let text = shown(&error);
        assert!(
            text.contains(missing) && text.contains(path),
            "without {missing}: {text}"
        );
        assert!(text.contains("pve-setup"), "{text}");
        assert!(!error.is_transient() && error.is_permission(), "{error:?}");
        assert!(lab.stub.vmids().is_empty() && lab.stub.tasks().is_empty());
    }
    lab.grant_templates(|_| false);
    let error = nodes
        .create_template(&pve, &creation(9000))
        .await
        .unwrap_err();
    let text = shown(&error);
    let all = [
        "VM.Allocate",
        "Datastore.AllocateSpace on /storage/tank",
        "Datastore.Audit",
    ];
    assert!(
        all.iter().all(|one| text.contains(one)),
        "all at once: {text}"
    );
}

#[tokio::test]
async fn each_missing_privilege_is_named_before_anything_is_changed() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes.create_template(&pve, &creation(9000)).await.unwrap();
    let before = lab.stub.vm(9000).unwrap().config;
    for missing in ["VM.Audit", "VM.Config.Options", "VM.Allocate"] {
        lab.grant_templates(|privilege| privilege != missing);
        let mut results = Vec::new();
        if missing != "VM.Allocate" {
            let switch = [change(9000, New, Current)];
            results.push(nodes.change_templates(&pve, &switch).await);
        }
        if missing != "VM.Config.Options" {
            let removal = template_removal(9000, New);
            results.push(nodes.remove_template(&pve, &removal).await);
        }
        for result in results {
            let error = result.unwrap_err();
            let text = shown(&error);
            assert!(text.contains(missing), "without {missing}: {text}");
            assert!(error.is_permission(), "{error:?}");
        }
        assert_eq!(lab.stub.vm(9000).unwrap().config, before, "{missing}");
    }
}

#[tokio::test]
async fn virtual_machines_that_may_be_hidden_are_unknown() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    lab.grant_templates(|privilege| privilege != "VM.Audit");
    let NodeVms::Unknown { why } = nodes.vms(&node("pve-01")).await else {
        panic!("known");
    };
    assert!(
        why.contains("VM.Audit on /vms") && why.contains("pve-setup"),
        "{why}"
    );
    let templates = BTreeSet::from(["9000".parse().unwrap()]);
    let error = nodes.clones(&node("pve-01"), &templates).await.unwrap_err();
    assert!(
        matches!(error, NodeError::Api(ApiError::VmsHidden { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_cluster_is_asked_once_in_each_run() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    lab.stub
        .set_vm(machine(100, "pve-03", &[("name", "other")]));
    for run in 1..=2 {
        for name in crate::lab::NODES {
            let found = inventory(&nodes, name).await;
            assert_eq!(found.taken.len(), 1, "{name}");
        }
        assert_eq!(lab.count("cluster/resources"), run);
    }
    // What this controller made is known at once, also within a run.
    nodes
        .create_template(&node("pve-01"), &creation(9000))
        .await
        .unwrap();
    assert_eq!(inventory(&nodes, "pve-02").await.taken.len(), 2);
    // Only what may be ours is looked at.
    let before = lab.count("config?");
    lab.stub
        .set_vm(machine(101, "pve-01", &[("name", "other")]));
    inventory(&nodes, "pve-01").await;
    assert_eq!(lab.count("config?") - before, 1);
}

#[tokio::test]
async fn a_node_that_is_off_is_unreachable() {
    let mut lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    lab.stub.power_off("pve-01").await;
    let state = nodes.vms(&node("pve-01")).await;
    assert!(
        matches!(state, NodeVms::Unreachable { lasting: None, .. }),
        "{state:?}"
    );
    let error = nodes
        .create_template(&node("pve-01"), &creation(9000))
        .await
        .unwrap_err();
    assert!(matches!(error, NodeError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn the_vmid_may_be_taken_meanwhile() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    lab.stub
        .set_vm(machine(9000, "pve-02", &[("name", "talos")]));
    let done = nodes.create_template(&pve, &creation(9000)).await.unwrap();
    assert_eq!(
        done,
        TemplateDone::Outdated("VMID 9000 was taken meanwhile".to_owned())
    );
    // Also between the question and the answer.
    lab.stub.remove_vm(9000);
    let mut foreign = machine(9000, "pve-02", &[("name", "talos")]);
    foreign.is_container = true;
    lab.stub.inject(
        "cluster/nextid",
        talos_order::proxmox_stub::PveFault::Body(200, r#"{"data":"9000"}"#.to_owned()),
    );
    lab.stub.set_vm(foreign);
    let done = nodes.create_template(&pve, &creation(9000)).await.unwrap();
    assert_eq!(
        done,
        TemplateDone::Outdated("VMID 9000 was taken meanwhile".to_owned())
    );
    assert!(lab.stub.tasks().is_empty());
}

/// Whatever has our name, our tags or our VMID: what has not the mark is not touched.
#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let ours = mark(9000, Current);
    let other_owner = talos_order::facts::TemplateMark {
        owner: "another".to_owned(),
        ..ours.clone()
    };
    let foreign: [(&str, String); 6] = [
        ("no notes", String::new()),
        ("other notes", "our golden image".to_owned()),
        ("another state", mark(9000, Retired).notes()),
        ("another owner", other_owner.notes()),
        ("a clone of another", mark(9001, Current).notes()),
        ("two marks", format!("{0}\n{0}", ours.line())),
    ];
    for (what, notes) in foreign {
        let vm = machine(
            9000,
            "pve-01",
            &[
                ("name", "talos"),
                ("tags", "talos"),
                ("template", "1"),
                ("description", &notes),
            ],
        );
        lab.stub.set_vm(vm);
        let before = lab.stub.vm(9000).unwrap().config;
        let changed = nodes
            .change_templates(&pve, &[change(9000, Current, Retired)])
            .await;
        let removed = nodes
            .remove_template(&pve, &template_removal(9000, Current))
            .await;
        for done in [changed, removed] {
            let done = done.unwrap();
            assert!(
                matches!(&done, TemplateDone::Outdated(_)),
                "{what}: {done:?}"
            );
        }
        assert_eq!(lab.stub.vm(9000).unwrap().config, before, "{what}");
    }
    assert!(lab.stub.tasks().is_empty());
    // Even with the right line, where it is a copy with another number.
    lab.stub.remove_vm(9000);
    let notes = mark(9000, Retired).notes();
    let copy = [
        ("name", "mine"),
        ("template", "1"),
        ("description", &*notes),
    ];
    lab.stub.set_vm(machine(9005, "pve-01", &copy));
    let removal = talos_order::nodes::TemplateRemoval {
        vmid: "9005".parse().unwrap(),
        ..template_removal(9000, Retired)
    };
    let done = nodes.remove_template(&pve, &removal).await.unwrap();
    assert!(matches!(&done, TemplateDone::Outdated(_)), "{done:?}");
    // And what was made of a template again.
    let notes = mark(9006, Current).notes();
    lab.stub
        .set_vm(machine(9006, "pve-01", &[("description", &*notes)]));
    let done = nodes
        .remove_template(&pve, &template_removal(9006, Current))
        .await
        .unwrap();
    assert!(matches!(&done, TemplateDone::Outdated(_)), "{done:?}");
    assert_eq!(lab.stub.vmids(), [9005, 9006]);
}

/// Nothing is changed where one of several is not what was observed.
#[tokio::test]
async fn all_are_looked_at_before_one_is_changed() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes.create_template(&pve, &creation(9001)).await.unwrap();
    let before = lab.stub.vm(9001).unwrap().config;
    let switch = [change(9001, New, Current), change(9000, Current, Retired)];
    let done = nodes.change_templates(&pve, &switch).await.unwrap();
    assert_eq!(done, TemplateDone::Outdated("VM 9000 is gone".to_owned()));
    assert_eq!(lab.stub.vm(9001).unwrap().config, before);
}

#[tokio::test]
async fn linked_clones_are_found_in_the_whole_cluster() {
    let mut lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    lab.stub.set_vm(machine(
        105,
        "pve-03",
        &[("scsi0", "tank:base-9000-disk-1/vm-105-disk-0")],
    ));
    let ids = |list: &[u32]| list.iter().map(|id| VmId::try_from(*id).unwrap()).collect();
    let templates: BTreeSet<VmId> = ids(&[9000, 9001]);
    let found = nodes.clones(&pve, &templates).await.unwrap();
    let expected = BTreeMap::from([
        ("9000".parse().unwrap(), ids(&[105])),
        ("9001".parse().unwrap(), BTreeSet::new()),
    ]);
    assert_eq!(found, expected);
    // A node that is off may have others.
    lab.stub.power_off("pve-03").await;
    let error = nodes.clones(&pve, &templates).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn what_cannot_become_a_disk_is_refused_before() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let mut iso = creation(9000);
    iso.dir = crate::lab::dir(crate::lab::ISO);
    let error = nodes.create_template(&pve, &iso).await.unwrap_err();
    assert!(
        matches!(error, NodeError::Api(ApiError::NotAnImport { .. })),
        "{error:?}"
    );
    let mut gone = creation(9000);
    gone.file = "gone.raw".parse().unwrap();
    let error = nodes.create_template(&pve, &gone).await.unwrap_err();
    assert!(
        shown(&error).contains("could not get size of local:import/gone.raw"),
        "{error:?}"
    );
    // The machine that was to have it is gone again, too.
    assert!(lab.stub.vmids().is_empty() && lab.stub.disks().is_empty());
}
