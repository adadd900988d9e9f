//! Storages that are not mounted get nothing, over ssh and on this machine.

use talos_order::facts::NodeStorages;
use talos_order::model::StorageName;

use super::*;

/// A `storage.cfg` that says that a file system has to be mounted at a directory.
fn nodes_with_storage(lab: &Lab, host: &SshNode, point: &Dir, option: &str) -> SystemNodes {
    let configs = host.root.join("etc/pve/nodes");
    fs::create_dir_all(&configs).unwrap();
    let text = format!(
        "dir: local\n\tpath /var/lib/vz\n\tcontent iso\n\ndir: usb\n\tpath {point}\n\t{option}\n"
    );
    fs::write(host.root.join("etc/pve/storage.cfg"), text).unwrap();
    other(lab, |config| {
        config.vm_configs = Some(configs.display().to_string());
    })
}

fn here(host: &SshNode) -> Node {
    Node {
        reach: Reach::Local,
        ..host.node("here")
    }
}

#[tokio::test]
async fn nothing_is_made_in_a_mount_point_that_is_not_mounted() {
    let lab = Lab::new();
    let host = lab.node();
    let point = host.dir("usb");
    let dir = host.dir("usb/template/iso");
    fs::create_dir_all(point.as_str()).unwrap();
    let nodes = nodes_with_storage(&lab, &host, &point, "is_mountpoint yes");
    let content = file(&lab, MIB, 1);
    for node in [host.node("pve-01"), here(&host)] {
        let state = look(&nodes, &node, &dir).await;
        let root = state.root.unwrap();
        assert_eq!((root.name.as_str(), root.kind.as_str()), ("usb", "dir"));
        assert_eq!(root.mount.as_deref(), Some(point.as_str()));
        assert_eq!(state.nearest.as_deref(), Some(point.as_str()));
        assert!(!state.exists && state.mount_point.as_deref() != Some(point.as_str()));

        // It may have gone between the look and the delivery.
        let error = nodes
            .deliver(&node, &delivery(dir.clone(), &content))
            .await
            .unwrap_err();
        assert!(format!("{error:?}").contains("is not mounted"), "{error:?}");
        assert!(names(&point).is_empty());
    }
}

#[tokio::test]
async fn a_storage_that_is_mounted_gets_its_directories() {
    let lab = Lab::new();
    let mut host = lab.node();
    if !host.mount_small("usb", 32) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let point = host.dir("usb");
    let dir = host.dir("usb/template/iso");
    let nodes = nodes_with_storage(&lab, &host, &point, "is_mountpoint yes");
    let node = host.node("pve-01");
    let state = look(&nodes, &node, &dir).await;
    assert_eq!(state.mount_point.as_deref(), Some(point.as_str()));
    let content = file(&lab, MIB, 1);
    let delivered = nodes.deliver(&node, &delivery(dir.clone(), &content)).await;
    assert!(delivered.unwrap().copied);
    assert_eq!(names(&dir), [RECORD, NAME]);
}

/// What is below no storage may be made only where there are none to be below of.
#[tokio::test]
async fn a_node_tells_whether_it_describes_its_storages() {
    let lab = Lab::new();
    let host = lab.node();
    let (point, dir) = (host.dir("usb"), host.dir("other/iso"));
    let described = nodes_with_storage(&lab, &host, &point, "is_mountpoint yes");
    let none = host.root.join("nowhere/nodes").display().to_string();
    let plain = other(&lab, |config| config.vm_configs = Some(none));
    for node in [host.node("pve-01"), here(&host)] {
        let state = look(&described, &node, &dir).await;
        assert!(state.is_proxmox && state.root.is_none() && !state.exists);
        assert_eq!(state.nearest.as_deref(), host.root.to_str());
        assert!(!look(&plain, &node, &dir).await.is_proxmox);
    }
}

#[tokio::test]
async fn a_plain_directory_of_a_storage_needs_no_mount() {
    let lab = Lab::new();
    let host = lab.node();
    let point = host.dir("plain");
    fs::create_dir_all(point.as_str()).unwrap();
    let nodes = nodes_with_storage(&lab, &host, &point, "is_mountpoint no");
    let node = host.node("pve-01");
    let dir = host.dir("plain/template/iso");
    assert_eq!(look(&nodes, &node, &dir).await.root.unwrap().mount, None);
    let content = file(&lab, MIB, 1);
    let delivered = nodes.deliver(&node, &delivery(dir.clone(), &content)).await;
    assert!(delivered.unwrap().copied);
}

/// A machine is told to be Proxmox's by the directory of its cluster file system, and not
/// by what its file systems are called.
#[tokio::test]
async fn a_mount_point_s_name_makes_no_proxmox_of_a_machine() {
    let lab = Lab::new();
    let table = lab.path().join("fstab");
    fs::write(&table, "UUID=1 /mnt/proxmox ext4 defaults 0 0\n").unwrap();
    let script = format!(
        "mount --bind '{}' /etc/fstab && exec \"$@\"",
        table.display()
    );
    let launcher = ["unshare", "-m", "sh", "-c", &script, "sh"].map(str::to_owned);
    let mut tried = std::process::Command::new(&launcher[0]);
    let tried = tried.args(&launcher[1..]).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) || Path::new("/etc/pve").exists() {
        eprintln!("skipped: /etc/fstab cannot be another one here, or this is a Proxmox VE");
        return;
    }
    let lab = lab.launched_by(launcher.into());
    let host = lab.node();
    let nodes = system(&lab);
    let state = look(&nodes, &host.node("pve-01"), &host.dir("iso")).await;
    assert!(!state.is_proxmox);
    let below: Dir = "/mnt/proxmox/iso".parse().unwrap();
    let state = look(&nodes, &host.node("pve-01"), &below).await;
    assert_eq!(
        state.root.unwrap().name,
        "fstab",
        "the table is the one that is read"
    );
}

#[tokio::test]
async fn a_node_describes_its_storages() {
    let lab = Lab::new();
    let host = lab.node();
    let etc = host.root.join("etc/pve");
    let configs = etc.join("nodes");
    let nodes = other(&lab, |config| {
        config.vm_configs = Some(configs.display().to_string());
    });
    for node in [host.node("pve-01"), here(&host)] {
        let _ = fs::remove_dir_all(&etc);
        let unread = |answer: NodeStorages| match answer {
            NodeStorages::Unreadable { why } => why,
            known => panic!("{known:?}"),
        };
        let why = unread(nodes.storages(&node, &BTreeSet::new()).await);
        assert!(why.contains("does not exist"), "{why}");
        // What an unmounted cluster file system leaves is not a node without storages.
        fs::create_dir_all(&etc).unwrap();
        let why = unread(nodes.storages(&node, &BTreeSet::new()).await);
        assert!(why.contains("is empty"), "{why}");

        fs::create_dir_all(&configs).unwrap();
        let text = "nfs: nas\n\texport /a b\n\tcontent iso,import\n\tnodes x,y\n";
        fs::write(etc.join("storage.cfg"), text).unwrap();
        let corosync = "totem {\n  cluster_name: lab\n  version: 2\n}\n";
        fs::write(etc.join("corosync.conf"), corosync).unwrap();
        let known = nodes.storages(&node, &BTreeSet::new()).await;
        let config = known.config().unwrap();
        assert_eq!(config.cluster.as_deref(), Some("lab"));
        assert!(!config.host.is_empty() && !config.host.contains('.'));
        let names: Vec<&str> = config.storages.keys().map(StorageName::as_str).collect();
        assert_eq!(names, ["local", "nas"]);
        let nas = config.storages.values().next_back().unwrap();
        assert_eq!(nas.path.as_deref(), Some("/mnt/pve/nas"));
    }
}
