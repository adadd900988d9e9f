//! Templates that nobody waits for any more, and nodes that go off: what is left is ours,
//! and the next run can remove it.

use std::time::Duration;

use talos_order::facts::TemplateState::{Current, New};
use talos_order::nodes::{ApiNodes, NodeError, TemplateDone, Templates};
use talos_order::proxmox_stub::PveFault;

use crate::lab::{Lab, change, creation, marked, node, template_removal, until};

/// Nothing, or something that the next look shows as ours and that can be removed.
async fn is_ours_or_gone(lab: &Lab, nodes: &ApiNodes, when: &str) {
    lab.until_idle().await;
    if !lab.stub.vmids().is_empty() {
        assert_eq!(marked(nodes, "pve-01").await, [(9000, New)], "{when}");
        let removal = template_removal(9000, New);
        let done = nodes.remove_template(&node("pve-01"), &removal).await;
        assert_eq!(done.unwrap(), TemplateDone::Done, "{when}");
    }
    assert!(lab.stub.vmids().is_empty(), "{when}");
    assert!(
        lab.stub.disks().is_empty(),
        "{when}: {:?}",
        lab.stub.disks()
    );
}

const CALLS: [&str; 8] = [
    "cluster/nextid",
    "access/permissions",
    "POST /api2/json/nodes/pve-01/qemu",
    "config?current",
    "POST /api2/json/nodes/pve-01/qemu/9000/config",
    "POST /api2/json/nodes/pve-01/qemu/9000/template",
    "/tasks/",
    "qmtemplate",
];

/// The future is dropped while a call is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_can_be_dropped_at_every_call() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    let wanted = creation(9000);
    for call in CALLS {
        lab.stub
            .inject(call, PveFault::Late(Duration::from_millis(100)));
        let before = lab.count(call);
        tokio::select! {
            done = nodes.create_template(&pve, &wanted) => panic!("{call}: {done:?}"),
            () = until(|| lab.count(call) > before) => {}
        }
        // The next work on this VMID waits for what still goes on.
        let state = nodes
            .remove_template(&pve, &template_removal(9000, New))
            .await;
        assert!(state.is_ok(), "{call}: {state:?}");
        is_ours_or_gone(&lab, &nodes, call).await;
    }
    assert_eq!(
        nodes.create_template(&pve, &wanted).await.unwrap(),
        TemplateDone::Done
    );
}

/// The task is stopped with the future.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_can_be_dropped_in_every_task() {
    for kind in ["qmcreate", "qmconfig", "qmtemplate"] {
        let lab = Lab::for_templates().await;
        let nodes = lab.nodes();
        let pve = node("pve-01");
        lab.stub.hold_tasks(kind);
        let wanted = creation(9000);
        tokio::select! {
            done = nodes.create_template(&pve, &wanted) => panic!("{kind}: {done:?}"),
            () = until(|| lab.stub.tasks().iter().any(|task| task.0 == kind)) => {}
        }
        lab.until_idle().await;
        lab.stub.release_tasks(kind);
        let exit = lab.stub.tasks().last().unwrap().2.clone().unwrap();
        assert!(exit.ends_with("received interrupt"), "{kind}: {exit}");
        is_ours_or_gone(&lab, &nodes, kind).await;
    }
}

/// A process that is killed stops nothing: its tasks go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_controller_was_killed_leaves_what_is_ours() {
    for kind in ["qmcreate", "qmconfig", "qmtemplate"] {
        let lab = Lab::for_templates().await;
        lab.stub.hold_tasks(kind);
        let nodes = lab.nodes();
        // In a runtime of its own, whose end leaves no time for anything.
        let killed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.spawn(async move {
                nodes
                    .create_template(&node("pve-01"), &creation(9000))
                    .await
            });
            runtime
        })
        .join()
        .unwrap();
        until(|| lab.stub.tasks().iter().any(|task| task.0 == kind)).await;
        killed.shutdown_background();
        lab.stub.release_tasks(kind);
        lab.until_idle().await;
        assert_eq!(
            lab.stub.tasks().last().unwrap().2.as_deref(),
            Some("OK"),
            "{kind}"
        );
        let nodes = lab.nodes();
        assert_eq!(marked(&nodes, "pve-01").await, [(9000, New)], "{kind}");
        is_ours_or_gone(&lab, &nodes, kind).await;
    }
}

/// While its disk is copied, which takes minutes, it has its mark already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_off_has_what_is_ours() {
    for kind in ["qmconfig", "qmtemplate"] {
        let mut lab = Lab::for_templates().await;
        let nodes = lab.nodes();
        let pve = node("pve-01");
        lab.stub.hold_tasks(kind);
        let wanted = creation(9000);
        let making = {
            let (pve, wanted) = (pve.clone(), wanted.clone());
            let nodes = lab.nodes();
            tokio::spawn(async move { nodes.create_template(&pve, &wanted).await })
        };
        until(|| lab.stub.tasks().iter().any(|task| task.0 == kind)).await;
        lab.stub.power_off("pve-01").await;
        let error = making.await.unwrap().unwrap_err();
        assert!(
            matches!(error, NodeError::Unreachable { .. }) && error.is_transient(),
            "{kind}: {error:?}"
        );
        lab.until_idle().await;
        lab.stub.power_on("pve-01").await.unwrap();
        lab.stub.release_tasks(kind);
        assert_eq!(marked(&nodes, "pve-01").await, [(9000, New)], "{kind}");
        let removal = template_removal(9000, New);
        let done = nodes.remove_template(&pve, &removal).await.unwrap();
        assert_eq!(done, TemplateDone::Done);
        assert!(lab.stub.vmids().is_empty());
        // Disks that no configuration names are nobody's: they may be another cluster's.
        assert_eq!(lab.stub.disks().is_empty(), kind == "qmtemplate", "{kind}");
    }
}

/// Each answer of a creation may be lost or an error, and nothing is made twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_may_be_lost() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    for call in &CALLS[..6] {
        for fault in [
            PveFault::Cut,
            PveFault::Status(500, "out of order".to_owned()),
            PveFault::Status(595, "No route to host".to_owned()),
        ] {
            let when = format!("{call}: {fault:?}");
            lab.stub.inject(*call, fault);
            // A look may be repeated, and succeed.
            let done = nodes.create_template(&pve, &creation(9000)).await;
            assert!(done.is_err(), "{when}: {done:?}");
            is_ours_or_gone(&lab, &nodes, &when).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_and_a_removal_can_be_dropped() {
    let lab = Lab::for_templates().await;
    let nodes = lab.nodes();
    let pve = node("pve-01");
    nodes.create_template(&pve, &creation(9000)).await.unwrap();
    for call in ["config?current", "qemu/9000/config HTTP", "/tasks/"] {
        let call = call.trim_end_matches(" HTTP");
        lab.stub
            .inject(call, PveFault::Late(Duration::from_millis(100)));
        let before = lab.count(call);
        let switch = [change(9000, New, Current)];
        tokio::select! {
            _ = nodes.change_templates(&pve, &switch) => panic!("{call}"),
            () = until(|| lab.count(call) > before) => {}
        }
        lab.until_idle().await;
        // All of it or nothing.
        let state = marked(&nodes, "pve-01").await[0].1;
        let config = lab.stub.vm(9000).unwrap().config;
        assert_eq!(config["name"] == "talos", state == Current, "{call}");
        if state == Current {
            let back = [change(9000, Current, New)];
            assert_eq!(
                nodes.change_templates(&pve, &back).await.unwrap(),
                TemplateDone::Done
            );
        }
    }
    lab.stub.hold_tasks("qmdestroy");
    let removal = template_removal(9000, New);
    tokio::select! {
        done = nodes.remove_template(&pve, &removal) => panic!("{done:?}"),
        () = until(|| lab.stub.tasks().iter().any(|task| task.0 == "qmdestroy")) => {}
    }
    lab.until_idle().await;
    lab.stub.release_tasks("qmdestroy");
    is_ours_or_gone(&lab, &nodes, "qmdestroy").await;
}
