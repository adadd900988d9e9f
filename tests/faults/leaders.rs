//! Leaders of a site that follow each other in a directory, with something going wrong in
//! the work of one of them. It is a program of its own: this one, as a controller.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use talos_order::model::{
    Arch, ArtifactId, Format, LeaderEpoch, Method, Node, Platform, Proof, Reach,
};
use talos_order::nodes::{
    Authority, Delivery, KeepOpen, LEASE, NodeError, Nodes, NodesConfig, Removal, SystemNodes,
};

use crate::control::{Calls, Fault, KINDS, Kind, Seams};
use crate::disk::{Disk, Kept};
use crate::places::empty;
use crate::truth::{digest, lies_on_node, recorded};

/// Set for a test that is run as a controller: directory, epoch and what it delivers.
const ROLE: &str = "TALOS_ORDER_TEST_LEADER_UNDER_FAULTS";

const EPOCH: &str = ".talos-order.epoch";

/// The name that each leader gives its own content.
const NAME: &str = "talos.iso";

/// What the first leader delivers beside it, and the next ones remove.
const OLD: &str = "old.iso";

fn leader(epoch: u64) -> SystemNodes {
    let authority = Authority::of_site("prague".parse().unwrap());
    authority.grant(LeaderEpoch::new(epoch), Duration::MAX);
    SystemNodes::new(NodesConfig {
        ssh_opts: Vec::new(),
        rsync_opts: Vec::new(),
        connect: Duration::from_secs(20),
        look: Duration::from_secs(60),
        idle: Duration::from_secs(20),
        control_dir: None,
        keep_open: KeepOpen::Briefly,
        sessions: 4,
        owner: "homelab".to_owned(),
        instance: format!("{epoch:016x}"),
        lease: LEASE,
        verify_rate: None,
        vm_configs: None,
        vm_configs_of: BTreeMap::new(),
        bandwidth: None,
        bandwidth_of: BTreeMap::new(),
        authority,
        authority_of: BTreeMap::new(),
        machine_epochs: "/nonexistent/talos-order/epoch".to_owned(),
    })
    .unwrap()
}

fn node() -> Node {
    Node {
        id: "pve-01".parse().unwrap(),
        reach: Reach::Local,
    }
}

fn delivery(dir: &Path, name: &str, source: &Path) -> Delivery {
    Delivery {
        dir: dir.display().to_string().parse().unwrap(),
        file: name.parse().unwrap(),
        source: source.to_owned(),
        size: fs::metadata(source).unwrap().len(),
        sha256: digest(source),
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
        orders: ["acme".parse().unwrap()].into(),
        now: "2026-08-05T12:00:00Z".parse().unwrap(),
        form: talos_order::model::StoredForm::Same,
        url: String::new(),
        method: Method::Copy,
        proof: Proof::Readback,
        data: None,
        relay: None,
        meter: std::sync::Arc::default(),
    }
}

fn removal(delivery: &Delivery) -> Removal {
    Removal {
        dir: delivery.dir.clone(),
        file: delivery.file.clone(),
        size: delivery.size,
        sha256: delivery.sha256,
    }
}

/// Delivers its content, and removes what the first one delivered.
fn lead(dir: &Path, epoch: u64, source: &Path, old: &Path) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let nodes = leader(epoch);
        nodes.deliver(&node(), &delivery(dir, NAME, source)).await?;
        let old = removal(&delivery(dir, OLD, old));
        nodes.remove(&node(), &old).await.map(drop)
    })
}

/// A leader in a process of its own.
#[test]
fn as_a_leader() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let words: Vec<&str> = role.split('\n').collect();
    let [dir, epoch, source, old] = words[..] else {
        panic!("{role}")
    };
    let epoch = epoch.parse().unwrap();
    lead(Path::new(dir), epoch, Path::new(source), Path::new(old)).unwrap();
}

/// A directory in which the leaders 5, 6 and 7 follow the first one, 4.
struct Succession {
    _dir: tempfile::TempDir,
    root: PathBuf,
    seams: Seams,
    sources: [PathBuf; 4],
}

impl Succession {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("node");
        fs::create_dir(&root).unwrap();
        let sources = [4_u8, 5, 6, 7].map(|number| {
            let source = dir.path().join(number.to_string());
            fs::write(&source, vec![number; 20_000 + 4096 * usize::from(number)]).unwrap();
            source
        });
        Self {
            seams: Seams::new(&dir.path().join("seams"), std::slice::from_ref(&root)),
            root,
            sources,
            _dir: dir,
        }
    }

    /// What the first leader leaves.
    fn prepare(&self) {
        empty(&self.root);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let [first, ..] = &self.sources;
        runtime.block_on(async {
            let nodes = leader(4);
            for name in [NAME, OLD] {
                let delivery = delivery(&self.root, name, first);
                nodes.deliver(&node(), &delivery).await.unwrap();
            }
        });
    }

    /// The leader 5, as a command.
    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let words = [&self.root, &self.sources[1], &self.sources[0]];
        let [dir, source, old] = words.map(|path| path.display().to_string());
        command
            .args(["leaders::as_a_leader", "--exact", "--test-threads=1"])
            .env(ROLE, [dir, "5".to_owned(), source, old].join("\n"));
        command
    }

    /// What the node keeps of leaders.
    fn noted(&self) -> Result<u64, String> {
        let text = fs::read_to_string(self.root.join(EPOCH)).map_err(|error| error.to_string())?;
        let epoch = text.strip_suffix('\n').and_then(|line| {
            let (_, epoch) = line.split_once(" 8be0b544/prague:")?;
            epoch.parse().ok()
        });
        epoch.ok_or(format!("{text:?}"))
    }

    /// Whatever became of the leader 5: what it changed it changed under its epoch, and the
    /// next one does its work and keeps it out.
    fn goes_on(&self) -> Result<(), String> {
        let lies = lies_on_node(&self.root);
        if !lies.is_empty() {
            return Err(lies.join("\n"));
        }
        let noted = self.noted()?;
        let [first, second, third, _] = self.sources.each_ref().map(|path| digest(path));
        let found = digest(&self.root.join(NAME));
        let is_changed = found != first || !self.root.join(OLD).exists();
        if noted < 4 || is_changed && noted != 5 || ![first, second].contains(&found) {
            return Err(format!(
                "changed {is_changed} with the epoch {noted}: {found}"
            ));
        }
        let old = &self.sources[0];
        let next = lead(&self.root, 6, &self.sources[2], old);
        next.map_err(|error| format!("the next leader: {error:?}"))?;
        match lead(&self.root, 5, &self.sources[1], old) {
            Err(NodeError::Outranked { .. }) => {}
            result => return Err(format!("the leader before: {result:?}")),
        }
        let names = recorded(&self.root);
        if digest(&self.root.join(NAME)) != third
            || self.root.join(OLD).exists()
            || names != [NAME]
            || self.noted()? != 6
        {
            return Err(format!("in the end: {names:?} {:?}", self.noted()));
        }
        Ok(())
    }

    fn case(&self, fault: Option<Fault>) -> Result<u64, String> {
        self.prepare();
        let (ended, rest) = self.seams.run(&self.command(), fault, Calls::Files)?;
        if fault.is_none() {
            assert!(ended.status.success(), "{}", self.seams.said());
        }
        drop(rest);
        let gone = self.goes_on();
        gone.map_err(|why| format!("{why}\n  met {}\n  {}", ended.met, self.seams.said()))?;
        Ok(ended.calls)
    }

    /// So many faults, evenly over the work, of all kinds that this machine knows.
    fn faults(&self, count: u64) {
        let total = self.case(None).unwrap();
        assert!(total > 20, "only {total} calls");
        let kinds: Vec<Kind> = KINDS
            .into_iter()
            .filter(|kind| *kind != Kind::Session)
            .collect();
        let count = count.min(total);
        for index in 0..count {
            let fault = Fault {
                at: (2 * index + 1) * total / (2 * count) + 1,
                kind: kinds[index as usize % kinds.len()],
            };
            let went = self.case(Some(fault));
            went.unwrap_or_else(|why| panic!("{} at {}: {why}", fault.kind, fault.at));
        }
    }

    /// So many outages, evenly over the work, with what was not synced lost in some way.
    fn outages(&self, count: usize) {
        self.prepare();
        let mut disk = Disk::before(std::slice::from_ref(&self.root));
        let log = self.root.with_extension("log");
        self.seams.log_to(&log);
        let run = self.seams.run(&self.command(), None, Calls::Files);
        drop(run.unwrap().1);
        disk.replay(&fs::read(log).unwrap()).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let count = count.min(disk.lines());
        for index in 0..count {
            let at = (2 * index + 1) * disk.lines() / (2 * count) + 1;
            let kept = [
                Kept::Nothing,
                Kept::Some(at as u64),
                Kept::Names,
                Kept::All,
                Kept::Lengths,
            ][index % 5];
            disk.cut(at, kept, boot.trim());
            let went = self.goes_on();
            went.unwrap_or_else(|why| panic!("{kept:?} before {}: {why}", disk.said(at)));
        }
    }
}

#[test]
fn a_leader_that_follows_survives_faults() {
    Succession::new().faults(13);
}

#[test]
fn the_power_goes_while_a_leader_follows() {
    Succession::new().outages(10);
}

#[test]
#[ignore = "minutes: every call"]
fn every_call_of_a_leader_that_follows() {
    Succession::new().faults(u64::MAX);
    Succession::new().outages(usize::MAX);
}
