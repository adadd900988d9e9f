//! The world of a fleet: a store, a factory, nodes, orders, and what they want.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use talos_order::factory_stub::{FactoryStub, StubOptions, image};
use talos_order::model::{ArtifactId, NameTemplate, SchematicId};

use crate::args::Args;
use crate::seaweed::Seaweed;
use crate::sshd::{Lab, SshNode};

/// The schematic without customization.
const PLAIN: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";

/// Bytes per second of a download, so that others ask for the image meanwhile.
const RATE: u64 = 500_000;

/// The versions that are delivered, one after the other.
pub const VERSIONS: [&str; 2] = ["v1.11.2", "v1.11.3"];

/// Platform and format of each image, what the node stores, and in which directory.
const IMAGES: [(&str, &str, &str, &str); 4] = [
    ("nocloud", "iso", "iso", "iso"),
    ("metal", "iso", "iso", "iso"),
    ("nocloud", "raw.xz", "raw", "import"),
    ("metal", "raw.xz", "raw", "import"),
];

/// Everything but the controllers.
pub struct World {
    pub dir: PathBuf,
    pub store: Seaweed,
    pub nodes: Vec<FleetNode>,
    lab: Lab,
    factory: FactoryStub,
    runtime: tokio::runtime::Runtime,
    options: StubOptions,
    /// Ends with the world.
    _sshd: Vec<SshNode>,
}

/// A node.
pub struct FleetNode {
    pub name: String,
    /// Which site it is of.
    pub site: usize,
    pub is_ssh: bool,
    /// Where its directories are on this machine.
    pub root: PathBuf,
    /// How it is reached, in YAML.
    reach: String,
}

/// A file that is wanted on every node.
#[derive(Debug, Clone)]
pub struct WantedFile {
    /// Which of the directories it is in.
    pub dir: &'static str,
    pub name: String,
    pub digest: [u8; 32],
}

impl World {
    pub fn make(args: &Args, dir: &Path) -> Result<Self> {
        let store = Seaweed::start(2).context("SeaweedFS is not installed")?;
        let options = StubOptions {
            disk_bytes: args.disk_bytes(),
            rate: Some(RATE),
            ..StubOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let factory = runtime.block_on(FactoryStub::start(options.clone()))?;
        let lab = Lab::new_in(dir);
        let sshd: Vec<SshNode> = (0..args.ssh_nodes()).map(|_| lab.node()).collect();
        let count = args.sites() * args.nodes();
        // Of each site about as many are reached over ssh.
        let nodes = (0..count).map(|number| {
            let site = number % args.sites();
            let name = format!("pve-{}-{}", site + 1, number / args.sites() + 1);
            let node = sshd.get(number);
            let root = node.map_or_else(|| dir.join("n").join(&name), |node| node.root.clone());
            let reach = node.map_or_else(
                || "local: true".to_owned(),
                |node| format!("host: {}, port: {}", node.address, node.port),
            );
            FleetNode {
                name,
                site,
                is_ssh: node.is_some(),
                root,
                reach,
            }
        });
        let world = Self {
            dir: dir.to_owned(),
            store,
            nodes: nodes.collect(),
            lab,
            factory,
            runtime,
            options,
            _sshd: sshd,
        };
        fs::create_dir_all(dir.join("orders"))?;
        Ok(world)
    }

    /// Orders a version of all images for all nodes.
    pub fn order(&self, version: &str) -> Result<()> {
        let mut text = "orderid: images\npositions:\n".to_owned();
        for (platform, format, ..) in IMAGES {
            let _ = writeln!(
                text,
                "  - name: {platform}-{}\n    platform: {platform}\n    image_format: {format}\n    \
                 version: {version}\n    push: {{enabled: true, prefer_decompressed: true, \
                 hosts: [{{group: all}}]}}",
                format.replace('.', "-")
            );
        }
        let hidden = self.dir.join("orders/.new");
        fs::write(&hidden, text)?;
        Ok(fs::rename(hidden, self.dir.join("orders/images.yaml"))?)
    }

    /// What is then wanted on every node.
    pub fn wanted(&self, version: &str) -> Result<Vec<WantedFile>> {
        let files = IMAGES.iter().map(|&(platform, _, stored, dir)| {
            let name = format!("talos-{version}-{platform}-amd64-{}.{stored}", &PLAIN[..12]);
            let parts = NameTemplate::default().read(&name).context("a name")?;
            let artifact = ArtifactId {
                version: parts.version,
                platform: parts.platform,
                arch: parts.arch,
                secureboot: parts.secureboot,
                schematic: PLAIN.parse::<SchematicId>()?,
                format: parts.format,
            };
            let bytes = image::build(&artifact, self.options.disk_bytes, 0)?;
            Ok(WantedFile {
                dir,
                name,
                digest: Sha256::digest(bytes).into(),
            })
        });
        files.collect()
    }

    /// The configuration of a controller of one site, in a directory of its own. Without a
    /// site it is a single one; `site_of` says which site a node is of.
    pub fn configure(&self, setup: &ControllerSetup<'_>) -> Result<()> {
        let ControllerSetup { dir, prefix, .. } = setup;
        fs::create_dir_all(dir)?;
        let at = dir.display();
        let factory = self.factory.url();
        let ssh = self.lab.ssh_opts().join(" ");
        let mut text = format!(
            "owner: fleet\nlisten: \"unix:{at}/web\"\ndefaults:\n  cache_dir: {at}/cache\n  push:\n    \
             create: true\n    ssh_opts: \"{ssh}\"\nmanifest: {{dir: {at}/manifests}}\n\
             factory: {{url: \"{factory}\"}}\ngithub: {{api_url: \"{factory}\"}}\n\
             reconcile: {{interval: 1h, debounce: 100ms, poll: 1s}}\nprune: {{vm_configs: false}}\n"
        );
        if let Some(prefix) = prefix {
            text.push_str(&self.store.section(prefix, dir));
        }
        if let Some((site, ttl)) = &setup.site {
            let _ = write!(text, "fleet: {{site: {site}, ttl: {ttl}s}}\nsites:\n");
            let sites: BTreeSet<String> = setup.nodes.iter().map(setup.site_of).collect();
            for site in sites {
                let _ = writeln!(text, "  - {{name: {site}}}");
            }
        }
        text.push_str("nodes:\n");
        for node in setup.nodes {
            let site = match &setup.site {
                Some(_) => format!("site: {}, ", (setup.site_of)(node)),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "  - {{name: {}, {site}labels: [all], {}, iso_dir: {root}/iso, \
                 import_dir: {root}/import}}",
                node.name,
                node.reach,
                root = node.root.display()
            );
        }
        Ok(fs::write(dir.join("config.yaml"), text)?)
    }

    /// How often the factory was asked for the body of each image, and the bytes that it
    /// sent.
    pub fn factory_use(&self) -> (BTreeMap<String, usize>, u64) {
        let mut bodies = BTreeMap::new();
        let mut bytes = 0;
        for request in self.factory.requests() {
            let is_body = request.method == "GET"
                && request.path.starts_with("/blob/")
                && !request.path.ends_with(".sha256");
            if is_body {
                *bodies.entry(request.path).or_insert(0) += 1;
                bytes += request.bytes;
            }
        }
        (bodies, bytes)
    }

    /// Images that are in the index of a store.
    pub fn shared_images(&self, prefix: &str) -> Result<Vec<u64>> {
        let bucket = self.store.bucket(prefix);
        let index = "v1/blobs".parse()?;
        let found = self.runtime.block_on(bucket.list(&index))?;
        Ok(found.iter().map(|object| object.size).collect())
    }
}

/// What stands in the configuration of a controller.
pub struct ControllerSetup<'a> {
    pub dir: &'a Path,
    /// Of the store, if it has one.
    pub prefix: Option<&'a str>,
    /// The site, and seconds; `None` for a single controller.
    pub site: Option<(String, u64)>,
    pub site_of: &'a dyn Fn(&FleetNode) -> String,
    /// The nodes that it knows.
    pub nodes: &'a [FleetNode],
}
