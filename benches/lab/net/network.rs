//! Makes the namespaces and their links, and removes them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::profile::{Profile, Rates};
use super::space::Space;
use crate::sshd;

/// What the names of all namespaces of all labs begin with; the process follows.
const PREFIX: &str = "to-lab-";
/// The device of every machine.
pub const DEVICE: &str = "eth0";
/// The devices at both ends of the uplink, in the switch.
const UPLINK: [&str; 2] = ["up-near", "up-far"];
/// What a token bucket holds, as time at its rate: short against any transfer, and
/// long against the ticks of the kernel.
const BURST_MILLISECONDS: u64 = 3;
/// At least a packet as TCP hands it over when a device cuts it.
const LEAST_BURST: u64 = 64 << 10;
/// How long a packet may wait before the bucket drops it: what a switch holds.
const QUEUE: &str = "50ms";
/// How often a namespace is asked to go: a signal may hit who asks.
const ATTEMPTS: usize = 3;

/// Namespaces with links; removed when dropped.
#[derive(Debug)]
pub struct Network {
    pub profile: Profile,
    pub controller: Space,
    pub factory: Space,
    pub nodes: Vec<Space>,
    switch: Space,
}

impl Network {
    /// Makes everything for so many nodes.
    ///
    /// # Errors
    /// Without root, `ip`, `tc` or token buckets; nothing is left behind.
    pub fn build(profile: Profile, nodes: usize) -> Result<Self> {
        let rates = profile.rates().context("this profile has no links")?;
        ensure!(
            rustix::process::geteuid().is_root(),
            "only root makes network namespaces"
        );
        let space = |what: &str| Space {
            name: format!("{PREFIX}{}-{what}", std::process::id()),
        };
        // Complete before anything is made: what is there is removed from now on.
        let network = Self {
            profile,
            controller: space("controller"),
            factory: space("factory"),
            nodes: (0..nodes)
                .map(|number| space(&format!("n{number}")))
                .collect(),
            switch: space("switch"),
        };
        network.make(rates)?;
        Ok(network)
    }

    pub fn controller_address() -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 1)
    }

    pub fn factory_address() -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 2)
    }

    pub fn node_address(number: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 1, number as u8 + 1)
    }

    /// Bytes that have come to each node so far.
    pub fn received(&self) -> Result<Vec<u64>> {
        self.nodes
            .iter()
            .map(|node| node.received(DEVICE))
            .collect()
    }

    /// Bytes that have come over the uplink, where there is one.
    pub fn over_uplink(&self) -> Result<Option<u64>> {
        let rates = self.profile.rates().and_then(|rates| rates.uplink);
        rates.map(|_| self.switch.received(UPLINK[1])).transpose()
    }

    /// Gives the uplink another rate, in both directions.
    pub fn limit_uplink(&self, rate: u32) -> Result<()> {
        UPLINK
            .iter()
            .try_for_each(|device| limit(&self.switch.name, device, rate))
    }

    fn spaces(&self) -> impl Iterator<Item = &Space> {
        [&self.controller, &self.factory, &self.switch]
            .into_iter()
            .chain(&self.nodes)
    }

    fn make(&self, rates: Rates) -> Result<()> {
        for Space { name } in self.spaces() {
            run(&format!("ip netns add {name}"))?;
            run(&format!("ip -n {name} link set lo up"))?;
        }
        let switch = &self.switch.name;
        for bridge in ["near", "far"] {
            run(&format!("ip -n {switch} link add {bridge} type bridge"))?;
            run(&format!("ip -n {switch} link set {bridge} up"))?;
        }
        let [near, far] = UPLINK;
        run(&format!(
            "ip -n {switch} link add {near} type veth peer name {far}"
        ))?;
        for (device, bridge) in [(near, "near"), (far, "far")] {
            run(&format!(
                "ip -n {switch} link set {device} master {bridge} up"
            ))?;
        }
        if let Some(rate) = rates.uplink {
            self.limit_uplink(rate)?;
        }
        let (near, far) = ("near", "far");
        let machine = rates.machine;
        self.join(&self.controller, Self::controller_address(), near, machine)?;
        self.join(&self.factory, Self::factory_address(), near, rates.factory)?;
        for (number, node) in self.nodes.iter().enumerate() {
            self.join(node, Self::node_address(number), far, machine)?;
        }
        Ok(())
    }

    /// Plugs a machine into a bridge of the switch.
    fn join(&self, space: &Space, address: Ipv4Addr, bridge: &str, rate: u32) -> Result<()> {
        let (switch, name) = (&self.switch.name, &space.name);
        let port = name.rsplit('-').next().unwrap_or_default();
        run(&format!(
            "ip link add {DEVICE} netns {name} type veth peer name {port} netns {switch}"
        ))?;
        run(&format!("ip -n {name} addr add {address}/16 dev {DEVICE}"))?;
        run(&format!("ip -n {name} link set {DEVICE} up"))?;
        run(&format!(
            "ip -n {switch} link set {port} master {bridge} up"
        ))?;
        limit(name, DEVICE, rate)?;
        limit(switch, port, rate)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let names: Vec<&str> = self.spaces().map(|space| space.name.as_str()).collect();
        names.into_iter().for_each(remove);
    }
}

/// Limits what a device sends, to Mbit/s.
fn limit(space: &str, device: &str, rate: u32) -> Result<()> {
    let burst = LEAST_BURST.max(u64::from(rate) * 1000 / 8 * BURST_MILLISECONDS);
    run(&format!(
        "tc -n {space} qdisc replace dev {device} root tbf rate {rate}mbit burst {burst} latency {QUEUE}"
    ))
}

/// Removes what labs have left behind that were killed.
pub fn clear_leftovers() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let is_left = process.is_some_and(|pid| {
            pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()
        });
        if is_left {
            remove(&name);
        }
    }
}

/// Removes a namespace of a lab and ends what still runs in it, such as connections
/// that a node has left open.
fn remove(name: &str) {
    if !Path::new("/run/netns").join(name).exists() {
        return;
    }
    let pids = Command::new("ip").args(["netns", "pids", name]).output();
    if let Ok(pids) = pids {
        let pids = String::from_utf8_lossy(&pids.stdout).into_owned();
        let others = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
        // Threads of this process are in it while it is cleared.
        others
            .filter(|&pid| pid != std::process::id())
            .for_each(sshd::kill);
    }
    for _ in 0..ATTEMPTS {
        if run(&format!("ip netns del {name}")).is_ok() {
            return;
        }
    }
    eprintln!("the network namespace {name} is left behind: ip netns del {name}");
}

/// Runs a command without blanks in its words.
fn run(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{line}: the Debian package is iproute2"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}", said.trim());
    Ok(())
}
