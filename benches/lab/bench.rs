//! The lab as a whole, and the order in which everything is measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use talos_order::factory_stub::StubOptions;

use crate::args::Args;
use crate::cases::{Case, MANY};
use crate::factory::Factory;
use crate::floor::Floor;
use crate::images::Image;
use crate::measure::{self, Cost};
use crate::ours::Ours;
use crate::sequential::Sequential;
use crate::sshd::{Lab, SshNode};
use crate::wire::Wire;

/// The versions of both images; the factory stub lists them.
const VERSIONS: [&str; 2] = ["v1.11.2", "v1.11.3"];

/// Everything that a case uses.
pub struct Bench<'a> {
    pub old: Image,
    pub new: Image,
    /// The bytes of the old image under many names.
    pub many_images: Vec<Image>,
    pub url: String,
    pub sequential: Sequential<'a>,
    pub ours: Ours<'a>,
    pub many: Ours<'a>,
    pub wire: Wire,
    dir: PathBuf,
}

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
    let (raw, data) = (args.raw_bytes(), args.data_bytes());
    let images = dir.join("images");
    std::fs::create_dir(&images)?;
    eprintln!("making two images of {} MiB", raw >> 20);
    let [old, new] = VERSIONS.map(|version| Image::make(&images, version, raw, data));
    let (old, new) = (old?, new?);
    let many_images: Vec<Image> = (0..MANY)
        .map(|number| old.with_schematic(format!("lab={number}")))
        .collect();

    let all = [&old, &new].into_iter().chain(&many_images);
    let files = all
        .clone()
        .map(|image| (image.artifact.clone(), image.xz.clone()));
    let factory = Factory::start(StubOptions {
        files: files.collect::<BTreeMap<_, _>>(),
        ..StubOptions::default()
    });
    let url = factory.url();
    for image in all {
        register(&url, image, dir)?;
    }

    let lab = Lab::new_in(dir);
    let nodes: Vec<SshNode> = (0..args.nodes()).map(|_| lab.node()).collect();
    for way in ["sequential", "ours", "many"] {
        std::fs::create_dir_all(dir.join(way))?;
    }
    let bench = Bench {
        sequential: Sequential::new(dir.join("sequential"), &lab, &nodes),
        ours: Ours::new(dir.join("ours"), &lab, &url, &nodes)?,
        many: Ours::new(dir.join("many"), &lab, &url, &nodes)?,
        wire: Wire::open(&lab, &nodes)?,
        dir: dir.to_owned(),
        old,
        new,
        many_images,
        url,
    };
    let mut rows = cases
        .iter()
        .map(|&case| bench.first(case))
        .collect::<Result<Vec<_>>>()?;
    let mut floors = Vec::new();
    for round in 0..args.rounds {
        bench.settle()?;
        let url = bench.url_of(&bench.old);
        floors.push(Floor::measure(dir, &bench.old, &url, &lab, &nodes[0])?);
        for row in &mut rows {
            eprint!("round {} of {}: {}", round + 1, args.rounds, row.case);
            bench
                .round(round, row)
                .with_context(|| format!("round {}, {}", round + 1, row.case))?;
        }
    }
    Ok(Results {
        old: bench.old.clone(),
        rows,
        floors,
    })
}

/// Makes a schematic known, as a person did some day.
fn register(url: &str, image: &Image, dir: &Path) -> Result<()> {
    let mut curl = Command::new("curl");
    curl.args(["-fsS", "--data-binary", &image.document()]);
    curl.args(["-H", "Content-Type: application/yaml"]);
    curl.arg(format!("{url}schematics"));
    crate::without_proxies(&mut curl);
    measure::checked(&mut curl, &dir.join("curl.log"))
}

impl Bench<'_> {
    /// What was written before is on the disk, and the factory has read its file: no
    /// case pays for the one before it.
    pub fn settle(&self) -> Result<()> {
        let log = self.dir.join("settle.log");
        measure::checked(Command::new("sync").arg("-f").arg(&self.dir), &log)?;
        for image in [&self.old, &self.new] {
            let mut curl = Command::new("curl");
            curl.args(["-fsS", "-I", &self.url_of(image)]);
            crate::without_proxies(&mut curl);
            measure::checked(&mut curl, &log)?;
        }
        Ok(())
    }

    fn url_of(&self, image: &Image) -> String {
        let path = image.artifact.factory_path();
        format!("{}{}", self.url, path.trim_start_matches('/'))
    }

    /// What need not be timed: bytes, and whether they are the right ones.
    fn first(&self, case: Case) -> Result<Row> {
        eprintln!("bytes: {case}");
        let ours_bytes = case.bytes(self).with_context(|| format!("bytes, {case}"))?;
        Ok(Row {
            case,
            sequential: Vec::new(),
            ours: Vec::new(),
            sequential_bytes: (0, 0),
            ours_bytes,
        })
    }

    /// Both ways once; who is first changes, so that neither always is.
    fn round(&self, round: u32, row: &mut Row) -> Result<()> {
        let ours_first = round % 2 == 1;
        if ours_first {
            row.ours.extend(row.case.ours(self)?);
        }
        if row.case.sequential_in(round) {
            let (ran, allocated) = row.case.sequential(self)?;
            eprint!(", sequential {:.2} s", ran.cost.seconds);
            row.sequential.push(ran.cost);
            row.sequential_bytes = (ran.wire, allocated);
        }
        if !ours_first {
            row.ours.extend(row.case.ours(self)?);
        }
        let last = row.ours.last().map_or(0.0, |cost| cost.seconds);
        eprintln!(", talos-order {last:.2} s");
        Ok(())
    }
}
