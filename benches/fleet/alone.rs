//! What a single controller pays for there being fleets: size, start, threads, memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::args::Args;
use crate::controller::{Controller, program};
use crate::measure::median;
use crate::world::{ControllerSetup, FleetNode, World};
use crate::{say, wait_until};

/// What a program takes, with or without a store.
pub struct Alone {
    pub about: &'static str,
    pub bytes: u64,
    /// Milliseconds; the middle of many.
    pub status: f64,
    pub plan: f64,
    /// Of a controller that has done its first run.
    pub threads: u64,
    pub resident: u64,
}

pub fn run(args: &Args, world: &World) -> Result<Vec<Alone>> {
    say(args, "a single controller");
    let mut found = Vec::new();
    if let Some(before) = &args.before {
        found.push(measure(
            args,
            world,
            ("another build", before.clone(), None),
        )?);
    }
    found.push(measure(args, world, ("without a store", program(), None))?);
    found.push(measure(
        args,
        world,
        ("with a store", program(), Some("alone/")),
    )?);
    Ok(found)
}

fn measure(
    args: &Args,
    world: &World,
    (about, program, prefix): (&'static str, PathBuf, Option<&str>),
) -> Result<Alone> {
    let dir = world.dir.join(about.replace(' ', "-"));
    // One that is a directory: a connection would take longer than all the rest.
    let at = world.nodes.iter().position(|node| !node.is_ssh);
    let node = &world.nodes[at.context("every node is reached over ssh")?..][..1];
    let mut controller = Controller::new(&dir, &world.dir.join("orders"));
    world.configure(&ControllerSetup {
        dir: &dir,
        prefix,
        site: None,
        site_of: &|_: &FleetNode| String::new(),
        nodes: node,
    })?;
    controller.start_with(&program)?;
    wait_until("the first run ended", || {
        let ended = controller.look();
        ended
            .number("talos_order_last_run_end_timestamp_seconds")
            .is_some()
    })?;
    let now = controller.look();
    let (threads, resident) = (
        now.whole("process_threads"),
        now.whole("process_resident_memory_bytes"),
    );
    controller.end(Signal::TERM)?;
    let times = if args.quick { 5 } else { 30 };
    let start = |args: &[&str]| start(&controller, &program, args, times);
    Ok(Alone {
        about,
        bytes: fs::metadata(&program)?.len(),
        status: start(&["status"])?,
        plan: start(&["plan"])?,
        threads,
        resident,
    })
}

/// Milliseconds of a command from its start to its end.
fn start(controller: &Controller, program: &Path, args: &[&str], times: usize) -> Result<f64> {
    let runs = (0..times).map(|_| {
        let mut command = controller.command(program, args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let begin = Instant::now();
        let status = command.status()?;
        ensure!(
            status.code().is_some_and(|code| code < 3),
            "{args:?}: {status}"
        );
        Ok(begin.elapsed())
    });
    let runs = runs.collect::<Result<Vec<Duration>>>()?;
    let runs = runs.iter().map(|run| run.as_secs_f64() * 1000.0).collect();
    median(runs).context("no runs")
}
