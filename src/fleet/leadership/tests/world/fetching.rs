//! Images: from the store, after another controller's download, or from the factory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::Digest;
use tokio::time::Instant;

use super::{FleetWorld, Happening, Process, SECOND, Time};
use crate::facts::{CachedFile, Fact, Meta, Outcome, Provenance};
use crate::fleet::images::ClaimWatch;
use crate::fleet::leadership::body::LeadershipBody;
use crate::model::{ArtifactId, DataDigest, Sha256};

/// How long a claim stands without being renewed, and how often it is.
const CLAIM_TTL: Duration = Duration::from_secs(60);
const RENEWAL: Time = 20 * SECOND;
/// How long the store may be silent before nobody waits for others any more.
const OUTAGE: Duration = Duration::from_secs(60);

/// The store, as everybody sees it.
#[derive(Debug, Clone)]
pub(super) struct WorldStore {
    /// By site.
    pub leaders: Vec<Option<LeadershipBody>>,
    pub index: BTreeSet<ArtifactId>,
    claims: BTreeMap<ArtifactId, WorldClaim>,
    pub down_until: Time,
}

/// A claim: whose it is, and how often it was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WorldClaim {
    task: u64,
    seq: u64,
}

/// A download step.
pub(super) struct FetchTask {
    pub process: Process,
    run: u64,
    step: usize,
    artifact: ArtifactId,
    /// It has claimed the image.
    has_claim: bool,
    watched: Option<(u64, ClaimWatch)>,
    silent_since: Option<Duration>,
}

impl WorldStore {
    pub(super) fn new(sites: usize) -> Self {
        Self {
            leaders: vec![None; sites],
            index: BTreeSet::new(),
            claims: BTreeMap::new(),
            down_until: 0,
        }
    }
}

/// The digest that an image has.
pub(super) fn digest(artifact: &ArtifactId) -> Sha256 {
    Sha256::from_bytes(sha2::Sha256::digest(artifact.factory_path()).into())
}

impl FleetWorld {
    pub(super) fn begin_fetch(
        &mut self,
        process: Process,
        (run, step): (u64, usize),
        artifact: ArtifactId,
    ) {
        self.number += 1;
        let number = self.number;
        let task = FetchTask {
            process,
            run,
            step,
            artifact,
            has_claim: false,
            watched: None,
            silent_since: None,
        };
        self.fetches.insert(number, task);
        self.after(10, Happening::Fetches(number));
    }

    /// True while the run of a download goes on; what it claimed is given back otherwise,
    /// if its process is there to do that.
    fn goes_on(&mut self, number: u64) -> bool {
        let Some(task) = self.fetches.get(&number) else {
            return false;
        };
        let process = task.process;
        let run = self.controllers[process.controller].run.as_ref();
        let is_run = run.is_some_and(|run| run.number == task.run);
        if self.runs(process) && is_run {
            return true;
        }
        if self.runs(process) && !self.is_lost(process.controller) {
            self.give_back(number);
        }
        self.fetches.remove(&number);
        false
    }

    fn give_back(&mut self, number: u64) {
        let Some(task) = self.fetches.get(&number) else {
            return;
        };
        let claim = self.store.claims.get(&task.artifact);
        if claim.is_some_and(|claim| claim.task == number) {
            self.store.claims.remove(&task.artifact);
        }
    }

    pub(super) fn fetches(&mut self, number: u64) {
        if !self.goes_on(number) {
            return;
        }
        let at = self.fetches[&number].process.controller;
        let is_lost = self.is_lost(at);
        let now = self.local(at);
        let instant = self.begun + now;
        let Some(task) = self.fetches.get_mut(&number) else {
            return;
        };
        if is_lost {
            let since = *task.silent_since.get_or_insert(now);
            // Whoever did not wait yet asks the factory at once.
            if task.watched.is_none() || now - since >= OUTAGE {
                let jitter = match task.watched {
                    Some(_) => self.random.u64(0..60 * SECOND),
                    None => 0,
                };
                self.download(number, jitter);
            } else {
                self.after(3 * SECOND, Happening::Fetches(number));
            }
            return;
        }
        let was_silent = task.silent_since.take().is_some();
        if self.store.index.contains(&task.artifact) {
            self.counts.from_store += 1;
            // It may have become ours while another one shared it.
            self.give_back(number);
            let takes = self.random.u64(SECOND..3 * SECOND);
            self.fetched(number, takes);
            return;
        }
        // The index was asked after the claim was ours.
        if task.has_claim {
            self.download(number, 0);
            return;
        }
        let known = self.store.claims.get(&task.artifact).copied();
        let may_take = match (known, &mut task.watched) {
            (None, _) => true,
            (Some(claim), Some((of, watch))) if *of == claim.task => {
                if was_silent {
                    watch.forgets(instant);
                }
                let is_gone = watch.is_abandoned(&claim.bytes(), CLAIM_TTL, instant);
                self.counts.takeovers += u64::from(is_gone);
                is_gone
            }
            (Some(claim), watched) => {
                *watched = Some((claim.task, ClaimWatch::new(&claim.bytes(), instant)));
                false
            }
        };
        if !may_take {
            let pause = self.random.u64(2 * SECOND..5 * SECOND);
            self.after(pause, Happening::Fetches(number));
            return;
        }
        task.has_claim = true;
        let claim = WorldClaim {
            task: number,
            seq: 0,
        };
        if let Some(before) = self.store.claims.insert(task.artifact.clone(), claim) {
            self.is_gone(before.task);
        }
        self.after(RENEWAL, Happening::Renews(number));
        self.after(10, Happening::Fetches(number));
    }

    /// A claim is taken over only from a download that does not reach the store, or that
    /// ended without giving it back.
    fn is_gone(&mut self, holder: u64) {
        let Some(task) = self.fetches.get(&holder) else {
            return;
        };
        let process = task.process;
        let controller = &self.controllers[process.controller];
        // It may be that no message of the last minute got there.
        let is_steady = self.runs(process)
            && controller.stopped_until + 200 * SECOND < self.now
            && controller.cut_until + 200 * SECOND < self.now
            && self.store.down_until + 200 * SECOND < self.now;
        assert!(
            !is_steady || self.was_restored || self.is_trouble(),
            "it was not gone"
        );
    }

    /// From the factory.
    fn download(&mut self, number: u64, after: Time) {
        self.counts.downloads += 1;
        let takes = after + self.random.u64(5 * SECOND..40 * SECOND);
        self.after(takes, Happening::Downloaded(number));
    }

    pub(super) fn renews(&mut self, number: u64) {
        if !self.fetches.contains_key(&number) || !self.goes_on(number) {
            return;
        }
        let at = self.fetches[&number].process.controller;
        if !self.is_lost(at) {
            let artifact = &self.fetches[&number].artifact;
            match self.store.claims.get_mut(artifact) {
                Some(claim) if claim.task == number => claim.seq += 1,
                // Another one has taken over.
                _ => return,
            }
        }
        self.after(RENEWAL, Happening::Renews(number));
    }

    pub(super) fn downloaded(&mut self, number: u64) {
        if !self.goes_on(number) {
            return;
        }
        let at = self.fetches[&number].process.controller;
        if !self.is_lost(at) {
            let artifact = self.fetches[&number].artifact.clone();
            self.store.index.insert(artifact);
            self.give_back(number);
        }
        self.fetched(number, 0);
    }

    fn fetched(&mut self, number: u64, takes: Time) {
        let Some(task) = self.fetches.remove(&number) else {
            return;
        };
        let meta = self.meta(&task.artifact);
        let outcome = Outcome::Done {
            fact: Fact::Fetched {
                download: Box::new(meta),
                unpacked: None,
                wire_bytes: 1000,
            },
        };
        self.outcome(task.process, (task.run, task.step), outcome, takes);
    }

    fn meta(&self, artifact: &ArtifactId) -> Meta {
        Meta {
            artifact: artifact.clone(),
            size: 1000,
            sha256: digest(artifact),
            url: format!("https://factory.example/{}", artifact.factory_path()),
            data: Some(DataDigest {
                sha256: digest(artifact),
                bytes: 900,
            }),
            unpacked_from: None,
            provenance: Provenance::FirstSeen,
            etag: None,
            completed_at: self.day(),
            mtime_ns: 1,
            last_wanted: self.day(),
            whole: Some(crate::testing::EDITION),
            refuted: BTreeSet::new(),
        }
    }
}

impl WorldClaim {
    fn bytes(self) -> Vec<u8> {
        format!("{} {}", self.task, self.seq).into_bytes()
    }
}

/// As it is in the cache.
pub(super) fn cached(meta: Meta) -> CachedFile {
    CachedFile {
        size: Some(meta.size),
        meta,
        untouched: true,
        fault: None,
    }
}

/// Where the clocks of watches begin.
pub(super) fn beginning() -> Instant {
    Instant::now()
}
