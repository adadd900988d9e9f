//! A cluster of the stub, and a client with what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use talos_order::proxmox::rights::{NeededRights, PveSetup, TemplateNeed};
use talos_order::proxmox::{ApiToken, CallLimits, PveApi, PveConfig, PveError, PveTrust};
use talos_order::proxmox_stub::{PveStub, PveStubOptions, StubStorage};
use tempfile::TempDir;

pub const TOKEN: &str = "talos-order@pve!ctl";
pub const SECRET: &str = "0a1b2c3d-0000-4000-8000-5ec2e75ec2e7";

pub struct Lab {
    pub stub: PveStub,
    pub dir: TempDir,
}

impl Lab {
    /// The usual cluster, with a token that may what `pve-setup --prune` grants.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut PveStubOptions)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut options = PveStubOptions::new(dir.path().to_owned());
        options.unauthorized_delay = Duration::ZERO;
        change(&mut options);
        let lab = Self {
            stub: PveStub::start(options).await.unwrap(),
            dir,
        };
        lab.stub.add_token(TOKEN, SECRET);
        for (path, privileges) in NeededRights::of(&setup(true).need()).iter() {
            let privileges: Vec<&str> = privileges.iter().copied().collect();
            lab.stub.grant(TOKEN, path, &privileges.join(" "));
        }
        lab
    }

    /// A client that asks the first node.
    pub fn api(&self) -> PveApi {
        self.api_of(&["pve-01"], SECRET)
    }

    pub fn api_of(&self, nodes: &[&str], secret: &str) -> PveApi {
        let endpoints = nodes.iter().map(|node| self.stub.url(node));
        PveApi::new(&PveConfig {
            endpoints: endpoints.map(|url| url.parse().unwrap()).collect(),
            token: token(secret),
            trust: PveTrust::System,
            limits: limits(),
        })
        .unwrap()
    }

    /// Puts a file on a storage behind the API's back.
    pub fn put(
        &self,
        node: &str,
        storage: &str,
        content: &str,
        name: &str,
        bytes: &[u8],
    ) -> PathBuf {
        let path = self.stub.directory(node, storage, content).join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub fn token(secret: &str) -> ApiToken {
    ApiToken::new(TOKEN, &secret.to_owned().into()).unwrap()
}

/// Generous, but for the pauses.
pub fn limits() -> CallLimits {
    CallLimits {
        poll: Duration::from_millis(20),
        ..CallLimits::default()
    }
}

pub fn setup(prune: bool) -> PveSetup {
    PveSetup {
        delivery: Some(talos_order::proxmox::rights::DeliveryWay::FetchOrUpload),
        read_back: false,
        user: "talos-order@pve".to_owned(),
        token: "ctl".to_owned(),
        storages: ["local", "nfs", "plain", "unmounted"]
            .map(str::to_owned)
            .into(),
        prune,
        pruned: BTreeSet::new(),
        fetch_right: talos_order::proxmox::rights::FetchRight::AccessNetwork,
        templates: Vec::new(),
    }
}

pub fn sha256(bytes: &[u8]) -> talos_order::model::Sha256 {
    use sha2::Digest;
    talos_order::model::Sha256::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// Bytes that are no image of any kind.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state & 0xff) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// An error with its causes, as it is shown.
pub fn chain(error: &PveError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What templates need, and nothing else.
pub fn templates() -> PveSetup {
    PveSetup {
        templates: vec![TemplateNeed {
            storage: "local-lvm".to_owned(),
            images: vec!["local".to_owned()],
            bridges: vec!["vmbr0".to_owned()],
        }],
        ..setup(false)
    }
}

impl Lab {
    /// The usual cluster with a storage for disks and an image; the token may what
    /// `pve-setup` grants for templates.
    pub async fn with_disks(change: impl FnOnce(&mut PveStubOptions)) -> Self {
        let lab = Self::with(|options| {
            let disks = [("local-lvm", "lvmthin"), ("tank", "zfspool")];
            for (name, kind) in disks {
                options.storages.push(StubStorage::for_disks(name, kind));
            }
            change(options);
        })
        .await;
        lab.grant(&templates());
        lab.put("pve-01", "local", "import", "talos.raw", &noise(1 << 20));
        lab
    }

    /// The token may what a setup grants, and nothing else.
    pub fn grant(&self, setup: &PveSetup) {
        self.stub.revoke_all();
        for (path, privileges) in NeededRights::of(&setup.need()).iter() {
            let privileges: Vec<&str> = privileges.iter().copied().collect();
            self.stub.grant(TOKEN, path, &privileges.join(" "));
        }
    }
}

pub fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// A machine with a disk from the image.
pub fn machine() -> BTreeMap<String, String> {
    pairs(&[
        ("name", "talos-new"),
        ("tags", "talos-order-new"),
        ("description", "Talos\n\n<!-- mark -->"),
        ("cores", "2"),
        ("memory", "2048"),
        ("net0", "virtio,bridge=vmbr0"),
        (
            "scsi0",
            "local-lvm:0,import-from=local:import/talos.raw,discard=on",
        ),
    ])
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

/// What is uploaded.
#[derive(Debug)]
pub struct Source {
    pub bytes: Vec<u8>,
    /// So many of them can be read.
    pub readable: usize,
}

impl talos_order::proxmox::UploadContent for Source {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        let at = at as usize;
        if at + buffer.len() > self.readable {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&self.bytes[at..at + buffer.len()]);
        Ok(())
    }
}

impl Source {
    pub fn of(bytes: &[u8]) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            bytes: bytes.to_vec(),
            readable: bytes.len(),
        })
    }
}
