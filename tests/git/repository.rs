//! A bare repository that somebody pushes to, and a world whose orders are in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::snapshot::images;
use crate::world::{World, position};

pub const OLDER: &str = "talos-v1.11.2-nocloud-amd64-376567988ad3.iso";
pub const NEWER: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.iso";

/// A world with one local node, and the orders in git.
pub struct Fleet {
    pub world: World,
}

impl Fleet {
    /// With the older version ordered, and the configuration for the bare repository.
    pub fn new(git: &str) -> Self {
        let mut world = World::small();
        world.program.args.truncate(1);
        let fleet = Self { world };
        fs::create_dir(fleet.world.at("checkout")).unwrap();
        fleet.git(&["init", "-q", "-b", "main"]);
        fleet.git(&["init", "-q", "--bare", "-b", "main", "../fleet.git"]);
        fleet.git(&["remote", "add", "origin", "../fleet.git"]);
        fleet.order("v1.11.2");
        let url = fleet.url();
        fleet.configure(&format!("url: {url}, {git}"), "");
        fleet
    }

    pub fn url(&self) -> String {
        self.world.at("fleet.git").display().to_string()
    }

    /// With these keys of `orders.git`, in YAML's flow style, and more keys at the top.
    pub fn configure(&self, git: &str, more: &str) {
        let more = format!("orders: {{git: {{path: orders, {git}}}}}\n{more}");
        self.world.configure_local(1, &more);
    }

    pub fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.world.at("checkout"))
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
            .args(words)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Orders a version of one image, and pushes that. The commit's id.
    pub fn order(&self, version: &str) -> String {
        let version = format!("      version: {{type: exact, value: {version}}}\n");
        self.push("one.yaml", &position("one", "iso", &version))
    }

    /// Commits a file of orders and pushes it, whatever was there before.
    pub fn push(&self, file: &str, text: &str) -> String {
        let orders = self.world.at("checkout/orders");
        fs::create_dir_all(&orders).unwrap();
        fs::write(orders.join(file), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "-m", "Order <b>one</b>"]);
        self.publish()
    }

    pub fn publish(&self) -> String {
        self.git(&["push", "-q", "--force", "origin", "main"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The images on the node.
    pub fn delivered(&self) -> Vec<String> {
        let dir = self.node();
        match dir.exists() {
            true => images(&dir),
            false => Vec::new(),
        }
    }

    pub fn node(&self) -> PathBuf {
        self.world.at("node1/iso")
    }

    /// Where the source keeps what it fetches.
    pub fn home(&self) -> PathBuf {
        self.world.at("cache/.talos-order/git")
    }
}
