//! Text of others in the configurations of machines, nodes that are none of Proxmox VE, and
//! a `qm` that refuses.

use talos_order::facts::TemplateState;
use talos_order::nodes::{TemplateCreation, TemplateDone, Templates};

use super::common::pve::Pve;
use super::templates::{creation, known, mark, nodes, removal, unknown};
use super::*;

#[tokio::test]
async fn text_of_others_does_no_harm() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    pve.machine_here(
        100,
        "#'\"`$(touch /tmp/x)` %00%0Aname%3A talos\n#<!-- talos-order {\"owner\"%3A 1} -->\nname: $(id)'\"\n",
    );
    pve.machine_here(
        101,
        &format!(
            "#{}\nname: {}\n",
            "<!-- talos-order ".repeat(60_000),
            "n".repeat(5000)
        ),
    );
    let mut bytes = b"#\xff\xfe <!-- talos-order \nname: \xff\xfe\n".to_vec();
    bytes.extend([0; 10]);
    fs::write(pve.nodes_dir().join("other-02/qemu-server/102.conf"), bytes).unwrap();
    fs::write(
        pve.nodes_dir()
            .join(format!("{}/qemu-server/a b;c.conf", pve.host)),
        "name: x\n",
    )
    .unwrap();
    pve.machine_here(
        103,
        &format!(
            "#{}\nname: mine\n",
            mark(9000, OWNER, TemplateState::New).line()
        ),
    );
    pve.list();
    let seen = known(&nodes, &node).await;
    let names: Vec<_> = seen
        .taken
        .iter()
        .map(|(id, seat)| (id.get(), seat.name.as_deref()))
        .collect();
    assert_eq!(names[0], (100, Some("$(id)'\"")));
    assert_eq!(names[1].1.unwrap().len(), 200, "text of others is cut");
    assert_eq!(names[2], (102, Some("\u{fffd}\u{fffd}")));
    assert_eq!(names.len(), 4);
    let marked: Vec<u32> = seen.marked.keys().map(|id| id.get()).collect();
    assert_eq!(marked, [103]);
}

#[tokio::test]
async fn failures_say_what_can_be_done_and_leave_nothing() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let good = creation(&pve, 9000);
    let failing = async |creation: &TemplateCreation, texts: &[&str]| {
        let error = nodes.create_template(&node, creation).await.unwrap_err();
        for text in texts {
            assert!(error.to_string().contains(text), "{text}: {error}");
        }
        assert_eq!(pve.conf(9000), None);
        assert_eq!(pve.volumes(), [""; 0]);
        error
    };
    let mut local = good.clone();
    local.storage = "local".parse().unwrap();
    let error = failing(
        &local,
        &[
            "giving the virtual machine its disks failed on pve-01",
            "enable its content type `images`",
            "storage 'local' does not support vm images",
        ],
    )
    .await;
    assert!(!error.is_transient());
    let mut missing = good.clone();
    missing.file = "other.raw".parse().unwrap();
    failing(
        &missing,
        &["finding the image failed", "other.raw does not exist"],
    )
    .await;
    let mut bad = good.clone();
    bad.config.insert("cores".to_owned(), "none".to_owned());
    failing(
        &bad,
        &["creating the virtual machine failed", "cores: type check"],
    )
    .await;
    let mut bad = good.clone();
    bad.config.insert("corse".to_owned(), "2".to_owned());
    failing(&bad, &["Unknown option: corse"]).await;

    pve.mark("full");
    let error = failing(
        &good,
        &["there is no space on the storage", "No space left"],
    )
    .await;
    assert!(error.is_transient());
    fs::remove_file(pve.root.join("full")).unwrap();
    pve.mark("no-base");
    failing(
        &good,
        &[
            "making the virtual machine a template failed",
            "is not online",
        ],
    )
    .await;
    fs::remove_file(pve.root.join("no-base")).unwrap();
    pve.mark("not-root");
    let error = failing(&good, &["only the login of root may use `qm`"]).await;
    assert!(error.is_permission() && !error.is_transient());
    fs::remove_file(pve.root.join("not-root")).unwrap();

    // Disks of LVM can only be copied, so those of a template are like any others.
    let mut thick = good.clone();
    thick.storage = "thick".parse().unwrap();
    thick
        .config
        .retain(|_, value| !value.starts_with("local-lvm"));
    let made = nodes.create_template(&node, &thick).await.unwrap();
    assert_eq!(made, TemplateDone::Done);
    let removed = nodes
        .remove_template(&node, &removal(9000, TemplateState::New))
        .await
        .unwrap();
    assert_eq!(removed, TemplateDone::Done);

    fs::remove_file(pve.root.join("bin/qm")).unwrap();
    failing(
        &good,
        &["qm is not installed: this is not a Proxmox VE node"],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_proxmox_node_has_no_known_machines() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let node = pve.ssh.node("pve-01");
    let nodes = nodes(&lab, &pve);
    let here = Node {
        reach: Reach::Local,
        ..node.clone()
    };
    assert_eq!(
        unknown(&nodes, &here).await,
        "it is a directory of this machine"
    );
    nodes
        .create_template(&here, &creation(&pve, 9000))
        .await
        .unwrap_err();
    fs::remove_file(pve.root.join("etc/pve/.vmlist")).unwrap();
    let why = unknown(&nodes, &node).await;
    assert!(why.contains("pve-cluster is probably not running"), "{why}");
    fs::remove_dir_all(pve.root.join("etc/pve")).unwrap();
    let why = unknown(&nodes, &node).await;
    assert!(why.contains("this is not a Proxmox VE node"), "{why}");
    let error = nodes
        .create_template(&node, &creation(&pve, 9000))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("is not a Proxmox VE node"),
        "{error}"
    );
    let none = other(&lab, |_| {});
    let why = unknown(&none, &node).await;
    assert_eq!(why, "the configuration says that it has none");
}
