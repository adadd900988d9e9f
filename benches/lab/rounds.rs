//! The order in which everything is measured, and what came out.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::bench::{self, Bench};
use crate::cases::{CROWD, Case, MANY};
use crate::floor::Floor;
use crate::jobs::{Bytes, Job};
use crate::limit::Limit;
use crate::measure::Cost;
use crate::net::{self, Network, Profile, Reached};
use crate::siblings::{self, Sibling};
use crate::sshd::Lab;
use crate::stock::Stock;

/// What came out of one case.
#[derive(Debug)]
pub struct Row {
    pub job: Job,
    pub sequential: Vec<Cost>,
    pub ours: Vec<Cost>,
    pub limits: Vec<Limit>,
    pub sequential_bytes: Bytes,
    pub ours_bytes: Bytes,
    /// Bytes of the files that the factory serves for it.
    pub served_bytes: u64,
}

/// What came out of everything.
pub struct Results {
    pub stock: Stock,
    pub rows: Vec<Row>,
    pub floors: Vec<Floor>,
    pub siblings: Vec<Sibling>,
    pub links: Vec<(Profile, Vec<Reached>)>,
    /// Profiles that this machine cannot do, and why.
    pub skipped: Vec<(Profile, String)>,
}

/// The most bytes that the lab has on its disk at once: the raw images of the
/// sequential way are dense.
pub fn space(args: &Args, jobs: &[Job]) -> u64 {
    let (nodes, many) = (args.nodes() as u64, MANY as u64);
    let is_different = |job: &Job| matches!(job.case, Case::Different(_));
    let different = if jobs.iter().any(is_different) {
        (nodes + 1) * many * args.small_bytes().0
    } else {
        0
    };
    let dense = ((nodes + 2) * args.raw_bytes()).max(different);
    dense + (2 * nodes + 3 * many + 8) * args.data_bytes() + 8 * args.iso_bytes()
}

/// The cases that were asked for, or all that are compared with anything else.
pub fn chosen(args: &Args) -> Result<Vec<Job>> {
    let mut jobs = Job::all(args.nodes());
    let names: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    if let Some(wrong) = args.only.iter().find(|name| !names.contains(name)) {
        bail!("there is no case {wrong:?}; there are {}", names.join(", "));
    }
    jobs.retain(|job| match args.only.as_slice() {
        [] => job.case != Case::Siblings,
        only => only.contains(&job.to_string()),
    });
    Ok(jobs)
}

/// Builds the lab in a directory, measures, and takes the lab down again.
pub fn run(args: &Args, dir: &Path, jobs: &[Job]) -> Result<Results> {
    let wanted: Vec<_> = jobs.iter().map(|job| (job.profile, job.case)).collect();
    let mut results = Results {
        stock: Stock::make(args, &dir.join("images"), &wanted)?,
        rows: Vec::new(),
        floors: Vec::new(),
        siblings: Vec::new(),
        links: Vec::new(),
        skipped: Vec::new(),
    };
    net::clear_leftovers();
    for jobs in jobs.chunk_by(|one, other| one.profile == other.profile) {
        let profile = jobs[0].profile;
        let nodes = match profile {
            Profile::Crowd => CROWD,
            Profile::Link(_) => 1,
            _ => args.nodes(),
        };
        if profile.rates().is_none() {
            measure(args, dir, jobs, None, nodes, &mut results)?;
            continue;
        }
        let network = match Network::build(profile, nodes) {
            Ok(network) => network,
            Err(why) if crate::is_interrupted() => return Err(why),
            Err(why) => {
                eprintln!("skipped: {profile}*, since links cannot be made: {why:#}");
                results.skipped.push((profile, format!("{why:#}")));
                continue;
            }
        };
        let links = net::verify(&network)?;
        for link in links.iter().filter(|link| !link.is_right()) {
            eprintln!(
                "{profile}{}: {:.1} instead of {:.1} Mbit/s",
                link.link, link.reached, link.wanted
            );
        }
        results.links.push((profile, links));
        let controller = &network.controller;
        controller.inside(|| measure(args, dir, jobs, Some(&network), nodes, &mut results))??;
    }
    Ok(results)
}

/// All rounds of one profile.
fn measure(
    args: &Args,
    dir: &Path,
    jobs: &[Job],
    network: Option<&Network>,
    nodes: usize,
    results: &mut Results,
) -> Result<()> {
    let profile = jobs[0].profile;
    let lab = Lab::new_in(dir);
    let nodes = bench::start_nodes(&lab, network, nodes)?;
    let bench = Bench::build(profile, &results.stock, network, dir, &lab, &nodes)?;
    let (studies, jobs): (Vec<Job>, Vec<Job>) =
        jobs.iter().partition(|job| job.case == Case::Siblings);
    let mut rows = jobs
        .iter()
        .map(|&job| first(&bench, job))
        .collect::<Result<Vec<_>>>()?;
    for round in 0..args.rounds {
        if profile == Profile::Loopback {
            results.floors.push(Floor::measure(&bench)?);
        }
        for row in &mut rows {
            eprint!("round {} of {}: {}", round + 1, args.rounds, row.job);
            both(&bench, round, row)
                .with_context(|| format!("round {}, {}", round + 1, row.job))?;
        }
        for _ in &studies {
            results.siblings.extend(siblings::measure(&bench)?);
        }
    }
    results.rows.extend(rows);
    Ok(())
}

/// What need not be timed: bytes, and whether they are the right ones.
fn first(bench: &Bench<'_>, job: Job) -> Result<Row> {
    eprintln!("bytes: {job}");
    let ours_bytes = job.bytes(bench).with_context(|| format!("bytes, {job}"))?;
    Ok(Row {
        job,
        sequential: Vec::new(),
        ours: Vec::new(),
        limits: Vec::new(),
        sequential_bytes: Bytes::default(),
        ours_bytes,
        served_bytes: job.served_bytes(bench),
    })
}

/// Both ways once, and the bytes alone between them; who is first changes, so that
/// neither always is.
fn both(bench: &Bench<'_>, round: u32, row: &mut Row) -> Result<()> {
    let ours_first = round % 2 == 1;
    if ours_first {
        row.ours.extend(row.job.ours(bench)?);
    }
    if row.job.has_limit() {
        row.limits.push(Limit::measure(bench, row.job)?);
    }
    if row.job.sequential_in(round) {
        let (ran, allocated) = row.job.sequential(bench)?;
        eprint!(", sequential {:.2} s", ran.cost.seconds);
        row.sequential.push(ran.cost);
        row.sequential_bytes = Bytes {
            sent: ran.wire,
            uplink: None,
            allocated,
        };
    }
    if !ours_first {
        row.ours.extend(row.job.ours(bench)?);
    }
    if let Some(limit) = row.limits.last() {
        eprint!(", the bytes alone {:.2} s", limit.most());
    }
    let last = row.ours.last().map_or(0.0, |cost| cost.seconds);
    eprintln!(", talos-order {last:.2} s");
    Ok(())
}
