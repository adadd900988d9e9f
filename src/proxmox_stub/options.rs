//! What a cluster of the stub looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// A cluster. [`PveStubOptions::new`] has the usual one.
#[derive(Debug, Clone)]
pub struct PveStubOptions {
    /// Where the files are: `NODE/STORAGE` for each, `shared/STORAGE` for shared ones.
    pub dir: PathBuf,
    /// The version of all nodes.
    pub version: String,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// The storages.
    pub storages: Vec<StubStorage>,
    /// The virtual machines.
    pub vms: Vec<StubVm>,
    /// How late a bad token is answered; 3 s in reality.
    pub unauthorized_delay: Duration,
    /// The certificates by node; made up where there is none.
    pub certificates: BTreeMap<String, StubCertificate>,
    /// The longest body but for uploads, in bytes.
    pub longest_body: usize,
    /// True if nodes load URLs with wget, as real ones do, and not by themselves.
    pub wget: bool,
    /// How long a task waits for another one that works on the same virtual machine; 10 s
    /// in reality.
    pub lock_patience: Duration,
    /// Tags that only administrators may set and remove.
    pub restricted_tags: BTreeSet<String>,
    /// True if making a template is answered without a task, as by old versions.
    pub converts_without_task: bool,
}

/// A storage.
#[derive(Debug, Clone)]
pub struct StubStorage {
    /// Its name.
    pub name: String,
    /// Its kind, such as `dir` or `nfs`.
    pub kind: String,
    /// Where it is on the nodes, for answers only.
    pub path: String,
    /// The content types that are enabled.
    pub content: BTreeSet<String>,
    /// True if all nodes see the same files.
    pub shared: bool,
    /// The nodes that have it; empty for all.
    pub nodes: Vec<String>,
    /// False where it is not mounted.
    pub active: bool,
    /// True where it is switched off.
    pub disabled: bool,
}

/// A virtual machine.
#[derive(Debug, Clone, Default)]
pub struct StubVm {
    /// Its number.
    pub id: u32,
    /// The node that has it.
    pub node: String,
    /// Its configuration.
    pub config: BTreeMap<String, String>,
    /// What changes with the next start.
    pub pending: BTreeMap<String, String>,
    /// The configurations of its snapshots, by name.
    pub snapshots: BTreeMap<String, BTreeMap<String, String>>,
    /// True for a container.
    pub is_container: bool,
    /// True while it runs.
    pub is_running: bool,
}

impl StubVm {
    /// True for a template.
    pub fn is_template(&self) -> bool {
        self.config
            .get("template")
            .is_some_and(|value| value == "1")
    }
}

/// What a node tells of its certificate.
#[derive(Debug, Clone)]
pub struct StubCertificate {
    /// SHA-256 as `AB:CD:…`.
    pub fingerprint: String,
    /// The end of its validity, in seconds since 1970.
    pub not_after: i64,
    /// Names and addresses.
    pub names: Vec<String>,
    /// True if it replaces the cluster's own.
    pub is_custom: bool,
}

impl StubStorage {
    /// An active storage for ISO images and imports on every node.
    pub fn new(name: &str, kind: &str, path: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            path: path.to_owned(),
            content: ["iso", "import"].map(str::to_owned).into(),
            shared: false,
            nodes: Vec::new(),
            active: true,
            disabled: false,
        }
    }
}

impl StubStorage {
    /// An active storage for disks only, such as `lvmthin`, on every node.
    pub fn for_disks(name: &str, kind: &str) -> Self {
        Self {
            content: ["images".to_owned()].into(),
            ..Self::new(name, kind, "")
        }
    }
}

impl PveStubOptions {
    /// Two nodes with `local` on each, the shared `nfs`, `unmounted`, which is not
    /// active, and `plain`, which has no imports.
    pub fn new(dir: PathBuf) -> Self {
        let shared = StubStorage {
            shared: true,
            ..StubStorage::new("nfs", "nfs", "/mnt/pve/nfs")
        };
        let unmounted = StubStorage {
            active: false,
            ..StubStorage::new("unmounted", "dir", "/mnt/pve/unmounted")
        };
        let plain = StubStorage {
            content: ["iso", "backup"].map(str::to_owned).into(),
            ..StubStorage::new("plain", "dir", "/srv/plain")
        };
        Self {
            dir,
            version: "9.1.7".to_owned(),
            nodes: vec!["pve-01".to_owned(), "pve-02".to_owned()],
            storages: vec![
                StubStorage::new("local", "dir", "/var/lib/vz"),
                shared,
                unmounted,
                plain,
            ],
            vms: Vec::new(),
            unauthorized_delay: Duration::from_secs(3),
            certificates: BTreeMap::new(),
            longest_body: 512 << 10,
            wget: false,
            lock_patience: Duration::from_secs(10),
            restricted_tags: BTreeSet::new(),
            converts_without_task: false,
        }
    }
}
