//! A world to run the program in: a factory, nodes, a configuration, orders.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::Digest;
use talos_order::factory_stub::{StubOptions, image};
use talos_order::model::{ArtifactId, NameTemplate, SchematicId, Sha256};

use super::factory::Factory;
use super::program::{Program, Ran};
use super::snapshot::{digest, images};
use super::sshd::{Lab, SshNode};

/// The schematics of the orders here, with what they customize.
pub const PLAIN: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";
pub const AGENT: &str = "ce4c980550dd2ab1b17bbf2b08801c7eb59418eafe8f279833297925d67c7515";
pub const ISCSI: &str = "c9078f9419961640c712a8bf2bb9174933dfcf1da383fd8ea2b7dc21493f8bac";
/// The plain one where a factory adds `owner: example`.
pub const OWNED: &str = "4db83fd11221e1a7cddcfa07ef6cd4adb6fd504d8e36decad0e9672097bb5528";

/// The factory and one directory for everything else.
pub struct World {
    pub dir: tempfile::TempDir,
    pub factory: Factory,
    pub program: Program,
    options: StubOptions,
}

/// What is said in config.yaml besides the directories.
#[derive(Default)]
pub struct Config<'a> {
    pub lab: Option<&'a Lab>,
    /// More options for rsync.
    pub rsync: &'a str,
    /// More keys of `defaults.push`, in YAML's flow style.
    pub push: &'a str,
    /// The inventory: name, and how it is reached, in YAML's flow style.
    pub nodes: Vec<(String, String)>,
    /// More keys at the top.
    pub more: &'a str,
}

impl World {
    /// With a factory as the options say, and no files yet.
    pub fn new(options: StubOptions) -> Self {
        let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
        let factory = Factory::start(options.clone());
        let work = dir.path().join("work");
        fs::create_dir(&work).unwrap();
        let files = ["config.yaml", "orders"].map(|name| dir.path().join(name));
        Self {
            program: Program::with_files(&work, &files[0], &files[1]),
            dir,
            factory,
            options,
        }
    }

    /// With a factory of small images.
    pub fn small() -> Self {
        Self::new(StubOptions::default())
    }

    /// Everything that a run may write, but for the nodes.
    pub fn cache(&self) -> PathBuf {
        self.at("cache")
    }

    /// A path below the world's directory.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration.
    pub fn configure(&self, config: &Config<'_>) {
        let root = self.dir.path().display();
        let ssh = config.lab.map(Lab::ssh_opts).unwrap_or_default().join(" ");
        let nodes: String = config
            .nodes
            .iter()
            .map(|(name, reach)| format!("  - {{name: {name}, labels: [all], {reach}}}\n"))
            .collect();
        let nodes = match nodes.as_str() {
            "" => String::new(),
            nodes => format!("nodes:\n{nodes}"),
        };
        let limits = match config.more {
            more if more.contains("limits:") => "",
            _ => "limits: {retries: 0, connect: 20s}\n",
        };
        let text = format!(
            "defaults:\n  cache_dir: {root}/cache\n  push:\n    create: true\n    \
             ssh_opts: \"{ssh}\"\n    \
             rsync_opts: \"-av --progress --inplace {rsync}\"\n{push}\
             manifest: {{dir: {root}/manifests}}\nfactory: {{url: \"{url}\"}}\n\
             github: {{api_url: \"{url}\"}}\n{limits}{nodes}{more}",
            rsync = config.rsync,
            push = match config.push {
                "" => String::new(),
                keys => format!("    {keys}\n"),
            },
            url = self.factory.url(),
            more = config.more,
        );
        fs::write(self.at("config.yaml"), text).unwrap();
    }

    /// Configures so many nodes that are directories of this machine.
    pub fn configure_local(&self, nodes: usize, more: &str) {
        let nodes = (1..=nodes).map(|number| {
            let dir = self.at(&format!("node{number}"));
            let dir = dir.display();
            let reach = format!("local: true, iso_dir: {dir}/iso, import_dir: {dir}/import");
            (format!("pve-{number}"), reach)
        });
        self.configure(&Config {
            nodes: nodes.collect(),
            more,
            ..Config::default()
        });
    }

    /// Writes a file of orders; the last one of a name counts.
    pub fn order(&self, file: &str, text: &str) {
        fs::create_dir_all(self.at("orders")).unwrap();
        fs::write(self.at("orders").join(file), text).unwrap();
    }

    /// Orders one image of a format for all nodes.
    pub fn order_one(&self, format: &str, more: &str) {
        self.order("one.yaml", &position("one", format, more));
    }

    /// A run.
    pub fn apply(&self) -> Ran {
        self.program.run(&["apply"])
    }

    /// The options that the factory was founded with.
    pub fn options(&self) -> StubOptions {
        self.options.clone()
    }

    /// The manifest of an order.
    pub fn manifest(&self, order: &str) -> Value {
        let path = self.manifest_path(order);
        let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path:?}: {why}"));
        serde_yaml::from_str(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
    }

    pub fn manifest_path(&self, order: &str) -> PathBuf {
        self.at("manifests").join(format!("manifest-{order}.yaml"))
    }

    /// What the digest of an image must be.
    pub fn truth(&self, name: &str) -> Sha256 {
        Sha256::from_bytes(sha2::Sha256::digest(self.image(name)).into())
    }

    /// The bytes of an image, as the factory serves it.
    pub fn image(&self, name: &str) -> Vec<u8> {
        let parts = NameTemplate::default().read(name).expect(name);
        let schematic = [PLAIN, AGENT, ISCSI, OWNED]
            .into_iter()
            .find(|id| id.starts_with(&parts.schematic))
            .expect("one of the schematics here");
        let artifact = ArtifactId {
            version: parts.version,
            platform: parts.platform,
            arch: parts.arch,
            secureboot: parts.secureboot,
            schematic: schematic.parse::<SchematicId>().unwrap(),
            format: parts.format,
        };
        image::build(&artifact, self.options.disk_bytes, 0).unwrap()
    }

    /// Fails the test unless `sha256sum -c` agrees with every sidecar in the cache,
    /// and every image there has one.
    #[track_caller]
    pub fn assert_sidecars(&self) {
        let names = images(&self.cache());
        assert!(!names.is_empty());
        let sidecars = names.iter().map(|name| format!("{name}.sha256"));
        let checked = std::process::Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet"])
            .args(sidecars)
            .current_dir(self.cache())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }

    /// Fails the test unless these images, and no others, are in a directory, and
    /// each is what the factory serves.
    #[track_caller]
    pub fn assert_holds(&self, dir: &Path, names: &[&str]) {
        assert_eq!(images(dir), names, "in {}", dir.display());
        for name in names {
            let found = digest(&dir.join(name)).unwrap();
            assert_eq!(found, self.truth(name), "{name} in {}", dir.display());
        }
    }
}

/// An order of one position that is pushed to every node, in YAML.
pub fn position(id: &str, format: &str, more: &str) -> String {
    let version = if more.contains("version:") {
        ""
    } else {
        "      version: {type: exact, value: v1.11.3}\n"
    };
    let push = if more.contains("push:") {
        ""
    } else {
        "      push: {enabled: true, prefer_decompressed: true, hosts: [{group: all}]}\n"
    };
    format!(
        "- orderid: {id}\n  positions:\n    - name: image\n      image_format: {format}\n\
         {version}{push}{more}"
    )
}

/// How ssh reaches a node, for the inventory.
pub fn reach(node: &SshNode) -> String {
    format!(
        "host: {}, port: {}, iso_dir: {root}/iso, import_dir: {root}/import",
        node.address,
        node.port,
        root = node.root.display()
    )
}
