//! A fleet on one machine: sites with two controllers each, nodes, one store, one factory.
//!
//! `cargo bench --bench fleet` starts SeaweedFS, a factory and ten controllers as
//! processes, which deliver four images to 500 nodes: directories of this machine, and
//! eight with a real sshd. In the middle of it the leader of each site is killed, and of a
//! second version it is stopped for longer than its leadership lasts. What has to hold is
//! checked, and the bench fails where it does not: every image comes from the factory once,
//! every node has the right bytes, nothing is written twice or by an old leader. What should
//! be fast or small is shown beside what is wanted. docs/performance.md tells more.
//!
//! Without `--bench`, which cargo adds, nothing is done.

#![expect(
    clippy::disallowed_methods,
    reason = "a fleet is made of files, processes and connections"
)]

mod alone;
mod args;
mod controller;
mod delivery;
mod eye;
mod idle;
#[path = "../lab/machine.rs"]
mod machine;
#[path = "../lab/measure.rs"]
#[expect(dead_code, reason = "shared with the lab, which measures more")]
mod measure;
mod report;
#[path = "../../tests/common/seaweed.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "shared with the tests, which may fail where they stand"
)]
mod seaweed;
#[path = "../lab/signals.rs"]
mod signals;
#[path = "../../tests/common/sshd.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "shared with the tests, which may fail where they stand"
)]
mod sshd;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use signals::{Signals, is_interrupted};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(1200);

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match run(&args::Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False where something did not hold that has to.
fn run(args: &args::Args) -> Result<bool> {
    machine::require_tools()?;
    let parent = machine::choose_dir(args.dir.as_deref())?;
    machine::require_space(&parent, args.space())?;
    measure::take_in_orphans()?;
    // Short: the sockets of connections are below it.
    let dir = tempfile::Builder::new()
        .prefix("to-")
        .tempdir_in(&parent)
        .with_context(|| format!("{} cannot be written", parent.display()))?;
    let _signals = Signals::watch()?;
    let machine = machine::Machine::look();
    let world = world::World::make(args, dir.path())?;
    let delivered = delivery::run(args, &world)?;
    let idle = idle::run(args, &world)?;
    let alone = alone::run(args, &world)?;
    let report = report::Report {
        args,
        machine: &machine,
        world: &world,
        delivered: &delivered,
        idle: &idle,
        alone: &alone,
    };
    print!(
        "{}",
        if args.json {
            report.json()
        } else {
            report.text()
        }
    );
    measure::end_connections();
    Ok(report.is_right())
}

/// What goes on, for whoever watches.
fn say(args: &args::Args, text: &str) {
    if !args.quiet {
        eprintln!("{text}");
    }
}

/// Waits until something is so.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let begin = Instant::now();
    while !is_so() {
        ensure!(!is_interrupted(), "interrupted");
        ensure!(
            begin.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The same for what is shared with the tests, which fail where they stand.
#[expect(clippy::expect_used, reason = "see above")]
fn wait_for(what: &str, is_so: impl FnMut() -> bool) {
    wait_until(what, is_so).expect("it is so");
}
