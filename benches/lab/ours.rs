//! The same work with talos-order: a configuration, an order, the built program.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::images::{self, Image};
use crate::measure::{self, Cost};
use crate::sshd::{Lab, SshNode};

/// How long a controller may take until it answers.
const PATIENCE: Duration = Duration::from_secs(600);

/// A directory with everything that a run reads and writes, but for the nodes.
pub struct Ours<'a> {
    dir: PathBuf,
    ssh_opts: String,
    factory: String,
    nodes: &'a [SshNode],
    /// The nodes are a site, and the first one serves the others.
    relay: bool,
}

impl<'a> Ours<'a> {
    /// `dir` should be short: where the sockets of connections have no room, none stays
    /// open from one run to the next.
    pub fn new(
        dir: PathBuf,
        lab: &Lab,
        factory: &str,
        nodes: &'a [SshNode],
        relay: bool,
    ) -> Result<Self> {
        fs::create_dir_all(dir.join("orders"))?;
        Ok(Self {
            dir,
            ssh_opts: lab.ssh_opts().join(" "),
            factory: factory.to_owned(),
            nodes,
            relay,
        })
    }

    fn node_dir(&self, number: usize) -> PathBuf {
        let name = self.dir.file_name().unwrap_or_default();
        self.nodes[number].root.join(name)
    }

    /// Nothing is anywhere.
    pub fn wipe(&self) -> Result<()> {
        let nodes = (0..self.nodes.len()).map(|number| self.node_dir(number));
        let own = ["cache", "manifests", "state"].map(|name| self.dir.join(name));
        for dir in nodes.chain(own) {
            crate::remove(&dir)?;
        }
        Ok(())
    }

    /// A node loses an image, if it has it.
    pub fn lose(&self, image: &Image, number: usize) -> Result<()> {
        match fs::remove_file(self.path(image, number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => Ok(result?),
        }
    }

    /// What was learnt of links is forgotten.
    pub fn forget_links(&self) -> Result<()> {
        crate::remove(&self.dir.join("state"))
            .context("the directory of the state cannot be removed")
    }

    /// The bytes that a node's files take.
    pub fn allocated(&self, number: usize) -> u64 {
        images::allocated(&self.node_dir(number))
    }

    /// Fails unless the first nodes have the right bytes.
    pub fn check(&self, image: &Image, nodes: usize) -> Result<()> {
        for number in 0..nodes {
            let path = self.path(image, number);
            if images::digest(&path)? != image.sha256 {
                bail!("{} holds other bytes than it should", path.display());
            }
        }
        Ok(())
    }

    fn path(&self, image: &Image, number: usize) -> PathBuf {
        let kind = if image.is_iso() { "iso" } else { "import" };
        self.node_dir(number).join(kind).join(image.file_name())
    }

    /// Names the first nodes, by their own ports or by those of the doors, and the
    /// method of pushes if it is not to be chosen.
    pub fn configure(
        &self,
        nodes: usize,
        ports: Option<&[u16]>,
        method: Option<&str>,
    ) -> Result<()> {
        let dir = self.dir.display();
        let (sites, site) = if self.relay {
            let sites = format!(
                "sites: [{{name: far, relay: pve-0, ssh_opts: \"{}\"}}]\n",
                self.ssh_opts
            );
            (sites, ", site: far")
        } else {
            (String::new(), "")
        };
        let mut text = format!(
            "owner: lab\nstate_dir: {dir}/state\n\
             defaults:\n  cache_dir: {dir}/cache\n  push:\n    enabled: true\n    create: true\n    \
             prefer_decompressed: true\n    ssh_opts: \"{ssh_opts}\"\n    method: {method}\n\
             manifest: {{dir: {dir}/manifests}}\n\
             factory: {{url: \"{factory}\"}}\ngithub: {{api_url: \"{factory}\"}}\n\
             reconcile: {{interval: 1h}}\n\
             prune: {{vm_configs: false}}\n{sites}nodes:\n",
            ssh_opts = self.ssh_opts,
            method = method.unwrap_or("auto"),
            factory = self.factory,
        );
        for (number, node) in self.nodes.iter().enumerate().take(nodes) {
            let port = ports.map_or(node.port, |ports| ports[number]);
            let (address, root) = (node.address, self.node_dir(number));
            let root = root.display();
            text.push_str(&format!(
                "  - {{name: pve-{number}, host: {address}, port: {port}, labels: [lab], \
                 iso_dir: {root}/iso, import_dir: {root}/import{site}}}\n"
            ));
        }
        Ok(fs::write(self.dir.join("config.yaml"), text)?)
    }

    /// Orders images for every node of the configuration.
    pub fn order(&self, images: &[&Image]) -> Result<()> {
        let mut text = "- orderid: lab\n  positions:\n".to_owned();
        for image in images {
            let (version, kernel_arg) = (&image.artifact.version, &image.kernel_arg);
            let format = image.artifact.format.as_str();
            text.push_str(&format!(
                "    - name: {name}\n      platform: nocloud\n      image_format: {format}\n      \
                 secureboot: true\n      version: {{type: exact, value: {version}}}\n      \
                 customization: {{extraKernelArgs: [\"{kernel_arg}\"]}}\n      \
                 push: {{hosts: [{{group: lab}}]}}\n",
                name = kernel_arg.replace('=', "-"),
            ));
        }
        Ok(fs::write(self.dir.join("orders/lab.yaml"), text)?)
    }

    /// A run, as the user types it.
    pub fn apply(&self) -> Result<Cost> {
        let log = self.log("apply");
        let pids = crate::pids(self.nodes);
        measure::run(&mut self.command("apply", true), &log, &pids)
    }

    fn command(&self, verb: &str, with_orders: bool) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_talos-order"));
        command.arg(verb).arg("--config");
        command.arg(self.dir.join("config.yaml"));
        if with_orders {
            command.arg("--orders").arg(self.dir.join("orders"));
        }
        command.current_dir(&self.dir);
        crate::without_proxies(&mut command);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TALOS_ORDER_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn log(&self, verb: &str) -> PathBuf {
        self.dir.join(format!("{verb}.log"))
    }

    /// Starts the controller and waits until it has done a run that found nothing to
    /// do.
    pub fn controller(&self) -> Result<Controller<'_>> {
        let log = self.log("run");
        let mut child = measure::spawn(&mut self.command("run", true), &log)?;
        let begin = Instant::now();
        while self.reconcile().is_err() {
            if child.try_wait()?.is_some() || begin.elapsed() > PATIENCE {
                bail!("the controller does not answer:\n{}", measure::tail(&log));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Controller { ours: self, child })
    }

    fn reconcile(&self) -> Result<Cost> {
        let log = self.log("reconcile");
        let pids = crate::pids(self.nodes);
        measure::run_on(&mut self.command("reconcile", false), &log, &pids)
    }
}

/// A running controller; asked to end when dropped.
pub struct Controller<'a> {
    ours: &'a Ours<'a>,
    child: Child,
}

impl Controller<'_> {
    /// Requests a run and waits for its result. The memory is the controller's.
    pub fn reconcile(&self) -> Result<Cost> {
        let pid = self.child.id();
        let before = measure::process_cpu(pid);
        let mut cost = self.ours.reconcile()?;
        cost.cpu += measure::process_cpu(pid) - before;
        cost.peak = measure::peak_memory(pid);
        Ok(cost)
    }
}

impl Drop for Controller<'_> {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
        measure::end_connections();
    }
}
