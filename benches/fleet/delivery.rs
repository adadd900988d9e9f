//! Two versions for all nodes of all sites: in the middle of the first one the leaders are
//! killed, in the middle of the second they are stopped, and go on later.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use crate::args::Args;
use crate::controller::{Controller, Moved, Pass};
use crate::eye::{self, Eye, Wrong};
use crate::world::{ControllerSetup, FleetNode, VERSIONS, WantedFile, World};
use crate::{say, wait_until};

/// Where the controllers of this part keep what they share.
const PREFIX: &str = "fleet/";

/// What was found.
pub struct Delivered {
    pub sites: Vec<SiteResult>,
    pub blows: Vec<BlowResult>,
    /// Requests for the body of an image, the images, and the bytes that were sent.
    pub bodies: usize,
    pub images: usize,
    pub factory_bytes: u64,
    /// Bytes of all images, as the store has them.
    pub stored_bytes: u64,
    /// Files that are not what they should be.
    pub bad: Vec<String>,
    pub files: usize,
    pub wrong: Wrong,
    pub seconds: f64,
}

/// What was found of one site.
pub struct SiteResult {
    pub name: String,
    pub nodes: usize,
    pub moved: Vec<Moved>,
    pub peaks: Vec<u64>,
    /// The epoch of the leader, and the least and highest that its directories know.
    pub epoch: u64,
    pub known: (u64, u64),
    pub pass: Pass,
}

/// Something that happened to the leader of a site.
pub struct BlowResult {
    pub site: usize,
    pub what: &'static str,
    /// Which share of the files of the version was there.
    pub progress: f64,
    /// Seconds until another controller led.
    pub takeover: f64,
    pub epochs: (u64, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    Stop,
}

struct Site {
    name: String,
    controllers: [Controller; 2],
    roots: Vec<PathBuf>,
}

impl Site {
    /// Which controller leads, and under which epoch.
    fn leader(&mut self) -> Option<(usize, u64)> {
        let Self {
            name, controllers, ..
        } = self;
        let all = controllers.iter_mut().enumerate();
        let all = all.filter_map(|(at, one)| Some((at, one.leads(name)?)));
        // One that was just started may still show what it was before it was killed.
        all.max_by_key(|(_, epoch)| *epoch)
    }

    fn waits_for_leader(&mut self) -> Result<(usize, u64)> {
        let mut leader = None;
        wait_until(&format!("{} has a leader", self.name), || {
            leader = self.leader();
            leader.is_some()
        })?;
        leader.context("a leader")
    }

    /// Files of a version that are there.
    fn progress(&self, wanted: &[WantedFile]) -> f64 {
        let files = self.roots.iter().flat_map(|root| {
            let wanted = wanted.iter();
            wanted.map(move |file| root.join(file.dir).join(&file.name))
        });
        let there = files.filter(|path| path.is_file()).count();
        there as f64 / (self.roots.len() * wanted.len()) as f64
    }
}

pub fn site_name(site: usize) -> String {
    format!("site-{}", site + 1)
}

pub fn run(args: &Args, world: &World) -> Result<Delivered> {
    let begin = Instant::now();
    world.order(VERSIONS[0])?;
    let mut sites = sites(args, world)?;
    let dirs = world.nodes.iter();
    let dirs = dirs.flat_map(|node| ["iso", "import"].map(|dir| node.root.join(dir)));
    let eye = Eye::open(dirs.collect());
    for site in &mut sites {
        for controller in &mut site.controllers {
            controller.start()?;
        }
    }
    let mut blows = Vec::new();
    let mut shared = 0;
    let mut wanted = Vec::new();
    for (version, blow) in VERSIONS.into_iter().zip([Blow::Kill, Blow::Stop]) {
        say(args, &format!("{version}: {}", blow.about()));
        world.order(version)?;
        let files = world.wanted(version)?;
        shared += files.len();
        // Who is killed takes no download with it: that is another case.
        wait_until("the images are shared", || {
            world
                .shared_images(PREFIX)
                .is_ok_and(|found| found.len() == shared)
        })?;
        // All sites at once: one that waits for its turn may be ready by then.
        let struck: Vec<Result<BlowResult>> = std::thread::scope(|scope| {
            let (sites, files) = (sites.iter_mut().enumerate(), &files);
            let strikes =
                sites.map(|(at, site)| scope.spawn(move || strike(at, site, blow, files)));
            let strikes: Vec<_> = strikes.collect();
            strikes.into_iter().map(joined).collect()
        });
        for struck in struck {
            blows.push(struck?);
        }
        for site in &mut sites {
            let what = format!("{} has everything of {version}", site.name);
            let mut shown = Instant::now();
            wait_until(&what, || {
                let progress = site.progress(&files);
                if shown.elapsed().as_secs() > 20 {
                    shown = Instant::now();
                    say(args, &format!("{}: {:.0} %", site.name, progress * 100.0));
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
                progress >= 1.0
            })?;
        }
        wanted.extend(files);
    }
    let seconds = begin.elapsed().as_secs_f64();
    say(args, "passes with nothing to do");
    let results = sites.iter_mut().map(result).collect::<Result<Vec<_>>>()?;
    for site in &mut sites {
        for controller in &mut site.controllers {
            controller.end(Signal::TERM)?;
        }
    }
    let wrong = eye.close();
    say(args, "the content of all files");
    let (bodies, factory_bytes) = world.factory_use();
    Ok(Delivered {
        sites: results,
        blows,
        bodies: bodies.values().sum(),
        images: bodies.len(),
        factory_bytes,
        stored_bytes: world.shared_images(PREFIX)?.iter().sum(),
        bad: bad(&world.nodes, &wanted),
        files: world.nodes.len() * wanted.len(),
        wrong,
        seconds,
    })
}

fn sites(args: &Args, world: &World) -> Result<Vec<Site>> {
    let sites = (0..args.sites()).map(|site| {
        let name = site_name(site);
        let controllers = ["a", "b"].map(|which| {
            let dir = world.dir.join(format!("c{}{which}", site + 1));
            Controller::new(&dir, &world.dir.join("orders"))
        });
        for controller in &controllers {
            world.configure(&ControllerSetup {
                dir: &controller.dir,
                prefix: Some(PREFIX),
                site: Some((name.clone(), args.ttl())),
                site_of: &|node: &FleetNode| site_name(node.site),
                nodes: &world.nodes,
            })?;
        }
        let of_site = world.nodes.iter().filter(|node| node.site == site);
        Ok(Site {
            name,
            controllers,
            roots: of_site.map(|node| node.root.clone()).collect(),
        })
    });
    sites.collect()
}

impl Blow {
    const fn about(self) -> &'static str {
        match self {
            Self::Kill => "the leaders are killed",
            Self::Stop => "the leaders are stopped, and go on later",
        }
    }
}

/// What a thread returned.
fn joined(thread: std::thread::ScopedJoinHandle<'_, Result<BlowResult>>) -> Result<BlowResult> {
    thread.join().unwrap_or_else(|_| bail!("it came to no end"))
}

/// Something happens to the leader of a site when a part of its nodes is done.
fn strike(at: usize, site: &mut Site, blow: Blow, wanted: &[WantedFile]) -> Result<BlowResult> {
    let (leader, epoch) = site.waits_for_leader()?;
    let begins = format!("{} delivers", site.name);
    wait_until(&begins, || site.progress(wanted) >= 0.15)
        .with_context(|| site.controllers[leader].said())?;
    let progress = site.progress(wanted);
    let struck = Instant::now();
    match blow {
        Blow::Kill => site.controllers[leader].end(Signal::KILL)?,
        Blow::Stop => site.controllers[leader].signal(Signal::STOP)?,
    }
    let name = site.name.clone();
    let mut next = None;
    wait_until(&format!("another controller leads {name}"), || {
        let found = site.controllers[1 - leader].leads(&name);
        next = found.filter(|next| *next > epoch);
        next.is_some()
    })?;
    let takeover = struck.elapsed().as_secs_f64();
    match blow {
        Blow::Kill => site.controllers[leader].start()?,
        Blow::Stop => site.controllers[leader].signal(Signal::CONT)?,
    }
    Ok(BlowResult {
        site: at,
        what: match blow {
            Blow::Kill => "killed",
            Blow::Stop => "stopped",
        },
        progress,
        takeover,
        epochs: (epoch, next.unwrap_or_default()),
    })
}

fn result(site: &mut Site) -> Result<SiteResult> {
    let (leader, epoch) = site.waits_for_leader()?;
    // The run under way ends first, and the next one has nothing to do.
    site.controllers[leader].pass()?;
    let pass = site.controllers[leader].pass()?;
    for controller in &mut site.controllers {
        controller.look();
    }
    let dirs = site.roots.iter();
    let dirs = dirs.flat_map(|root| ["iso", "import"].map(|dir| root.join(dir)));
    let known: Vec<u64> = dirs.map(|dir| eye::leader_epoch(&dir)).collect();
    let known = known.iter().min().zip(known.iter().max());
    let (least, most) = known.context("no directory")?;
    Ok(SiteResult {
        name: site.name.clone(),
        nodes: site.roots.len(),
        moved: site.controllers.iter().map(Controller::moved).collect(),
        peaks: site.controllers.iter().map(Controller::peak).collect(),
        epoch,
        known: (*least, *most),
        pass,
    })
}

/// Files that are not what they should be, are missing, or that nothing wants.
fn bad(nodes: &[FleetNode], wanted: &[WantedFile]) -> Vec<String> {
    let mut bad = Vec::new();
    for node in nodes {
        for dir in ["iso", "import"] {
            let mut expected: Vec<&WantedFile> =
                wanted.iter().filter(|file| file.dir == dir).collect();
            let entries = std::fs::read_dir(node.root.join(dir));
            for entry in entries.into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(".talos-order") {
                    continue;
                }
                let known = expected.iter().position(|file| file.name == name);
                let is_right = known
                    .map(|at| expected.swap_remove(at))
                    .is_some_and(|file| {
                        let bytes = std::fs::read(entry.path()).unwrap_or_default();
                        Sha256::digest(bytes).as_slice() == file.digest
                    });
                if !is_right {
                    bad.push(format!("{} has a wrong {name}", node.name));
                }
            }
            let missing = expected.iter();
            bad.extend(missing.map(|file| format!("{} lacks {}", node.name, file.name)));
        }
    }
    bad
}
