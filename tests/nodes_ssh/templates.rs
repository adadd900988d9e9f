//! Template VMs, made and changed by a stand-in for `qm` that refuses what that refuses.

use talos_order::facts::{NodeVms, TemplateMark, TemplateState, VmInventory};
use talos_order::model::VmId;
use talos_order::nodes::{
    TemplateChange, TemplateCreation, TemplateDone, TemplateRemoval, Templates,
};

use super::common::pve::Pve;
use super::*;

pub(super) const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";

pub(super) fn id(number: u32) -> VmId {
    number.try_into().unwrap()
}

/// The controller, which knows where the node keeps its configurations.
pub(super) fn nodes(lab: &Lab, pve: &Pve) -> SystemNodes {
    other(lab, |config| {
        config.vm_configs = Some(pve.nodes_dir().display().to_string());
    })
}

/// A mark of ours, or of another owner.
pub(super) fn mark(vmid: u32, owner: &str, state: TemplateState) -> TemplateMark {
    TemplateMark {
        owner: owner.to_owned(),
        vmid: id(vmid),
        deletion: None,
        template: "talos".parse().unwrap(),
        orders: BTreeSet::from(["acme".parse().unwrap()]),
        artifact: ArtifactId {
            version: "v1.11.3".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: false,
            schematic: "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
                .parse()
                .unwrap(),
            format: Format::Raw,
        },
        sha256: sha256(b"image"),
        state,
        made_at: "2026-08-05T12:00:00Z".parse().unwrap(),
    }
}

/// A template that is to be made from an image that is on the node.
pub(super) fn creation(pve: &Pve, vmid: u32) -> TemplateCreation {
    let dir: Dir = pve
        .root
        .join("import")
        .display()
        .to_string()
        .parse()
        .unwrap();
    fs::create_dir_all(dir.as_str()).unwrap();
    fs::write(at(&dir, RAW), "image").unwrap();
    let config = [
        ("agent", "enabled=1"),
        ("balloon", "0"),
        ("bios", "ovmf"),
        ("cores", "2"),
        ("cpu", "x86-64-v2-AES"),
        ("efidisk0", "local-lvm:1,efitype=4m,pre-enrolled-keys=0"),
        ("ide2", "local-lvm:cloudinit"),
        ("machine", "q35"),
        ("memory", "2048"),
        ("net0", "virtio,bridge=vmbr0,tag=7"),
        ("ostype", "l26"),
        ("rng0", "source=/dev/urandom"),
        ("scsihw", "virtio-scsi-pci"),
        ("serial0", "socket"),
        ("tpmstate0", "local-lvm:1,version=v2.0"),
        ("vga", "serial0"),
    ];
    TemplateCreation {
        vmid: id(vmid),
        name: "talos-new".to_owned(),
        tags: "talos-order-new".to_owned(),
        // What a shell, a locale and an encoding could spoil.
        description: format!(
            "Für 100% `us`: it's $HOME, \"quoted\" \\ 日本\n\n--flag\n{}",
            mark(vmid, OWNER, TemplateState::New).line()
        ),
        dir,
        file: RAW.parse().unwrap(),
        storage: "local-lvm".parse().unwrap(),
        disk: "scsi0".to_owned(),
        disk_options: "discard=on,ssd=1".to_owned(),
        config: config
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    }
}

pub(super) fn removal(vmid: u32, state: TemplateState) -> TemplateRemoval {
    TemplateRemoval {
        vmid: id(vmid),
        mark: mark(vmid, OWNER, state).line(),
    }
}

pub(super) fn change(
    vmid: u32,
    from: TemplateState,
    to: TemplateState,
    name: &str,
    tags: &str,
) -> TemplateChange {
    TemplateChange {
        vmid: id(vmid),
        mark: mark(vmid, OWNER, from).line(),
        name: name.to_owned(),
        tags: tags.to_owned(),
        becomes: mark(vmid, OWNER, to),
    }
}

pub(super) async fn known(nodes: &SystemNodes, node: &Node) -> VmInventory {
    match nodes.vms(node).await {
        NodeVms::Known(inventory) => inventory,
        other => panic!("{other:?}"),
    }
}

async fn unknown(nodes: &SystemNodes, node: &Node) -> String {
    match nodes.vms(node).await {
        NodeVms::Unknown { why } => why,
        other => panic!("{other:?}"),
    }
}

fn outdated(done: Result<TemplateDone, NodeError>) -> String {
    match done {
        Ok(TemplateDone::Outdated(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_template_is_made_changed_and_removed() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let empty = known(&nodes, &node).await;
    assert_eq!(empty.cluster.as_deref(), Some("lab"));
    assert!(empty.taken.is_empty() && empty.marked.is_empty());

    let creation = creation(&pve, 9000);
    let made = nodes.create_template(&node, &creation).await.unwrap();
    assert_eq!(made, TemplateDone::Done);
    let seen = known(&nodes, &node).await;
    let seat = &seen.taken[&id(9000)];
    assert_eq!((&seat.host, seat.is_template), (&pve.host, true));
    let config = &seen.marked[&id(9000)];
    assert_eq!(config.description(), creation.description);
    assert_eq!(config.name(), "talos-new");
    assert_eq!(config.get("boot"), Some("order=scsi0"));
    let disk = config.get("scsi0").unwrap();
    assert!(disk.starts_with("local-lvm:base-9000-disk-"), "{disk}");
    assert!(
        disk.contains("discard=on") && disk.contains("ssd=1"),
        "{disk}"
    );
    assert!(config.get("net0").unwrap().starts_with("virtio=BC:24:11:"));
    for (key, value) in &creation.config {
        assert!(config.get(key).is_some(), "{key}={value}");
    }

    // The next one, beside it; then the two change places, in one call.
    let second = self::creation(&pve, 9001);
    let second = nodes.create_template(&node, &second);
    assert_eq!(second.await.unwrap(), TemplateDone::Done);
    use TemplateState::{Current, New, Retired};
    // Somebody wrote notes since the look.
    let text = pve.conf(9000).unwrap();
    pve.machine_here(9000, &format!("#mine%0D\n{text}"));
    let changes = [
        change(9000, New, Current, "talos", "talos;v1.11.3"),
        change(9001, New, Retired, "talos-retired-9001", ""),
    ];
    let changed = nodes.change_templates(&node, &changes).await.unwrap();
    assert_eq!(changed, TemplateDone::Done);
    let seen = known(&nodes, &node).await;
    let (current, retired) = (&seen.marked[&id(9000)], &seen.marked[&id(9001)]);
    assert_eq!(current.tags(), BTreeSet::from(["talos", "v1.11.3"]));
    assert_eq!(current.mark_of(id(9000)).unwrap().state, Current);
    assert!(current.description().starts_with("mine\r\n"));
    assert_eq!(retired.name(), "talos-retired-9001");
    assert_eq!(
        (
            retired.get("tags"),
            retired.mark_of(id(9001)).unwrap().state
        ),
        (None, Retired)
    );

    // Doing it again finds another mark.
    let why = outdated(nodes.change_templates(&node, &changes).await);
    assert_eq!(why, "the notes of 9000 hold another mark than before");

    let gone = nodes
        .remove_template(&node, &removal(9001, Retired))
        .await
        .unwrap();
    assert_eq!(gone, TemplateDone::Done);
    assert_eq!(pve.conf(9001), None);
    assert!(pve.volumes().iter().all(|volume| volume.contains("-9000-")));
    let again = nodes
        .remove_template(&node, &removal(9001, Retired))
        .await
        .unwrap();
    assert_eq!(again, TemplateDone::Done, "what is gone already is fine");
}

#[tokio::test]
async fn machines_of_others_are_left_alone() {
    use TemplateState::{Current, Retired};
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let theirs = mark(9001, "somebody else", Current)
        .line()
        .replace(':', "%3A");
    let mine = mark(9000, OWNER, Current).line().replace(':', "%3A");
    pve.machine_here(9000, "#no mark\nname: talos\ntemplate: 1\n");
    pve.machine_here(9001, &format!("#{theirs}\nname: talos\ntemplate: 1\n"));
    // A clone, which has the notes of what it was made from.
    pve.machine_here(9002, &format!("#{mine}\nname: web\n"));
    // Marked in the past only.
    pve.machine_here(9003, &format!("name: b\n\n[old]\n#{mine}\nname: talos\n"));
    pve.machine(
        "other-02/qemu-server/9004",
        &format!("#{mine}\nname: talos\ntemplate: 1\n"),
    );
    pve.machine("other-03/lxc/9005", "hostname: c\n");
    let before: Vec<_> = (9000..9006).map(|vmid| pve.conf(vmid)).collect();

    let seen = known(&nodes, &node).await;
    let marked: Vec<u32> = seen.marked.keys().map(|id| id.get()).collect();
    assert_eq!(marked, [9001, 9002]);
    let taken: Vec<_> = seen
        .taken
        .iter()
        .map(|(id, seat)| {
            (
                id.get(),
                seat.host.as_str(),
                seat.name.as_deref().unwrap_or("-"),
            )
        })
        .collect();
    let here = pve.host.as_str();
    let expected = [
        (9000, here, "talos"),
        (9001, here, "talos"),
        (9002, here, "web"),
        (9003, here, "b"),
        (9004, "other-02", "talos"),
        (9005, "other-03", "c"),
    ];
    assert_eq!(taken, expected);

    for (vmid, why) in [
        (9000, "the notes of 9000 hold no mark of talos-order"),
        (9001, "the notes of 9001 hold another mark than before"),
        (
            9002,
            "the notes of 9002 hold the mark of another template, so it is a copy",
        ),
        (9003, "the notes of 9003 hold no mark of talos-order"),
        (9004, "9004 is on other-02 now"),
        (9005, "9005 is on other-03 now"),
    ] {
        let removal = removal(vmid, Current);
        assert_eq!(outdated(nodes.remove_template(&node, &removal).await), why);
        let made = nodes.create_template(&node, &creation(&pve, vmid)).await;
        let host = seen.taken[&id(vmid)].host.as_str();
        let expected = format!("{vmid} was taken meanwhile, on {host}");
        assert_eq!(outdated(made), expected);
        let changes = [change(vmid, Current, Retired, "x", "y")];
        let changed = nodes.change_templates(&node, &changes).await;
        assert_eq!(outdated(changed), why);
    }
    let own = mark(9006, OWNER, Current).line().replace(':', "%3A");
    pve.machine_here(9006, &format!("#{own}\nname: talos\n"));
    let removal = removal(9006, Current);
    let why = outdated(nodes.remove_template(&node, &removal).await);
    assert_eq!(why, "9006 is no template any more");
    assert_eq!(pve.log(), [""; 0], "qm was not called at all");
    let after: Vec<_> = (9000..9006).map(|vmid| pve.conf(vmid)).collect();
    assert_eq!(before, after);
}

#[tokio::test]
async fn clones_are_found_wherever_they_are() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let mine = mark(9000, OWNER, TemplateState::Retired)
        .line()
        .replace(':', "%3A");
    pve.machine_here(
        9000,
        &format!("#{mine}\nname: t\nscsi0: nas:9000/base-9000-disk-0.raw,size=1G\ntemplate: 1\n"),
    );
    pve.machine_here(
        9001,
        "scsi0: nas:9001/base-9001-disk-0.raw,size=1G\ntemplate: 1\n",
    );
    pve.machine(
        "other-02/qemu-server/200",
        "scsi0: nas:9000/base-9000-disk-0.raw/200/vm-200-disk-0.qcow2,size=1G\n",
    );
    pve.machine(
        "other-03/qemu-server/201",
        "scsi0: local-lvm:vm-201-disk-0\n\n[before]\nscsi0: nas:9000/base-9000-disk-0.raw/201/vm-201-disk-0.qcow2\n",
    );
    // Words in notes are no disks.
    pve.machine(
        "other-03/qemu-server/202",
        "#see nas/base-9001-disk-0/x\n#scsi0%3A nas%3Abase-9001-disk-0/x\n",
    );
    let asked = BTreeSet::from([id(9000), id(9001)]);
    let clones = nodes.clones(&node, &asked).await.unwrap();
    let expected = [
        (id(9000), BTreeSet::from([id(200), id(201)])),
        (id(9001), BTreeSet::new()),
    ];
    assert_eq!(clones, expected.into());
    let error = nodes
        .remove_template(&node, &removal(9000, TemplateState::Retired))
        .await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("linked clones need its disks (base volume"),
        "{error}"
    );
    assert!(pve.conf(9000).unwrap().contains("template: 1"));

    // One configuration that cannot be read makes all unknown.
    let broken = pve.nodes_dir().join("other-02/qemu-server/203.conf");
    std::os::unix::fs::symlink("nowhere", &broken).unwrap();
    let why = unknown(&nodes, &node).await;
    assert!(
        why.starts_with("other-02/qemu-server/203.conf cannot be read: No such file"),
        "{why}"
    );
    nodes.clones(&node, &asked).await.unwrap_err();
}

#[tokio::test]
async fn what_must_not_be_removed_stays() {
    let lab = Lab::new();
    let pve = Pve::start(&lab);
    let (nodes, node) = (nodes(&lab, &pve), pve.ssh.node("pve-01"));
    let mine = mark(9000, OWNER, TemplateState::Retired)
        .line()
        .replace(':', "%3A");
    for (option, why) in [
        ("protection: 1", "9000 is protected"),
        ("lock: backup", "9000 is locked (backup)"),
    ] {
        let text = format!("#{mine}\nname: t\n{option}\ntemplate: 1\n");
        pve.machine_here(9000, &text);
        let removed = nodes
            .remove_template(&node, &removal(9000, TemplateState::Retired))
            .await;
        let error = removed.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(pve.conf(9000).unwrap(), text);
    }
}

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
