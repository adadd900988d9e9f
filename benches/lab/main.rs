//! The lab: what talos-order is measured in, built by itself.
//!
//! `cargo bench --bench lab` makes images in the shape of real ones, a factory that
//! serves them and eight nodes with a real sshd: on loopback addresses of this
//! machine, and then in network namespaces that are joined by slow links. It does the
//! same work in the sequential way (a script with curl, xz, sha256sum, ssh and rsync)
//! and with the built program, and prints how many times faster the one is than the
//! other, beside what the machine and the links cannot do faster. docs/performance.md
//! tells how to read that.
//!
//! Without `--bench`, which cargo adds, nothing is done: tests and lints that build
//! every target cost nothing here.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab is made of files, processes and connections"
)]

mod args;
mod bench;
mod cases;
#[path = "../../tests/common/factory.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "shared with the tests, which may fail where they stand"
)]
mod factory;
mod floor;
mod images;
mod jobs;
mod limit;
mod machine;
mod measure;
mod net;
mod ours;
mod report;
mod rounds;
mod sequential;
mod siblings;
mod signals;
#[path = "../../tests/common/sshd.rs"]
#[expect(
    clippy::unwrap_used,
    dead_code,
    reason = "shared with the tests, which may fail where they stand"
)]
mod sshd;
mod stock;
mod wire;

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use signals::{Signals, is_interrupted};

/// The longest path of a lab in which the sockets of its connections have room.
const SHORT: usize = 103 - "/ours/state/ssh/".len() - 57;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match run(&args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if is_interrupted() => {
            eprintln!("\nerror: interrupted");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &args::Args) -> Result<()> {
    let jobs = rounds::chosen(args)?;
    machine::require_tools()?;
    let parent = machine::choose_dir(args.dir.as_deref())?;
    machine::require_space(&parent, rounds::space(args, &jobs))?;
    measure::take_in_orphans()?;
    let dir = tempfile::Builder::new()
        .prefix("to-lab-")
        .tempdir_in(&parent)
        .with_context(|| format!("{} cannot be written", parent.display()))?;
    if dir.path().as_os_str().len() > SHORT {
        eprintln!(
            "{} is too long for sockets: no connection stays open",
            dir.path().display()
        );
    }
    let _signals = Signals::watch()?;
    let machine = machine::Machine::look();
    let results = rounds::run(args, dir.path(), &jobs)?;
    let report = report::Report::new(args, &machine, &results);
    print!(
        "{}",
        if args.json {
            report.json()
        } else {
            report.text()
        }
    );
    Ok(())
}

/// The processes that listen as nodes.
fn pids(nodes: &[sshd::SshNode]) -> Vec<u32> {
    nodes.iter().filter_map(sshd::SshNode::pid).collect()
}

/// Everything is on this machine: no proxy is asked.
fn without_proxies(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_uppercase().ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
}

/// Removes a directory with everything in it, if it is there.
fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
