//! The order in which everything is measured, and what came out.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::bench::{Bench, MANY};
use crate::cases::Case;
use crate::floor::Floor;
use crate::images::Image;
use crate::measure::Cost;
use crate::sshd::{Lab, SshNode};

/// What came out of one case.
#[derive(Debug)]
pub struct Row {
    pub case: Case,
    pub sequential: Vec<Cost>,
    pub ours: Vec<Cost>,
    /// Bytes on the wire, and on the disk of a node.
    pub sequential_bytes: (u64, u64),
    pub ours_bytes: (u64, u64),
}

/// What came out of everything.
pub struct Results {
    pub old: Image,
    pub rows: Vec<Row>,
    pub floors: Vec<Floor>,
}

/// The most bytes that the lab has on its disk at once: the raw images of the
/// sequential way are dense.
pub fn space(args: &Args) -> u64 {
    let (nodes, many) = (args.nodes() as u64, MANY as u64);
    (nodes + 2) * args.raw_bytes() + (2 * nodes + 3 * many + 8) * args.data_bytes()
}

/// The cases that were asked for.
pub fn chosen(args: &Args) -> Result<Vec<Case>> {
    let mut cases = Case::all(args.nodes());
    let names: Vec<String> = cases.iter().map(ToString::to_string).collect();
    if let Some(wrong) = args.only.iter().find(|name| !names.contains(name)) {
        bail!("there is no case {wrong:?}; there are {}", names.join(", "));
    }
    cases.retain(|case| args.only.is_empty() || args.only.contains(&case.to_string()));
    Ok(cases)
}

/// Builds the lab in a directory, measures, and takes the lab down again.
pub fn run(args: &Args, dir: &Path, cases: &[Case]) -> Result<Results> {
    let lab = Lab::new_in(dir);
    let nodes: Vec<SshNode> = (0..args.nodes()).map(|_| lab.node()).collect();
    let bench = Bench::build(args, dir, &lab, &nodes)?;
    let mut rows = cases
        .iter()
        .map(|&case| first(&bench, case))
        .collect::<Result<Vec<_>>>()?;
    let mut floors = Vec::new();
    for round in 0..args.rounds {
        bench.settle()?;
        let url = bench.url_of(&bench.old);
        floors.push(Floor::measure(dir, &bench.old, &url, &lab, &nodes[0])?);
        for row in &mut rows {
            eprint!("round {} of {}: {}", round + 1, args.rounds, row.case);
            measure(&bench, round, row)
                .with_context(|| format!("round {}, {}", round + 1, row.case))?;
        }
    }
    Ok(Results {
        old: bench.old.clone(),
        rows,
        floors,
    })
}

/// What need not be timed: bytes, and whether they are the right ones.
fn first(bench: &Bench<'_>, case: Case) -> Result<Row> {
    eprintln!("bytes: {case}");
    let ours_bytes = case
        .bytes(bench)
        .with_context(|| format!("bytes, {case}"))?;
    Ok(Row {
        case,
        sequential: Vec::new(),
        ours: Vec::new(),
        sequential_bytes: (0, 0),
        ours_bytes,
    })
}

/// Both ways once; who is first changes, so that neither always is.
fn measure(bench: &Bench<'_>, round: u32, row: &mut Row) -> Result<()> {
    let ours_first = round % 2 == 1;
    if ours_first {
        row.ours.extend(row.case.ours(bench)?);
    }
    if row.case.sequential_in(round) {
        let (ran, allocated) = row.case.sequential(bench)?;
        eprint!(", sequential {:.2} s", ran.cost.seconds);
        row.sequential.push(ran.cost);
        row.sequential_bytes = (ran.wire, allocated);
    }
    if !ours_first {
        row.ours.extend(row.case.ours(bench)?);
    }
    let last = row.ours.last().map_or(0.0, |cost| cost.seconds);
    eprintln!(", talos-order {last:.2} s");
    Ok(())
}
