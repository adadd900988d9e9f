//! A cluster of the stub, and nodes that are reached through it.

mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sha2::Digest;
use talos_order::facts::{
    DirState, NodeState, NodeVms, RecordEntry, References, TemplateMark, TemplateState, VmConfig,
    VmInventory,
};
use talos_order::model::{
    ApiRoute, Arch, ArtifactId, Dir, Format, Method, Node, Platform, Proof, Reach, Sha256,
    StoredForm, VmId,
};
use talos_order::nodes::{
    ApiNode, ApiNodes, ApiNodesConfig, ApiPlace, Authority, Delivery, DeliveryRecords,
    FileServerConfig, NodeError, Nodes, Removal, TemplateChange, TemplateCreation, TemplateRemoval,
    Templates,
};
use talos_order::proxmox::{ApiToken, CallLimits, ImageContent, PveApi, PveConfig, PveTrust};
use talos_order::proxmox_stub::{PveStub, PveStubOptions, StubStorage, StubVm};
use talos_order::testing::FileRecords;
use tempfile::TempDir;

pub use templates::*;

pub const TOKEN: &str = "talos-order@pve!ctl";
pub const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";
pub const NAME: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
pub const OWNER: &str = "homelab";
pub const NODES: [&str; 3] = ["pve-01", "pve-02", "pve-03"];
pub const ISO: &str = "/var/lib/vz/template/iso";
pub const PORT: u16 = 18_006;

/// Everything that a token needs, by path.
pub const RIGHTS: [(&str, &str); 5] = [
    ("/storage/local", "Datastore.Audit"),
    ("/storage/local", "Datastore.AllocateTemplate"),
    ("/storage/local", "Datastore.Allocate"),
    ("/nodes", "Sys.AccessNetwork"),
    ("/vms", "VM.Audit"),
];

pub struct Lab {
    pub stub: PveStub,
    pub dir: TempDir,
    /// The file server's own.
    pub ip: Ipv4Addr,
}

impl Lab {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut PveStubOptions)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut options = PveStubOptions::new(dir.path().join("pve"));
        options.nodes = NODES.map(str::to_owned).into();
        options.unauthorized_delay = Duration::ZERO;
        change(&mut options);
        let lab = Self {
            stub: PveStub::start(options).await.unwrap(),
            dir,
            ip: own_address(),
        };
        lab.stub.add_token(TOKEN, SECRET);
        lab.grant(|_| true);
        lab
    }

    /// The token may these, and nothing else.
    pub fn grant(&self, keep: impl Fn(&str) -> bool) {
        self.stub.revoke_all();
        let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, privilege) in RIGHTS {
            if keep(privilege) {
                by_path.entry(path).or_default().push(privilege);
            }
        }
        for (path, privileges) in by_path {
            self.stub.grant(TOKEN, path, &privileges.join(" "));
        }
    }

    pub fn nodes(&self) -> ApiNodes {
        self.nodes_with(|_| {})
    }

    pub fn nodes_with(&self, change: impl FnOnce(&mut ApiNodesConfig)) -> ApiNodes {
        ApiNodes::new(self.config(change), self.records())
    }

    pub fn nodes_with_records(&self, records: Arc<dyn DeliveryRecords>) -> ApiNodes {
        ApiNodes::new(self.config(|_| {}), records)
    }

    fn config(&self, change: impl FnOnce(&mut ApiNodesConfig)) -> ApiNodesConfig {
        let mut config = ApiNodesConfig {
            nodes: BTreeMap::new(),
            owner: OWNER.to_owned(),
            look: Duration::from_secs(60),
            usage_age: Duration::from_secs(600),
            cluster_age: Duration::ZERO,
            server: FileServerConfig {
                address: Some(IpAddr::V4(self.ip)),
                port: PORT,
                public_url: None,
                bandwidth: None,
            },
            authority: Authority::single(),
            authority_of: BTreeMap::new(),
        };
        for node in NODES {
            let place = |storage: &str, content| ApiPlace {
                storage: storage.to_owned(),
                content,
            };
            let known = ApiNode {
                cluster: "lab".to_owned(),
                api: self.api(node),
                name: node.to_owned(),
                places: BTreeMap::from([
                    (dir(ISO), place("local", ImageContent::Iso)),
                    (
                        dir("/var/lib/vz/import"),
                        place("local", ImageContent::Import),
                    ),
                    (
                        dir("/srv/plain/import"),
                        place("plain", ImageContent::Import),
                    ),
                    (
                        dir("/mnt/pve/unmounted/template/iso"),
                        place("unmounted", ImageContent::Iso),
                    ),
                ]),
            };
            config.nodes.insert(node.parse().unwrap(), known);
        }
        change(&mut config);
        config
    }

    pub fn api(&self, node: &str) -> PveApi {
        PveApi::new(&PveConfig {
            endpoints: vec![self.stub.url(node).parse().unwrap()],
            token: ApiToken::new(TOKEN, &SECRET.to_owned().into()).unwrap(),
            trust: PveTrust::System,
            limits: CallLimits {
                poll: Duration::from_millis(10),
                ..CallLimits::default()
            },
        })
        .unwrap()
    }

    pub fn records(&self) -> Arc<dyn DeliveryRecords> {
        Arc::new(FileRecords::new(self.records_path()))
    }

    pub fn records_path(&self) -> PathBuf {
        self.dir.path().join("delivered.json")
    }

    pub fn recorded(&self, node: &str) -> Vec<RecordEntry> {
        let record = self.records().read(&node.parse().unwrap(), &dir(ISO));
        record.unwrap().into_values().collect()
    }

    /// A file in the cache.
    pub fn source(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The delivery of these bytes.
    pub fn delivery(&self, bytes: &[u8]) -> Delivery {
        let digest = sha256(bytes);
        delivery(
            &self.source(&digest.to_string(), bytes),
            bytes.len() as u64,
            digest,
        )
    }

    /// Where a node has the image.
    pub fn on_node(&self, node: &str) -> PathBuf {
        self.stub.directory(node, "local", "iso").join(NAME)
    }

    pub fn use_image(&self, volume: &str) {
        let drive = format!("{volume},media=cdrom");
        self.stub.set_vm(StubVm {
            id: 100,
            node: "pve-03".to_owned(),
            config: BTreeMap::from([("ide2".to_owned(), drive)]),
            ..StubVm::default()
        });
    }

    /// Requests of a kind, over all nodes.
    pub fn count(&self, text: &str) -> usize {
        let requests = self.stub.requests();
        requests.iter().filter(|line| line.contains(text)).count()
    }

    /// Names in the directory of a node, hidden ones too.
    pub fn names(&self, node: &str) -> Vec<String> {
        let dir = self.stub.directory(node, "local", "iso");
        let names = dir.read_dir().unwrap().flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Fails where a task runs.
    pub async fn until_idle(&self) {
        until(|| self.stub.tasks().iter().all(|task| task.2.is_some())).await;
    }
}

/// An address of this process and this call.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(
        127,
        64 | (high & 0x3f),
        low,
        NEXT.fetch_add(1, Ordering::Relaxed),
    )
}

pub fn dir(path: &str) -> Dir {
    path.parse().unwrap()
}

pub fn node(name: &str) -> Node {
    Node {
        id: name.parse().unwrap(),
        reach: Reach::Ssh {
            host: name.parse().unwrap(),
            user: None,
            port: None,
        },
    }
}

pub fn delivery(source: &Path, size: u64, sha256: Sha256) -> Delivery {
    Delivery {
        dir: dir(ISO),
        file: NAME.parse().unwrap(),
        source: source.to_owned(),
        size,
        sha256,
        artifact: ArtifactId {
            version: "v1.11.3".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: false,
            schematic: "37".repeat(32).parse().unwrap(),
            format: Format::Iso,
        },
        replace: false,
        deletion: None,
        revision: None,
        orders: BTreeSet::from(["acme-2026".parse().unwrap()]),
        now: "2026-08-05T12:00:00Z".parse().unwrap(),
        form: StoredForm::Same,
        url: "https://factory.example.net/image".to_owned(),
        method: Method::Api {
            route: ApiRoute::FileServer,
        },
        proof: Proof::Readback,
        data: None,
        relay: None,
        meter: Arc::default(),
    }
}

pub fn removal(delivery: &Delivery) -> Removal {
    Removal {
        dir: delivery.dir.clone(),
        file: delivery.file.clone(),
        size: delivery.size,
        sha256: delivery.sha256,
    }
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(bytes).into())
}

pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64 ^ seed;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state & 0xff) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// What a look says of a node that answers.
pub async fn listed(nodes: &ApiNodes, name: &str, dirs: &[&str]) -> (Vec<DirState>, References) {
    let dirs: BTreeSet<Dir> = dirs.iter().map(|path| dir(path)).collect();
    match nodes.observe(&node(name), &dirs).await {
        NodeState::Listed {
            dirs, references, ..
        } => (dirs.into_values().collect(), references),
        other @ NodeState::Unreachable { .. } => panic!("{other:?}"),
    }
}

/// An error with its causes and its hint, as it is shown.
pub fn shown(error: &NodeError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    match error.hint() {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}

pub async fn until(is_so: impl Fn() -> bool) {
    let patience = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), patience)
        .await
        .unwrap();
}
