//! The way that talos-order is compared with: a script that does one thing after
//! the other, as it is written for such a job manually.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::images::Image;
use crate::measure::{self, Cost};
use crate::sshd::{Lab, SshNode};

/// The script, its cache, and a directory on each node.
pub struct Sequential<'a> {
    dir: PathBuf,
    ssh: String,
    nodes: &'a [SshNode],
}

/// What one run did.
pub struct Ran {
    pub cost: Cost,
    /// Bytes that rsync says it sent to the node that got the most.
    pub wire: u64,
}

const HEAD: &str = r#"#!/usr/bin/env bash
# One image after the other, one node after the other.
set -euo pipefail
export LC_ALL=C

image() {
    xz=$cache/$1.xz raw=$cache/$1
    [ -e "$xz" ] || curl -fsSL -o "$xz" "$2"
    sha256sum "$xz"
    [ -e "$raw" ] || xz -T1 -dk "$xz"
    sha256sum "$raw"
    push
}

iso() {
    raw=$cache/$1
    [ -e "$raw" ] || curl -fsSL -o "$raw" "$2"
    sha256sum "$raw"
    push
}

push() {
    for node in "${nodes[@]}"; do
        read -r host port dir <<<"$node"
        echo "to $host"
        $ssh -p "$port" "$host" mkdir -p "$dir"
        rsync -av --progress --inplace -e "$ssh -p $port" "$raw" "$host:$dir/"
    done
}

"#;

impl<'a> Sequential<'a> {
    pub fn new(dir: PathBuf, lab: &Lab, nodes: &'a [SshNode]) -> Self {
        let ssh = std::iter::once("ssh".to_owned()).chain(lab.ssh_opts());
        let ssh = ssh.collect::<Vec<_>>().join(" ");
        Self { dir, ssh, nodes }
    }

    fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    fn node_dir(&self, number: usize) -> PathBuf {
        self.nodes[number].root.join("sequential")
    }

    /// Nothing is anywhere.
    pub fn wipe(&self) -> Result<()> {
        let nodes = (0..self.nodes.len()).map(|number| self.node_dir(number));
        for dir in nodes.chain([self.cache()]) {
            crate::remove(&dir)?;
        }
        fs::create_dir_all(self.cache())?;
        Ok(())
    }

    /// An image is in the cache and on the first nodes, as a run leaves it. They are
    /// links to one file: it is read only, and so is in memory whenever it is.
    pub fn place(&self, image: &Image, nodes: usize) -> Result<()> {
        let name = image.file_name();
        if !image.is_iso() {
            fs::hard_link(&image.served, self.cache().join(format!("{name}.xz")))?;
        }
        fs::hard_link(&image.raw, self.cache().join(&name))?;
        for number in 0..nodes {
            let dir = self.node_dir(number);
            fs::create_dir_all(&dir)?;
            fs::hard_link(&image.raw, dir.join(&name))?;
        }
        Ok(())
    }

    /// A node loses an image.
    pub fn lose(&self, image: &Image, number: usize) -> Result<()> {
        Ok(fs::remove_file(
            self.node_dir(number).join(image.file_name()),
        )?)
    }

    /// The bytes that the first node's files take.
    pub fn allocated(&self, number: usize) -> u64 {
        crate::images::allocated(&self.node_dir(number))
    }

    /// Runs the script for images and the first nodes.
    pub fn run(&self, images: &[&Image], factory: &str, nodes: usize) -> Result<Ran> {
        let script = self.dir.join("sequential.sh");
        fs::write(&script, self.script(images, factory, nodes))?;
        let log = self.dir.join("sequential.log");
        let mut command = Command::new("bash");
        command.arg(&script);
        crate::without_proxies(&mut command);
        let cost = measure::run(&mut command, &log, &crate::pids(self.nodes))?;
        let wire = most_sent(&log)?;
        Ok(Ran { cost, wire })
    }

    fn script(&self, images: &[&Image], factory: &str, nodes: usize) -> String {
        let mut text = HEAD.to_owned();
        text.push_str(&format!(
            "cache='{}'\nssh='{}'\nnodes=(\n",
            self.cache().display(),
            self.ssh
        ));
        for (number, node) in self.nodes.iter().enumerate().take(nodes) {
            let dir = self.node_dir(number);
            let (address, port) = (node.address, node.port);
            text.push_str(&format!("    '{address} {port} {}'\n", dir.display()));
        }
        text.push_str(")\n");
        for image in images {
            let name = image.file_name();
            let path = image.artifact.factory_path();
            let path = path.trim_start_matches('/');
            let does = if image.is_iso() { "iso" } else { "image" };
            text.push_str(&format!("{does} {name} {factory}{path}\n"));
        }
        text
    }
}

/// Sums `sent 1,234 bytes` by node.
fn most_sent(log: &Path) -> Result<u64> {
    let text = fs::read(log)?;
    let text = String::from_utf8_lossy(&text);
    let mut sent = std::collections::BTreeMap::<&str, u64>::new();
    let mut node = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("to ") {
            node = name;
        } else if let Some(rest) = line.strip_prefix("sent ") {
            let number = rest.split(' ').next().unwrap_or_default();
            *sent.entry(node).or_default() += number.replace(',', "").parse().unwrap_or(0);
        }
    }
    Ok(sent.into_values().max().unwrap_or(0))
}
