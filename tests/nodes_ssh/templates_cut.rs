//! Work on templates that is cut off, or meets that of another controller.

use talos_order::facts::TemplateState;
use talos_order::nodes::{TemplateChange, TemplateDone, Templates};

use super::common::pve::Pve;
use super::common::sshd::kill;
use super::templates::{creation, id, known, mark, nodes, removal};
use super::*;

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Everything that runs on the node: it loses power.
    Power,
    /// The script and the connection; `qm` goes on.
    Connection,
}

/// The processes of a node by the first word of their command line.
fn processes(pve: &Pve, word: &str) -> Vec<u32> {
    let mut pids = pve.ssh.sessions();
    pids.retain(|pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        word.is_empty() || words.starts_with(format!("{word}\0").as_bytes())
    });
    pids
}

fn cut(pve: &Pve, cut: Cut) {
    match cut {
        Cut::Power => processes(pve, "").into_iter().for_each(kill),
        Cut::Connection => {
            let scripts = processes(pve, "sh");
            assert!(!scripts.is_empty());
            scripts.into_iter().for_each(kill);
        }
    }
}

/// Whatever is cut off at whichever point: what is left is shown as ours, can be removed,
/// and what others have stays.
#[tokio::test]
async fn what_a_creation_leaves_behind_is_ours_and_can_be_removed() {
    let lab = Lab::new();
    for point in ["import", "pending", "template"] {
        for how in [Cut::Power, Cut::Connection] {
            let pve = Pve::start(&lab);
            let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
            pve.machine_here(100, "name: talos-new\nscsi0: local-lvm:vm-100-disk-0\n");
            let theirs = pve.conf(100);
            let creation = creation(&pve, 9000);
            let gate = pve.gate(point);
            let cutting = async {
                until("qm comes to the gate", || gate.is_reached()).await;
                cut(&pve, how);
            };
            let (made, ()) = tokio::join!(nodes.create_template(&node, &creation), cutting);
            let error = made.unwrap_err();
            assert!(error.is_transient(), "{point} {how:?}: {error:?}");

            let left = known(&nodes, &node).await;
            let config = &left.marked[&id(9000)];
            assert_eq!(
                config.mark_of(id(9000)).unwrap().state,
                TemplateState::New,
                "{point} {how:?}"
            );
            assert_eq!(config.name(), "talos-new");
            // Nobody makes a second one meanwhile.
            let again = nodes.create_template(&node, &creation);
            let opening = async {
                if how == Cut::Connection {
                    // Held until the first one is over.
                    until("it waits", || !processes(&pve, "flock").is_empty()).await;
                }
                gate.open();
            };
            let (again, ()) = tokio::join!(again, opening);
            assert!(
                matches!(again, Ok(TemplateDone::Outdated(_))),
                "{point} {how:?}: {again:?}"
            );
            let removed = nodes
                .remove_template(&node, &removal(9000, TemplateState::New))
                .await;
            assert_eq!(removed.unwrap(), TemplateDone::Done, "{point} {how:?}");
            let after = known(&nodes, &node).await;
            assert!(!after.taken.contains_key(&id(9000)));
            assert_eq!(pve.conf(100), theirs);
            if how == Cut::Connection {
                assert_eq!(pve.volumes(), [""; 0], "{point}");
            }
            let made = nodes.create_template(&node, &creation).await;
            assert_eq!(made.unwrap(), TemplateDone::Done, "{point} {how:?}");
        }
    }
}

/// The one moment in which a configuration has no mark yet holds no disk either.
#[tokio::test]
async fn power_lost_before_the_mark_leaves_an_empty_machine_that_is_nobody_s() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let creation = creation(&pve, 9000);
    let gate = pve.gate("create");
    let cutting = async {
        until("qm comes to the gate", || gate.is_reached()).await;
        cut(&pve, Cut::Power);
    };
    let (made, ()) = tokio::join!(nodes.create_template(&node, &creation), cutting);
    made.unwrap_err();
    gate.open();
    let left = known(&nodes, &node).await;
    assert!(left.taken.contains_key(&id(9000)) && left.marked.is_empty());
    assert_eq!(pve.conf(9000).as_deref(), Some("lock: create\n"));
    assert_eq!(pve.volumes(), [""; 0]);
    let removed = nodes
        .remove_template(&node, &removal(9000, TemplateState::New))
        .await;
    assert!(
        matches!(removed, Ok(TemplateDone::Outdated(_))),
        "{removed:?}"
    );
}

#[tokio::test]
async fn a_change_that_is_cut_off_is_made_again() {
    let lab = Lab::new();
    for how in [Cut::Power, Cut::Connection] {
        let pve = Pve::start(&lab);
        let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
        nodes
            .create_template(&node, &creation(&pve, 9000))
            .await
            .unwrap();
        let change = [TemplateChange {
            vmid: id(9000),
            mark: mark(9000, OWNER, TemplateState::New).line(),
            name: "talos".to_owned(),
            tags: "talos".to_owned(),
            becomes: mark(9000, OWNER, TemplateState::Current),
        }];
        let gate = pve.gate("pending");
        let cutting = async {
            until("qm comes to the gate", || gate.is_reached()).await;
            cut(&pve, how);
        };
        let (changed, ()) = tokio::join!(nodes.change_templates(&node, &change), cutting);
        changed.unwrap_err();
        // What is pending is not what is.
        let seen = known(&nodes, &node).await;
        assert_eq!(seen.marked[&id(9000)].name(), "talos-new");
        gate.open();
        let done = nodes.change_templates(&node, &change).await.unwrap();
        if how == Cut::Power {
            assert_eq!(done, TemplateDone::Done);
        }
        let seen = known(&nodes, &node).await;
        let config = &seen.marked[&id(9000)];
        let state = config.mark_of(id(9000)).unwrap().state;
        assert_eq!(
            (config.name(), state),
            ("talos", TemplateState::Current),
            "{how:?}"
        );
    }
}

#[tokio::test]
async fn a_removal_that_is_cut_off_is_made_again() {
    let lab = Lab::new();
    for (point, how) in [
        ("destroy", Cut::Power),
        ("destroy", Cut::Connection),
        ("destroyed", Cut::Power),
    ] {
        let pve = Pve::start(&lab);
        let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
        let made = nodes.create_template(&node, &creation(&pve, 9000)).await;
        assert_eq!(made.unwrap(), TemplateDone::Done);
        let gate = pve.gate(point);
        let cutting = async {
            until("qm comes to the gate", || gate.is_reached()).await;
            cut(&pve, how);
        };
        let removal = removal(9000, TemplateState::New);
        let (removed, ()) = tokio::join!(nodes.remove_template(&node, &removal), cutting);
        removed.unwrap_err();
        gate.open();
        let removed = nodes.remove_template(&node, &removal).await.unwrap();
        let left = known(&nodes, &node).await.taken;
        if point == "destroyed" {
            // Its disks are gone, and with them all that told whose it was.
            assert!(matches!(removed, TemplateDone::Outdated(_)), "{removed:?}");
            assert_eq!(pve.conf(9000).as_deref(), Some("lock: destroyed\n"));
        } else {
            assert_eq!(removed, TemplateDone::Done, "{how:?}");
            assert!(left.is_empty());
        }
        assert_eq!(pve.volumes(), [""; 0]);
    }
}

#[tokio::test]
async fn of_two_controllers_one_makes_it() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (one, two, node) = (nodes(&lab, &pve), nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let creation = creation(&pve, 9000);
    let made = tokio::join!(
        one.create_template(&node, &creation),
        two.create_template(&node, &creation)
    );
    let done = [made.0.unwrap(), made.1.unwrap()];
    assert_eq!(
        done.iter()
            .filter(|&done| *done == TemplateDone::Done)
            .count(),
        1,
        "{done:?}"
    );
    let creations = pve
        .log()
        .iter()
        .filter(|line| line.starts_with("create"))
        .count();
    assert_eq!(creations, 1);
}

/// One that has to wait does so here: a script waits for half a minute only.
#[tokio::test]
async fn templates_of_one_node_are_made_one_after_the_other() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let script = format!(
        "#!/bin/sh\n/usr/bin/flock -n 7 || : >'{}/waited'\nexec /usr/bin/flock \"$@\"\n",
        pve.root.display()
    );
    common::write_program(&pve.root.join("bin/flock"), script.as_bytes());
    let creations = [9000, 9001, 9002].map(|vmid| creation(&pve, vmid));
    let [first, second, third] = &creations;
    let made = tokio::join!(
        nodes.create_template(&node, first),
        nodes.create_template(&node, second),
        nodes.create_template(&node, third)
    );
    for made in [made.0, made.1, made.2] {
        assert_eq!(made.unwrap(), TemplateDone::Done);
    }
    assert!(!pve.root.join("waited").exists(), "a script had to wait");
}

/// Somebody changes a machine between the look at it and the step.
#[tokio::test]
async fn what_changed_since_the_look_is_not_touched() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    nodes
        .create_template(&node, &creation(&pve, 9000))
        .await
        .unwrap();
    let path = format!("{}/qemu-server/9000.conf", pve.host);
    let path = pve.nodes_dir().join(path);
    // The directory is locked between the two.
    let script = format!(
        "#!/bin/sh\necho 'onboot: 1' >>'{}'\nexec /usr/bin/flock \"$@\"\n",
        path.display()
    );
    common::write_program(&pve.root.join("bin/flock"), script.as_bytes());
    let calls = pve.log().len();
    let removed = nodes
        .remove_template(&node, &removal(9000, TemplateState::New))
        .await
        .unwrap();
    let expected = TemplateDone::Outdated("the configuration of 9000 changed meanwhile".to_owned());
    assert_eq!(removed, expected);
    let change = TemplateChange {
        vmid: id(9000),
        mark: mark(9000, OWNER, TemplateState::New).line(),
        name: "talos".to_owned(),
        tags: String::new(),
        becomes: mark(9000, OWNER, TemplateState::Current),
    };
    assert_eq!(
        nodes.change_templates(&node, &[change]).await.unwrap(),
        expected
    );
    assert_eq!(pve.log().len(), calls, "qm was not called");
}
