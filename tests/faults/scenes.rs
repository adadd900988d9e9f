//! What a run does while something goes wrong: a stage, a state to begin with, the run,
//! and what must be there in the end.

mod judged;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use talos_order::factory_stub::{StubFault as Interruption, StubOptions};
use talos_order::model::Sha256;

use crate::common::snapshot::images;
use crate::common::sshd::{Lab, SshNode, kill};
use crate::common::wait_for;
use crate::control::{Calls, Ended, Fault, Kind, Seams};
use crate::places::{configure, empty, has_part, places, roots};
use crate::reader::{Reader, Truth};
use crate::truth::{digest, lies_in_cache, lies_on_node, recorded};
use crate::world::{World, position};

/// What goes on. Each has another way through the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// An image that is unpacked, to a directory of this machine, from nothing.
    Local,
    /// An image to a node over ssh, from nothing.
    Stream,
    /// A new version beside an old one.
    Update,
    /// A new version under the name of the old one.
    Replace,
    /// The same with rsync.
    Rsync,
    /// What no order wants goes, from node and cache.
    Prune,
    /// One node sends an image on to another.
    Relay,
    /// A download that broke off goes on.
    Resume,
    /// A delivery that broke off goes on.
    Redeliver,
    /// The controller, with its state.
    Controller,
}

pub const SCENES: [Scene; 10] = [
    Scene::Local,
    Scene::Stream,
    Scene::Update,
    Scene::Replace,
    Scene::Rsync,
    Scene::Prune,
    Scene::Relay,
    Scene::Resume,
    Scene::Redeliver,
    Scene::Controller,
];

const OLD: &str = "v1.11.2";
const NEW: &str = "v1.11.3";
const FIXED: &str = "talos.iso";

/// The size of a disk; an ISO has a 32nd of it. What is tested does not depend on it.
pub const DISK: u64 = 4 << 20;

fn iso(version: &str) -> String {
    format!("talos-{version}-nocloud-amd64-376567988ad3.iso")
}

fn raw(version: &str) -> String {
    format!("talos-{version}-nocloud-amd64-376567988ad3.raw")
}

/// An ISO of a version, with more keys.
fn order(version: &str, more: &str) -> String {
    let version = format!("      version: {{type: exact, value: {version}}}\n");
    position("one", "iso", &format!("{version}{more}"))
}

/// Two versions of it.
fn both() -> String {
    let wanted = [OLD, NEW].map(|version| {
        format!(
            "    - name: {version}\n      image_format: iso\n      \
             version: {{type: exact, value: {version}}}\n      \
             push: {{enabled: true, hosts: [{{group: all}}]}}\n"
        )
    });
    format!("- orderid: one\n  positions:\n{}", wanted.concat())
}

/// Where a scene takes place.
pub struct Stage {
    pub scene: Scene,
    pub world: World,
    pub seams: Seams,
    nodes: Vec<SshNode>,
    /// The sshds that listen.
    listening: Vec<u32>,
    lab: Option<Lab>,
    /// The call at which a delivery breaks off, as far as that was found out.
    broken_off: Cell<u64>,
    reader: Reader,
}

/// The images in a directory, by name.
type Images = Vec<(String, Sha256)>;

/// How a case went.
#[derive(Debug)]
pub struct Went {
    pub ended: Ended,
    /// How many runs it took to be in sync again.
    pub runs: u32,
}

impl Scene {
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub fn named(name: &str) -> Option<Self> {
        SCENES.into_iter().find(|scene| scene.name() == name)
    }

    fn over_ssh(self) -> usize {
        match self {
            Self::Local | Self::Controller => 0,
            Self::Relay => 2,
            _ => 1,
        }
    }

    pub fn verb(self) -> &'static [&'static str] {
        match self {
            Self::Controller => &["run", "--once"],
            _ => &["apply"],
        }
    }

    /// How many runs may be needed to be in sync again.
    ///
    /// A removal takes two runs by itself: the one that first misses a file only
    /// notes that. Where the note was what the fault hit, it is made again.
    fn runs(self) -> u32 {
        match self {
            Self::Prune => 2,
            _ => 1,
        }
    }

    /// Whether a kind of fault can happen here at all.
    pub fn knows(self, kind: Kind) -> bool {
        kind != Kind::Session || self.over_ssh() > 0
    }
}

impl Stage {
    pub fn new(scene: Scene) -> Self {
        Self::with_state(scene, true)
    }

    /// With a reader that does not look at the state: after an outage a file that is
    /// told anew in every run may be empty.
    pub fn without_state(scene: Scene) -> Self {
        Self::with_state(scene, false)
    }

    fn with_state(scene: Scene, state: bool) -> Self {
        let world = World::new(StubOptions {
            disk_bytes: DISK,
            ..StubOptions::default()
        });
        let seams = Seams::new(&world.at("seams"), &[]);
        let count = scene.over_ssh();
        let lab = (count > 0).then(|| Lab::new().launched_by(seams.launcher()));
        let nodes: Vec<SshNode> = lab
            .iter()
            .flat_map(|lab| (0..count).map(|_| lab.node()))
            .collect();
        configure(scene, &world, lab.as_ref(), &nodes, "");

        let mut truth = Truth::new();
        let of = |name: &str| BTreeSet::from([world.truth(name)]);
        for name in [iso(OLD), iso(NEW), raw(NEW), format!("{}.xz", raw(NEW))] {
            truth.insert(name.clone(), of(&name));
        }
        let fixed = [OLD, NEW].map(|version| world.truth(&iso(version)));
        truth.insert(FIXED.to_owned(), fixed.into());
        let places = places(&world, &nodes);
        let cache = world.cache();
        seams.count_in(
            &[
                vec![cache.clone(), world.at("manifests")],
                roots(&world, &nodes),
            ]
            .concat(),
        );
        let state = state.then(|| cache.join(".talos-order"));
        let state = state.into_iter().collect();
        let images = [vec![cache], places].concat();
        Self {
            scene,
            reader: Reader::start(images, state, truth),
            world,
            seams,
            listening: nodes.iter().flat_map(SshNode::sessions).collect(),
            nodes,
            lab,
            broken_off: Cell::new(0),
        }
    }

    /// Writes the configuration again, with more keys of `defaults`.
    fn configure(&self, defaults: &str) {
        let lab = self.lab.as_ref();
        configure(self.scene, &self.world, lab, &self.nodes, defaults);
    }

    /// The directories of images on nodes.
    pub fn places(&self) -> Vec<PathBuf> {
        places(&self.world, &self.nodes)
    }

    /// Everything that a run may change.
    pub fn roots(&self) -> Vec<PathBuf> {
        let own = vec![self.world.cache(), self.world.at("manifests")];
        [own, roots(&self.world, &self.nodes)].concat()
    }

    /// How many files the reader has read.
    pub fn digests(&self) -> u64 {
        self.reader.digests()
    }

    /// Makes the state that the run begins with. What other runs left is forgotten.
    pub fn prepare(&self) -> Result<(), String> {
        self.end_sessions();
        for root in self.roots() {
            empty(&root);
        }
        let apply = |expected: i32| {
            let ran = self.world.apply();
            match ran.code {
                Some(code) if code == expected => Ok(()),
                _ => Err(format!("preparing: {ran}")),
            }
        };
        match self.scene {
            Scene::Local => {
                self.world.order_one("raw.xz", "");
            }
            Scene::Stream => self.world.order("one.yaml", &order(NEW, "")),
            Scene::Relay => self.world.order_one("raw.xz", ""),
            Scene::Update => {
                self.world.order("one.yaml", &order(OLD, ""));
                apply(0)?;
                self.world.order("one.yaml", &both());
            }
            Scene::Replace | Scene::Rsync => {
                let fixed = format!("      filename: {FIXED}\n");
                self.world.order("one.yaml", &order(OLD, &fixed));
                apply(0)?;
                self.world.order("one.yaml", &order(NEW, &fixed));
            }
            Scene::Prune => {
                self.configure("cache_policy: {enabled: false}");
                self.world.order("one.yaml", &both());
                apply(0)?;
                self.world.order("one.yaml", &order(NEW, ""));
                apply(0)?;
                self.configure("cache_policy: {keep_versions: 1, orphan_grace: 0s}");
            }
            Scene::Resume => {
                self.world.order("one.yaml", &order(NEW, ""));
                let half = Interruption::Short(DISK / 64);
                self.world.factory.inject("GET /blob/", half);
                apply(1)?;
            }
            Scene::Redeliver => {
                let cached = order(NEW, "      push: {enabled: false}\n");
                self.world.order("one.yaml", &cached);
                apply(0)?;
                self.world.order("one.yaml", &order(NEW, ""));
                self.break_off()?;
            }
            Scene::Controller => {
                self.world.order("one.yaml", &order(OLD, ""));
                let ran = self.world.program.run(&["run", "--once"]);
                if ran.code != Some(0) {
                    return Err(format!("preparing: {ran}"));
                }
                self.world.order("one.yaml", &both());
            }
        }
        self.end_sessions();
        Ok(())
    }

    /// Runs until a part of an image is on a node, whatever its name.
    fn break_off(&self) -> Result<(), String> {
        if self.broken_off.get() == 0 {
            // The part comes somewhere behind the middle of the run.
            let command = self.world.program.command(&["apply"]);
            let (ended, rest) = self.seams.run(&command, None, Calls::Files)?;
            drop(rest);
            self.broken_off.set(ended.calls * 2 / 5);
            self.end_sessions();
            roots(&self.world, &self.nodes)
                .iter()
                .for_each(|root| empty(root));
        }
        loop {
            let fault = Fault {
                at: self.broken_off.get(),
                kind: Kind::Power,
            };
            let command = self.world.program.command(&["apply"]);
            let (ended, rest) = self.seams.run(&command, Some(fault), Calls::Files)?;
            drop(rest);
            self.end_sessions();
            if ended.met.is_empty() {
                self.broken_off.set(0);
                return Err("preparing: no part was ever on the node".to_owned());
            }
            let roots = roots(&self.world, &self.nodes);
            if roots.iter().any(|root| has_part(root)) {
                return Ok(());
            }
            self.broken_off.set(fault.at + 1);
            roots.iter().for_each(|root| empty(root));
        }
    }

    /// One case: a state, a run with a fault, what is there then, runs without.
    pub fn case(&self, fault: Option<Fault>, calls: Calls) -> Result<Went, String> {
        self.prepare()?;
        self.act(fault, calls)
    }

    /// Like [`Self::case`], from the state that is there.
    pub fn act(&self, fault: Option<Fault>, calls: Calls) -> Result<Went, String> {
        let command = self.world.program.command(self.scene.verb());
        let (ended, run) = self.seams.run(&command, fault, calls)?;
        let met = ended.met.clone();
        let describe = |what: String| {
            format!(
                "{what}\n  met {met}\n  the run said: {}",
                self.seams.said().trim()
            )
        };
        // What goes on after a fault may still be busy; only lies are wrong, at any time.
        self.tell_truth("after the fault").map_err(describe)?;
        // What was cut off is over; anything else may go on beside the next run.
        let rest = match fault.map(|fault| fault.kind) {
            Some(Kind::Power) => {
                drop(run);
                self.end_sessions();
                None
            }
            _ => Some(run),
        };
        let runs = self.converge().map_err(describe)?;
        drop(rest);
        self.end_sessions();
        self.in_sync().map_err(describe)?;
        Ok(Went { ended, runs })
    }

    /// Runs without faults until everything is in sync.
    pub fn converge(&self) -> Result<u32, String> {
        let mut said = String::new();
        for number in 1..=self.scene.runs() {
            let ran = self.world.apply();
            said.push_str(&format!("run {number}: {ran}\n"));
            if ran.code == Some(0) && self.missing().is_none() {
                return Ok(number);
            }
        }
        let missing = self.missing().unwrap_or_default();
        Err(format!("it does not converge: {missing}\n{said}"))
    }
}
