//! What a whole run with nothing to do costs, and how that grows.
//!
//! Run with `cargo bench --bench growth`; with `-- --quick` it leaves out the largest
//! sizes. It runs the real program on directories of this machine that hold all that
//! is wanted, and prints for each size the seconds, the seconds of processor (of the
//! program and of the scripts it starts), the peak of memory, and how much of each
//! ten times as much costs: 10 is linear.
//!
//! `GROWTH_PROGRAM` names another build of the program, to compare it with.
//!
//! Worlds of up to a hundred places are made by a real first run against the factory
//! factory stub. Larger ones are written down as such a run leaves them, which takes
//! seconds instead of minutes; that the measured run finds nothing to do is checked.

#![expect(
    clippy::disallowed_methods,
    reason = "measures a program on files of this machine"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use talos_order::factory_stub::{FactoryStub, StubOptions};
use talos_order::facts::{Catalog, Meta, Provenance, RecordEntry};
use talos_order::model::Sha256;
use talos_order::plan::{Desired, Naming, resolve};
use talos_order::{config, orders};

/// What is asked of the program, by name.
const COMMANDS: [(&str, &[&str]); 3] = [
    ("validate", &["validate"]),
    ("plan", &["plan"]),
    ("pass", &["--once"]),
];

/// Positions, and nodes that each of them goes to.
const SIZES: [(usize, usize); 7] = [
    (10, 1),
    (100, 1),
    (1_000, 1),
    (10_000, 1),
    (1_000, 1),
    (1_000, 10),
    (1_000, 100),
];

/// So many places at most are filled by a real first run.
const REAL_PLACES: usize = 100;

/// A short run is repeated until so much time is over, for a mean that is worth
/// something: the kernel counts processor time in hundredths.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    // `cargo test` builds and runs benchmarks, too, and is in a hurry.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let quick = std::env::args().any(|arg| arg == "--quick");
    println!(
        "{:<9} {:>9} {:>6} {:>8} {:>9} {:>7} {:>9} {:>7} {:>9} {:>9}",
        "command",
        "positions",
        "nodes",
        "places",
        "wall s",
        "x",
        "cpu s",
        "x",
        "peak MiB",
        "allowed"
    );
    let mut before: Vec<(&str, usize, Cost)> = Vec::new();
    for (positions, nodes) in SIZES {
        let places = positions * nodes;
        if quick && places > 1_000 {
            continue;
        }
        let world = World::make(positions, nodes)?;
        for (name, args) in COMMANDS {
            let cost = world.measure(args)?;
            let smaller = before
                .iter()
                .rfind(|(other, size, _)| *other == name && size * 10 == places);
            let ratio = |of: fn(&Cost) -> f64| match smaller {
                Some((_, _, smaller)) => format!("{:.1}", of(&cost) / of(smaller)),
                None => "-".to_owned(),
            };
            println!(
                "{name:<9} {positions:>9} {nodes:>6} {places:>8} {:>9.4} {:>7} {:>9.4} {:>7} {:>9.1} {:>9}",
                cost.wall,
                ratio(|cost| cost.wall),
                cost.cpu,
                ratio(|cost| cost.cpu),
                cost.peak_kib as f64 / 1024.0,
                128 + places * 2 / 1024,
            );
            before.push((name, places, cost));
        }
    }
    Ok(())
}

/// What a command costs: seconds, and the peak of its own memory in KiB.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak_kib: u64,
}

/// A fleet on this machine that holds all that is wanted.
struct World {
    dir: tempfile::TempDir,
    positions: usize,
    nodes: usize,
}

impl World {
    fn make(positions: usize, nodes: usize) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let world = Self {
            dir,
            positions,
            nodes,
        };
        world.write_orders()?;
        if positions * nodes <= REAL_PLACES {
            world.first_run()?;
        } else {
            world.write_config("http://127.0.0.1:9/")?;
            world.fill("http://127.0.0.1:9/")?;
        }
        // The first run over a made-up world writes the manifests.
        world.run(&["--once"])?;
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write_orders(&self) -> anyhow::Result<()> {
        fs::create_dir_all(self.path("orders"))?;
        for (number, first) in (0..self.positions).step_by(50).enumerate() {
            let mut text = format!("orderid: order-{number}\npositions:\n");
            for position in first..self.positions.min(first + 50) {
                writeln!(
                    text,
                    "  - name: position-{position}\n    version: v1.11.3\n    \
                     customization: {{extraKernelArgs: [console=ttyS{position}]}}\n    \
                     push: {{enabled: true, hosts: [{{group: all}}]}}"
                )?;
            }
            fs::write(self.path(&format!("orders/{number}.yaml")), text)?;
        }
        Ok(())
    }

    fn write_config(&self, factory: &str) -> anyhow::Result<()> {
        let at = self.dir.path().display();
        let mut text = format!(
            "state_dir: {at}/state\ndefaults:\n  cache_dir: {at}/cache\n\
             manifest:\n  dir: {at}/manifests\nowner: growth\n\
             factory:\n  url: {factory}\nnodes:\n"
        );
        for node in 0..self.nodes {
            let dir = self.node(node);
            writeln!(
                text,
                "  - {{name: node-{node}, local: true, labels: [all], iso_dir: {}}}",
                dir.display()
            )?;
        }
        Ok(fs::write(self.path("config.yaml"), text)?)
    }

    fn node(&self, node: usize) -> PathBuf {
        self.path(&format!("node-{node}"))
    }

    fn first_run(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Runtime::new()?;
        let options = StubOptions {
            disk_bytes: 1 << 20,
            ..StubOptions::default()
        };
        let factory = runtime.block_on(FactoryStub::start(options))?;
        self.write_config(&factory.url())?;
        self.run(&["--once"]).map(drop)
    }

    /// Writes cache, nodes and records as a first run leaves them.
    fn fill(&self, factory: &str) -> anyhow::Result<()> {
        let cache = self.path("cache");
        fs::create_dir_all(&cache)?;
        let now = Timestamp::now();
        let sha256 = Sha256::from_bytes([1; 32]);
        let desired = self.desired(factory)?;
        for (artifact, want) in &desired.artifacts {
            let file = &want.file;
            let (size, mtime_ns, _) = write(&cache.join(file))?;
            let meta = Meta {
                artifact: artifact.clone(),
                size,
                sha256,
                url: format!("{factory}{}", artifact.factory_path()),
                data: None,
                unpacked_from: None,
                provenance: Provenance::FirstSeen,
                etag: None,
                completed_at: now,
                mtime_ns,
                last_wanted: now,
                whole: Some(talos_order::testing::EDITION),
                refuted: BTreeSet::new(),
            };
            let record = serde_json::to_string_pretty(&meta)?;
            fs::write(cache.join(format!(".{file}.meta.json")), record)?;
            let line = format!("{sha256}  {file}\n");
            fs::write(cache.join(format!("{file}.sha256")), line)?;
        }
        for (target, files) in &desired.placed {
            let dir = Path::new(target.dir.as_str());
            fs::create_dir_all(dir)?;
            let mut record = "{\"talos-order\":\"record\",\"version\":1}\n".to_owned();
            for (file, placed) in files {
                let (size, mtime, inode) = write(&dir.join(file))?;
                let orders = placed.wanted_by.iter().map(|want| want.order.clone());
                let entry = RecordEntry {
                    name: file.clone(),
                    size,
                    mtime,
                    inode,
                    sha256,
                    image_sha256: None,
                    artifact: placed.artifact.clone(),
                    orders: orders.collect(),
                    owner: "growth".to_owned(),
                    deletion: None,
                    revision: None,
                    placed_at: now,
                };
                writeln!(record, "{}", serde_json::to_string(&entry)?)?;
            }
            fs::write(dir.join(".talos-order.jsonl"), record)?;
        }
        Ok(())
    }

    /// What the orders want, as the program itself finds it.
    fn desired(&self, factory: &str) -> anyhow::Result<Desired> {
        let settings = config::load(Some(&self.path("config.yaml")))?;
        let orders = orders::load(&self.path("orders"), &settings.orders)?;
        let naming = Naming {
            template: settings.naming,
            factory_url: factory.to_owned(),
            qcow2_clusters: BTreeSet::new(),
        };
        Ok(resolve(&orders, &Catalog::default(), &naming))
    }

    /// Runs the program and returns what it costs and says.
    fn run(&self, args: &[&str]) -> anyhow::Result<(Cost, String)> {
        let said = self.path("said");
        let output = fs::File::create(&said)?;
        let cpu = children_cpu()?;
        let begun = Instant::now();
        let mut child = Command::new(program())
            .args(args)
            .arg("--config")
            .arg(self.path("config.yaml"))
            .arg("--orders")
            .arg(self.path("orders"))
            .current_dir(self.dir.path())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut peak_kib = 0;
        let status = loop {
            // Its peak is gone with it, so it is asked for while it runs.
            peak_kib = peak(child.id()).unwrap_or(0).max(peak_kib);
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        let wall = begun.elapsed().as_secs_f64();
        let cpu = children_cpu()? - cpu;
        let said = fs::read_to_string(&said)?;
        ensure!(status.success(), "{args:?} failed: {}", last_line(&said));
        let cost = Cost {
            wall,
            cpu,
            peak_kib,
        };
        Ok((cost, said))
    }

    /// The mean of as many runs as are worth something, each with nothing to do.
    fn measure(&self, args: &[&str]) -> anyhow::Result<Cost> {
        let mut costs: Vec<Cost> = Vec::new();
        while costs.len() < 3
            || costs.iter().map(|cost| cost.wall).sum::<f64>() < LONG_ENOUGH.as_secs_f64()
        {
            let (cost, said) = self.run(args)?;
            if args != ["validate"] {
                let places = self.positions * self.nodes + self.positions;
                let expected = format!("nothing to do; {places} in sync");
                ensure!(
                    said.contains(&expected),
                    "{args:?} had work: {}",
                    last_line(&said)
                );
            }
            costs.push(cost);
        }
        let count = costs.len() as f64;
        let mean = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / count;
        let peaks = costs.iter().map(|cost| cost.peak_kib);
        Ok(Cost {
            wall: mean(|cost| cost.wall),
            cpu: mean(|cost| cost.cpu).max(0.0001),
            peak_kib: peaks.max().unwrap_or(0),
        })
    }
}

/// The program as built, or another build of it to compare with.
fn program() -> std::ffi::OsString {
    let built = || env!("CARGO_BIN_EXE_talos-order").into();
    std::env::var_os("GROWTH_PROGRAM").unwrap_or_else(built)
}

/// What a command said at the end; there may be a line for every place before.
fn last_line(said: &str) -> &str {
    said.lines().last().unwrap_or_default()
}

/// Writes a small image; its length, modification time and inode number.
fn write(path: &Path) -> io::Result<(u64, i64, u64)> {
    fs::write(path, "image")?;
    let metadata = fs::metadata(path)?;
    let mtime = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
    Ok((metadata.size(), mtime, metadata.ino()))
}

/// Seconds of processor that the children of this process have had, with theirs.
fn children_cpu() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The fields after the name, which may hold anything, begin with the third;
    // the sixteenth and seventeenth count hundredths (proc_pid_stat(5)).
    let (_, fields) = text.rsplit_once(')').context("no name in it")?;
    let fields = fields.split_whitespace().skip(13).take(2);
    let ticks: Vec<u32> = fields.map(str::parse).collect::<Result<_, _>>()?;
    Ok(f64::from(ticks.iter().sum::<u32>()) / 100.0)
}

/// The peak of a process's memory so far, in KiB.
fn peak(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
