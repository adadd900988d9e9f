//! All nodes as one site, with nothing to do: what a pass asks of the store and takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::args::Args;
use crate::controller::{Controller, Pass};
use crate::world::{ControllerSetup, FleetNode, World};
use crate::{measure, say, wait_until};

const PREFIX: &str = "idle/";
const SITE: &str = "all";

/// How long is looked on while no run is requested.
const REST: Duration = Duration::from_secs(30);

/// What was found.
pub struct Idle {
    pub nodes: usize,
    pub passes: Vec<Pass>,
    /// While there are no runs: of the leader, and of the standby.
    pub rest: [Rest; 2],
    pub peaks: [u64; 2],
}

/// What a controller takes in a minute without runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rest {
    pub requests: f64,
    pub cpu: f64,
}

pub fn run(args: &Args, world: &World) -> Result<Idle> {
    say(args, "all nodes as one site");
    let mut controllers = ["ia", "ib"].map(|which| {
        let dir = world.dir.join(which);
        Controller::new(&dir, &world.dir.join("orders"))
    });
    for controller in &mut controllers {
        world.configure(&ControllerSetup {
            dir: &controller.dir,
            prefix: Some(PREFIX),
            site: Some((SITE.to_owned(), args.ttl())),
            site_of: &|_: &FleetNode| SITE.to_owned(),
            nodes: &world.nodes,
        })?;
    }
    let [leader, standby] = &mut controllers;
    leader.start()?;
    wait_until("the site has a leader", || leader.leads(SITE).is_some())?;
    standby.start()?;
    // The images come into its cache, and the next pass has nothing to do.
    leader.pass()?;
    let passes = (0..3).map(|_| leader.pass());
    let passes = passes.collect::<Result<Vec<_>>>()?;
    say(args, "no runs for a while");
    let rest = rest([&mut *leader, &mut *standby], args)?;
    let mut peaks = [0; 2];
    for (controller, peak) in controllers.iter_mut().zip(&mut peaks) {
        controller.end(Signal::TERM)?;
        *peak = controller.peak();
    }
    Ok(Idle {
        nodes: world.nodes.len(),
        passes,
        rest,
        peaks,
    })
}

fn rest(mut controllers: [&mut Controller; 2], args: &Args) -> Result<[Rest; 2]> {
    let time = if args.quick { REST / 3 } else { REST };
    let at = |controllers: &mut [&mut Controller; 2]| -> Result<Vec<(f64, f64)>> {
        let all = controllers.iter_mut().map(|one| {
            let now = one.look();
            let requests = now.requests("images") + now.requests("leaders");
            let pid = one.pid().context("it runs")?;
            Ok((requests as f64, measure::process_cpu(pid)))
        });
        all.collect()
    };
    let begin = Instant::now();
    let before = at(&mut controllers)?;
    std::thread::sleep(time);
    let after = at(&mut controllers)?;
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    let mut rest = [Rest::default(); 2];
    for ((rest, before), after) in rest.iter_mut().zip(before).zip(after) {
        rest.requests = (after.0 - before.0) / minutes;
        rest.cpu = (after.1 - before.1) / minutes;
    }
    Ok(rest)
}
