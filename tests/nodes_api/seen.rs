//! What a look says.

use std::time::Duration;

use talos_order::facts::{FailureKind, NodeState, References};
use talos_order::nodes::Nodes;
use talos_order::proxmox_stub::PveFault;

use crate::lab::{ISO, Lab, NAME, NODES, TOKEN, dir, listed, node, noise};

#[tokio::test]
async fn each_directory_is_known_or_says_why_not() {
    let lab = Lab::new().await;
    for storage in ["plain", "unmounted"] {
        let path = format!("/storage/{storage}");
        lab.stub.grant(TOKEN, &path, "Datastore.Audit");
    }
    std::fs::write(lab.on_node("pve-01"), b"somebody's").unwrap();
    let nodes = lab.nodes();
    let paths = [
        "/elsewhere",
        "/mnt/pve/unmounted/template/iso",
        "/srv/plain/import",
        "/var/lib/vz/import",
        ISO,
    ];
    let (dirs, _) = listed(&nodes, "pve-01", &paths).await;
    let why: Vec<_> = dirs.iter().map(|dir| dir.unread.as_deref()).collect();
    assert_eq!(
        why,
        [
            Some("it is no directory of a storage that the API token talos-order@pve!ctl sees"),
            Some("storage unmounted: the storage is not active"),
            Some("storage plain: the content type import is not enabled; enabled are: backup, iso"),
            None,
            None,
        ]
    );
    for dir in &dirs[..3] {
        assert!(dir.is_silent && !dir.exists && dir.files.is_empty());
    }
    for dir in &dirs[3..] {
        assert!(!dir.is_silent && dir.exists && dir.free_bytes.is_some());
        // They share its space.
        assert_eq!(dir.mount_point.as_deref(), Some("/var/lib/vz"));
    }
    assert_eq!(dirs[4].files[NAME].size, 10);
    assert!(dirs[4].record.is_empty());
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_unreachable() {
    let mut lab = Lab::new().await;
    let look = async |nodes: &talos_order::nodes::ApiNodes, name: &str| match nodes
        .observe(&node(name), &[dir(ISO)].into())
        .await
    {
        NodeState::Unreachable { why, lasting } => (why, lasting),
        other @ NodeState::Listed { .. } => panic!("{other:?}"),
    };
    let nodes = lab.nodes();
    let status = "GET /api2/json/nodes/pve-01/storage/local/status";
    let broken = PveFault::Status(595, "No route to host".to_owned());
    lab.stub.inject(status, broken);
    let (why, lasting) = look(&nodes, "pve-01").await;
    assert!(
        why.contains("No route to host") && lasting.is_none(),
        "{why}"
    );

    lab.grant(|privilege| privilege != "Datastore.Audit");
    let (why, lasting) = look(&nodes, "pve-01").await;
    assert_eq!(lasting, Some(FailureKind::PermissionDenied));
    assert!(why.contains("Datastore.Audit on /storage/local"), "{why}");

    lab.stub.add_token(TOKEN, "another secret");
    let (why, lasting) = look(&nodes, "pve-01").await;
    assert_eq!(lasting, Some(FailureKind::PermissionDenied));
    assert!(why.contains("does not accept the API token"), "{why}");

    lab.stub.power_off("pve-02").await;
    let (_, lasting) = look(&nodes, "pve-02").await;
    assert_eq!(lasting, None);
    let (why, lasting) = look(&nodes, "pve-09").await;
    assert!(why.contains("not configured") && lasting.is_some());
}

#[tokio::test]
async fn a_storage_that_hangs_holds_up_no_other() {
    let lab = Lab::new().await;
    let nodes = lab.nodes_with(|config| config.look = Duration::from_secs(2));
    let plain = "/srv/plain/import";
    lab.stub.grant(TOKEN, "/storage/plain", "Datastore.Audit");
    lab.stub.inject("local/status", PveFault::Hang);
    let (dirs, _) = listed(&nodes, "pve-01", &[ISO, "/var/lib/vz/import", plain]).await;
    let why: Vec<&str> = dirs.iter().flat_map(|dir| dir.unread.as_deref()).collect();
    assert!(why[0].contains("import is not enabled"), "{why:?}");
    for why in &why[1..] {
        assert_eq!(*why, "its storage did not answer within 2 s");
    }
    // Both of its directories are asked for at once.
    assert_eq!((why.len(), lab.count("local/status")), (3, 1));
}

/// Nobody is asked before there is something to remove, and then once for all nodes.
#[tokio::test]
async fn virtual_machines_are_looked_at_once() {
    let lab = Lab::new().await;
    let nodes = lab.nodes();
    let delivery = lab.delivery(&noise(5000, 1));
    let (_, references) = listed(&nodes, "pve-01", &[ISO]).await;
    assert!(matches!(references, References::Unknown { .. }));
    assert_eq!(lab.count("cluster/resources"), 0);
    for name in NODES {
        nodes.deliver(&node(name), &delivery).await.unwrap();
    }
    lab.use_image(&format!("local:iso/{NAME}"));
    for name in NODES {
        let (_, references) = listed(&nodes, name, &[ISO]).await;
        let References::Known(known) = references else {
            panic!("{references:?}");
        };
        assert_eq!(known[NAME], [100].into());
    }
    assert_eq!(lab.count("cluster/resources"), 1);

    lab.grant(|privilege| privilege != "VM.Audit");
    let (_, references) = listed(&lab.nodes(), "pve-01", &[ISO]).await;
    assert!(
        matches!(&references, References::Unknown { why } if why.contains("VM.Audit on /vms")),
        "{references:?}"
    );
}
