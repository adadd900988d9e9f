//! What the links and disks alone take: the same bytes, and nothing else done with
//! them. It is measured in turn with both ways, over new connections.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bench::Bench;
use crate::images::Image;
use crate::jobs::Job;
use crate::measure::{self, Cost};
use crate::sshd::SshNode;

/// Seconds of each part. They can go on at once: the bytes of an image are sent on
/// while they arrive.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Limit {
    /// The file that the factory serves, by curl, to nowhere.
    pub download: f64,
    /// The data from the controller to all nodes at once, or to the relay, by ssh into
    /// a file that is synced.
    pub push: f64,
    /// The same from the relay to all others.
    pub onward: Option<f64>,
    /// Processor time of all pushes, and of the nodes meanwhile.
    pub cpu: f64,
    pub nodes_cpu: f64,
}

impl Limit {
    /// The slowest part.
    pub fn most(&self) -> f64 {
        self.download
            .max(self.push)
            .max(self.onward.unwrap_or_default())
    }

    /// Measures each part once.
    pub fn measure(bench: &Bench<'_>, job: Job) -> Result<Self> {
        let image = job.image(bench);
        bench.settle(&[image])?;
        let log = bench.dir.join("limit.log");
        let mut curl = Command::new("curl");
        curl.args(["-fsSL", "-o", "/dev/null", &bench.url_of(image)]);
        crate::without_proxies(&mut curl);
        let download = measure::run(&mut curl, &log, &[])?.seconds;

        let nodes = &bench.nodes[..job.case.nodes()];
        let (first, others) = nodes.split_at(1);
        let relay = match bench.network {
            Some(network) if bench.profile.has_relay() => Some(&network.nodes[0]),
            _ => None,
        };
        let (pushed, onward) = match relay {
            None => (push(bench, image, nodes)?, None),
            Some(relay) => {
                let pushed = push(bench, image, first)?;
                let onward = relay.inside(|| push(bench, image, others))??;
                (pushed, Some(onward))
            }
        };
        let both = |of: fn(&Cost) -> f64| of(&pushed) + onward.as_ref().map_or(0.0, of);
        Ok(Self {
            download,
            push: pushed.seconds,
            onward: onward.map(|onward| onward.seconds),
            cpu: both(|cost| cost.cpu),
            nodes_cpu: both(|cost| cost.nodes_cpu),
        })
    }
}

const SCRIPT: &str = r#"#!/usr/bin/env bash
set -euo pipefail
pids=()
push() {
    $ssh -p "$2" "$1" "cat >'$3' && sync '$3'" <"$data" &
    pids+=($!)
}
all() {
    for pid in "${pids[@]}"; do wait "$pid"; done
}

"#;

/// Sends the data of an image to nodes at once, each over a connection of its own.
fn push(bench: &Bench<'_>, image: &Image, nodes: &[SshNode]) -> Result<Cost> {
    let ssh = std::iter::once("ssh".to_owned()).chain(bench.lab.ssh_opts());
    let ssh = ssh.collect::<Vec<_>>().join(" ");
    let mut text = format!("{SCRIPT}ssh='{ssh}'\ndata='{}'\n", image.data.display());
    for node in nodes {
        let (address, port) = (node.address, node.port);
        let file = target(node);
        text.push_str(&format!("push {address} {port} '{}'\n", file.display()));
    }
    text.push_str("all\n");
    let script = bench.dir.join("limit.sh");
    std::fs::write(&script, text)?;
    let log = bench.dir.join("limit.log");
    let mut bash = Command::new("bash");
    bash.arg(&script);
    let cost = measure::run(&mut bash, &log, &crate::pids(nodes))?;
    for node in nodes {
        remove(&target(node))?;
    }
    Ok(cost)
}

fn target(node: &SshNode) -> PathBuf {
    node.root.join("limit")
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).with_context(|| path.display().to_string())
}
