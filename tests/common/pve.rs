//! A node of Proxmox VE for tests: a real sshd, a tree of configurations, and a stand-in
//! for `qm` that behaves as that of Proxmox VE does (`pve/qm.pl`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sshd::{Lab, SshNode};
use super::{wait_for, write_program};

/// The storages of every node.
const STORAGES: &str = "\
dir: local\n\tpath /var/lib/vz\n\tcontent iso,import,vztmpl\n
lvmthin: local-lvm\n\tthinpool data\n\tvgname pve\n\tcontent images,rootdir\n
lvm: thick\n\tvgname thick\n\tcontent images\n
nfs: nas\n\tserver 10.0.0.9\n\texport /srv\n\tcontent images,iso\n";

/// A node with machines.
pub struct Pve {
    /// How it is reached.
    pub ssh: SshNode,
    /// Its own name.
    pub host: String,
    /// Where `etc/pve` and everything else is.
    pub root: PathBuf,
}

impl Pve {
    /// A node of a cluster with two others, and without machines.
    pub fn start(lab: &Lab) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(1);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let root = lab.path().join(format!("pve{number}"));
        let bin = root.join("bin");
        fs::create_dir_all(&bin).unwrap();
        write_program(&bin.join("qm"), include_bytes!("pve/qm.pl"));
        let ssh = lab.node_with(&format!(
            "ForceCommand PATH={}:$PATH; export PATH; eval \"$SSH_ORIGINAL_COMMAND\"\n",
            bin.display()
        ));
        let name = Command::new("uname").arg("-n").output().unwrap().stdout;
        let name = String::from_utf8(name).unwrap();
        let host = name.trim().split('.').next().unwrap().to_owned();
        let pve = Self { ssh, host, root };
        for host in [&*pve.host, "other-02", "other-03"] {
            for kind in ["qemu-server", "lxc"] {
                fs::create_dir_all(pve.nodes_dir().join(host).join(kind)).unwrap();
            }
        }
        fs::write(pve.root.join("etc/pve/storage.cfg"), STORAGES).unwrap();
        let corosync = "totem {\n  cluster_name: lab\n}\n";
        fs::write(pve.root.join("etc/pve/corosync.conf"), corosync).unwrap();
        fs::create_dir_all(pve.root.join("gate")).unwrap();
        pve.list();
        pve
    }

    /// Where the configurations of all nodes are.
    pub fn nodes_dir(&self) -> PathBuf {
        self.root.join("etc/pve/nodes")
    }

    /// Somebody makes a machine: `path` is HOST/KIND/VMID.
    pub fn machine(&self, path: &str, text: &str) {
        fs::write(self.nodes_dir().join(format!("{path}.conf")), text).unwrap();
        self.list();
    }

    /// The same on this node.
    pub fn machine_here(&self, vmid: u32, text: &str) {
        self.machine(&format!("{}/qemu-server/{vmid}", self.host), text);
    }

    /// Somebody removes a machine of this node.
    pub fn remove_here(&self, vmid: u32) {
        let path = format!("{}/qemu-server/{vmid}.conf", self.host);
        fs::remove_file(self.nodes_dir().join(path)).unwrap();
        self.list();
    }

    /// The configuration of a machine of this node, if there is one.
    pub fn conf(&self, vmid: u32) -> Option<String> {
        let path = format!("{}/qemu-server/{vmid}.conf", self.host);
        fs::read_to_string(self.nodes_dir().join(path)).ok()
    }

    /// The volumes of all storages, as STORAGE/NAME.
    pub fn volumes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let base = self.root.join("volumes");
        let mut dirs = vec![base.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => dirs.push(path),
                    path => found.push(path.strip_prefix(&base).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }

    /// Every call of `qm`, its words divided by tabs.
    pub fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.root.join("qm.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// True while a script or `qm` works on the node, also for nobody.
    pub fn is_busy(&self) -> bool {
        let qm = self.root.join("bin/qm").display().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let is_qm = |line: Vec<u8>| String::from_utf8_lossy(&line).contains(&qm);
        let is_shell = |pid: u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"sh\0")
        };
        lines.any(is_qm) || self.ssh.sessions().into_iter().any(is_shell)
    }

    /// Something is so from now on: a file of this name at the root, see `pve/qm.pl`.
    pub fn mark(&self, name: &str) {
        fs::write(self.root.join(name), "").unwrap();
    }

    /// From now on `qm` waits at a point.
    pub fn gate(&self, point: &str) -> Gate {
        let fifo = self.root.join("gate").join(point);
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        Gate { fifo }
    }

    /// Writes the list of all VMIDs anew, as the cluster file system does.
    pub fn list(&self) {
        let path = self.root.join("etc/pve/.vmlist");
        let mut ids = Vec::new();
        for host in fs::read_dir(self.nodes_dir()).unwrap().flatten() {
            for (kind, name) in [("qemu-server", "qemu"), ("lxc", "lxc")] {
                for file in fs::read_dir(host.path().join(kind))
                    .into_iter()
                    .flatten()
                    .flatten()
                {
                    let vmid = file.path().file_stem().unwrap().display().to_string();
                    let host = host.file_name().display().to_string();
                    ids.push(format!(
                        "\"{vmid}\": {{ \"node\": \"{host}\", \"type\": \"{name}\", \"version\": 1 }}"
                    ));
                }
            }
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        let version = before.lines().nth(1).and_then(|line| {
            let number = line.strip_prefix("\"version\": ")?;
            number.trim_end_matches(',').parse::<u32>().ok()
        });
        let version = version.unwrap_or_default() + 1;
        let text = format!(
            "{{\n\"version\": {version},\n\"ids\": {{\n{}}}\n\n}}\n",
            ids.join(",\n")
        );
        fs::write(path, text).unwrap();
    }
}

/// A point at which `qm` waits.
pub struct Gate {
    fifo: PathBuf,
}

impl Gate {
    /// True if a `qm` has come to it.
    pub fn is_reached(&self) -> bool {
        self.fifo.with_added_extension("at").exists()
    }

    /// Waits for that.
    pub fn reached(&self) {
        wait_for("qm comes to the gate", || self.is_reached());
    }

    /// Lets whoever waits go on, and all who come later.
    pub fn open(self) {
        let waiting = fs::rename(&self.fifo, moved(&self.fifo));
        waiting.unwrap();
        // Opening for reading and writing waits for nobody; what reads then gets a line.
        let fifo = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(moved(&self.fifo));
        use std::io::Write;
        fifo.unwrap().write_all(b"\n").unwrap();
    }
}

fn moved(fifo: &Path) -> PathBuf {
    fifo.with_added_extension("open")
}
