//! The situations in which an earlier version was left.

use std::fs;
use std::path::{Path, PathBuf};

use talos_order::factory_stub::StubOptions;

use crate::common::sshd::{Lab, SshNode};
use crate::world::{Config, World, position, reach};

/// Which situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything in place on two nodes over ssh and one directory. One order and one
    /// node are suspended, and a file that nobody wants is in its time of grace.
    Calm,
    /// A node that does not answer, an image that does not come, and removals over
    /// the budget that an operator has approved.
    Troubled,
    /// Killed with a download and a delivery half done, so that both leave a part, and
    /// the delivery a lease.
    Killed,
    /// The files of the program before that one, as `examples/legacy` has them.
    Legacy,
    /// The factory gives its own ids to schematics.
    Owned,
}

pub const ALL: [Kind; 5] = [
    Kind::Calm,
    Kind::Troubled,
    Kind::Killed,
    Kind::Legacy,
    Kind::Owned,
];

/// Half a minute for an ISO image.
pub const SLOW: &str = "bandwidth_limit: 10KiB";

/// Images by the names that all nodes and caches here give them.
pub const ISO: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";
pub const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";
pub const AGENT_RAW: &str = "talos-v1.11.3-nocloud-amd64-ce4c980550dd.raw";

/// The same image of another patch release.
pub fn patch(number: u32) -> String {
    ISO.replace("v1.11.3", &format!("v1.11.{number}"))
}

/// A world with its nodes, ready for either version of the program.
pub struct Scene {
    pub kind: Kind,
    pub world: World,
    pub lab: Lab,
    /// The nodes that are reached over ssh, by name.
    pub nodes: Vec<(&'static str, SshNode)>,
}

impl Kind {
    /// Its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Troubled => "troubled",
            Self::Killed => "killed",
            Self::Legacy => "legacy",
            Self::Owned => "owned",
        }
    }
}

impl Scene {
    /// The places, without a file in them.
    pub fn empty(kind: Kind) -> Self {
        let options = StubOptions {
            owner: (kind == Kind::Owned).then(|| "example".to_owned()),
            ..StubOptions::default()
        };
        let (world, lab) = (World::new(options), Lab::new());
        let names: &[&str] = match kind {
            Kind::Calm | Kind::Legacy => &["pve-1", "pve-2"],
            Kind::Killed => &["pve-1"],
            Kind::Troubled | Kind::Owned => &[],
        };
        let nodes: Vec<_> = names.iter().map(|name| (*name, lab.node())).collect();
        if kind == Kind::Legacy {
            // Host names stay as they are; ssh's own configuration says where they lead.
            let hosts: String = nodes
                .iter()
                .map(|(name, node)| {
                    let SshNode { address, port, .. } = node;
                    let name = name.replace('-', "-0");
                    format!("Host {name}.example.net\n  HostName {address}\n  Port {port}\n")
                })
                .collect();
            fs::write(lab.path().join("ssh_config"), hosts).unwrap();
        }
        Self {
            kind,
            world,
            lab,
            nodes,
        }
    }

    pub fn node(&self, name: &str) -> &SshNode {
        let found = self.nodes.iter().find(|(own, _)| *own == name);
        &found.expect(name).1
    }

    /// A directory of a node over ssh.
    pub fn dir(&self, node: &str, dir: &str) -> PathBuf {
        self.node(node).root.join(dir)
    }

    /// The controller's own files.
    pub fn state(&self) -> PathBuf {
        self.world.cache().join(".talos-order")
    }

    /// Writes the configuration, with keys that the earlier version knows.
    pub fn configure(&self) {
        match self.kind {
            Kind::Legacy => self.configure_legacy(),
            Kind::Calm => self.configure_with(
                "",
                "owner: homelab\n\
                 prune: {vm_configs: false, grace: 2d, keep_versions: 1}\n\
                 verify: {max_age: 30d}\n\
                 reconcile: {interval: 1d, debounce: 10m, poll: 1h}\n",
            ),
            Kind::Troubled => self.configure_with(
                "",
                "owner: homelab\n\
                 prune: {vm_configs: false, grace: 0s, keep_versions: 1, max_files: 1, \
                 max_percent: 0}\n",
            ),
            // Slow enough to be met half done, on a busy machine as well.
            Kind::Killed => self.configure_with(SLOW, "owner: homelab\n"),
            Kind::Owned => self.configure_with("", "owner: homelab\n"),
        }
    }

    fn configure_with(&self, push: &str, more: &str) {
        let mut nodes: Vec<(String, String)> = self
            .nodes
            .iter()
            .map(|(name, node)| {
                let prune = if *name == "pve-1" {
                    ", prune: true"
                } else {
                    ""
                };
                (name.to_string(), reach(node) + prune)
            })
            .collect();
        let nas = self.world.at("nas").display().to_string();
        let local = format!("local: true, iso_dir: {nas}/iso, import_dir: {nas}/import");
        match self.kind {
            Kind::Calm | Kind::Owned => nodes.push(("nas".to_owned(), local)),
            Kind::Troubled => {
                nodes.push(("nas".to_owned(), format!("{local}, prune: true")));
                // Nobody listens there.
                let silent = format!("host: localhost, port: 1, iso_dir: {nas}/silent");
                nodes.push(("silent".to_owned(), silent));
            }
            Kind::Killed | Kind::Legacy => {}
        }
        self.world.configure(&Config {
            lab: Some(&self.lab),
            push,
            nodes,
            more,
            ..Config::default()
        });
        // The earlier version knows no such key: it makes every directory. They are there
        // for either of them.
        let config = self.world.at("config.yaml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("    create: true\n", "")).unwrap();
        let nodes = self.nodes.iter().map(|(_, node)| node.root.clone());
        for root in nodes.chain([self.world.at("nas")]) {
            for dir in ["iso", "import"] {
                fs::create_dir_all(root.join(dir)).unwrap();
            }
        }
    }

    fn configure_legacy(&self) {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/legacy");
        let read = |name: &str| fs::read_to_string(example.join(name)).unwrap();
        let mut ssh_opts = self.lab.ssh_opts();
        ssh_opts[1] = self.lab.path().join("ssh_config").display().to_string();
        let path = |path: PathBuf| path.display().to_string();
        let config = read("config.yaml")
            .replace("/var/cache/talos-sync", &path(self.world.cache()))
            .replace("/var/lib/vz/template/iso", &path(self.dir("pve-1", "iso")))
            .replace("-o BatchMode=yes", &ssh_opts.join(" "));
        let factory = self.world.factory.url();
        let config = format!("{config}owner: homelab\nfactory:\n  url: {factory}\n");
        fs::write(self.world.at("config.yaml"), config).unwrap();
        let orders = read("orders.yaml").replace(
            "/mnt/pve/shared/template/iso",
            &path(self.dir("pve-2", "iso")),
        );
        fs::write(self.world.at("orders"), orders).unwrap();
    }
}

/// An order of one image for some nodes.
pub fn order(id: &str, format: &str, version: &str, nodes: &[&str]) -> String {
    let hosts: Vec<String> = nodes
        .iter()
        .map(|node| format!("{{node: {node}}}"))
        .collect();
    let hosts = hosts.join(", ");
    let unpacked = match format {
        "iso" => "",
        _ => "prefer_decompressed: true, ",
    };
    position(
        id,
        format,
        &format!(
            "      version: {version}\n      \
             push: {{enabled: true, {unpacked}hosts: [{hosts}]}}\n"
        ),
    )
}

/// The same, and the version named.
pub fn exact(id: &str, format: &str, version: &str, nodes: &[&str]) -> String {
    let version = format!("{{type: exact, value: {version}}}");
    order(id, format, &version, nodes)
}
