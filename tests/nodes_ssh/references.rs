//! Which virtual machines refer to which files.

use super::*;

const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";

/// A cluster's configurations under a node's root, and a node that knows them.
struct Cluster {
    lab: Lab,
    host: SshNode,
    configs: PathBuf,
}

impl Cluster {
    fn new() -> Self {
        let lab = Lab::new();
        let host = lab.node();
        let configs = host.root.join("etc/pve/nodes");
        let cluster = Self { lab, host, configs };
        for node in ["pve-01", "pve-02"] {
            for kind in ["qemu-server", "lxc"] {
                fs::create_dir_all(cluster.configs.join(node).join(kind)).unwrap();
            }
        }
        for (dir, name) in [("iso", NAME), ("import", RAW)] {
            let dir = cluster.host.dir(dir);
            fs::create_dir_all(dir.as_str()).unwrap();
            fs::write(at(&dir, name), "image").unwrap();
        }
        cluster
    }

    fn machine(&self, path: &str, text: &str) {
        fs::write(self.configs.join(format!("{path}.conf")), text).unwrap();
    }

    async fn look(&self) -> References {
        let nodes = other(&self.lab, |config| {
            config.vm_configs = Some(self.configs.display().to_string());
        });
        let dirs = ["iso", "import"].map(|dir| self.host.dir(dir)).into();
        match nodes.observe(&self.host.node("pve-01"), &dirs).await {
            NodeState::Listed { references, .. } => references,
            NodeState::Unreachable { why, .. } => panic!("{why}"),
        }
    }

    async fn known(&self) -> BTreeMap<String, BTreeSet<u32>> {
        match self.look().await {
            References::Known(known) => known,
            References::Unknown { why } => panic!("{why}"),
        }
    }

    async fn unknown(&self) -> String {
        match self.look().await {
            References::Unknown { why } => why,
            References::Known(known) => panic!("{known:?}"),
        }
    }
}

#[tokio::test]
async fn every_section_of_every_machine_is_read() {
    let cluster = Cluster::new();
    assert!(cluster.known().await.is_empty());
    cluster.machine(
        "pve-01/qemu-server/100",
        &format!("boot: order=ide2\nide2: local:iso/{NAME},media=cdrom,size=1G\nmemory: 2048\n"),
    );
    cluster.machine(
        "pve-02/qemu-server/101",
        &format!("memory: 2048\n\n[before-upgrade]\nide2: nas:iso/{NAME},media=cdrom\n"),
    );
    cluster.machine(
        "pve-02/qemu-server/102",
        &format!(
            "args: -drive file=/mnt/pve/nas/template/iso/{NAME}\n\
             scsi0: local-lvm:0,import-from=local:import/{RAW}"
        ),
    );
    cluster.machine("pve-01/lxc/200", &format!("mp0: /srv/iso/{NAME},mp=/cd\n"));
    // Others' names, however alike.
    cluster.machine(
        "pve-01/qemu-server/300",
        &format!(
            "ide0: local:iso/{},media=cdrom\nide1: local:iso/my-{NAME}\nide2: local:iso/{NAME}.old\n\
             ide3: local:iso/{NAME}/x\nname: {NAME}\nscsi0: local-lvm:vm-300-disk-0,size=8G\n",
            NAME.replace("v1.11", "v1x11"),
        ),
    );
    let expected = BTreeMap::from([
        (NAME.to_owned(), BTreeSet::from([100, 101, 102, 200])),
        (RAW.to_owned(), BTreeSet::from([102])),
    ]);
    assert_eq!(cluster.known().await, expected);
}

#[tokio::test]
async fn what_cannot_be_read_completely_is_not_known() {
    let mut cluster = Cluster::new();
    cluster.machine("pve-01/qemu-server/100", "memory: 1\n");
    let broken = cluster.configs.join("pve-02/qemu-server/101.conf");
    std::os::unix::fs::symlink("nowhere", &broken).unwrap();
    let why = cluster.unknown().await;
    assert!(why.contains("101.conf: No such file"), "{why}");
    fs::remove_file(&broken).unwrap();
    assert!(cluster.known().await.is_empty());

    // What a cluster file system leaves behind that is not mounted.
    let whole = cluster.configs.clone();
    cluster.configs = whole.join("pve-01/lxc");
    let why = cluster.unknown().await;
    assert!(why.ends_with("holds no node's configurations"), "{why}");
    cluster.configs = whole.join("none");
    let why = cluster.unknown().await;
    assert!(
        why.ends_with("none holds no node's configurations"),
        "{why}"
    );
}

#[tokio::test]
async fn a_big_cluster_is_read_in_one_short_look() {
    let cluster = Cluster::new();
    let snapshots: String = (0..5)
        .map(|number| format!("\n[s{number}]\nide2: local:iso/{NAME},media=cdrom\n"))
        .collect();
    for vmid in 100..1100 {
        cluster.machine(&format!("pve-01/qemu-server/{vmid}"), &snapshots);
    }
    let started = Instant::now();
    assert_eq!(cluster.known().await[NAME].len(), 1000);
    println!("1000 machines: {:?}", started.elapsed());
}
