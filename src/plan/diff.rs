//! The difference between what is wanted and what is there, as steps.
//!
//! One walk over the artifacts decides what comes into the cache, one walk over
//! the places decides what goes to the nodes, and retention decides what leaves.
//! All three read maps, so the work is proportional to what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::{Desired, Origin, Want};
use super::held::{Held, HeldReason};
use super::hints;
use super::hold;
use super::parts;
use super::prune::{self, PrunePolicy};
use super::relay;
use super::retain::{self, Retention};
use super::root::Create;
use super::sites::{Sites, Speakers};
use super::step::{Action, Plan, Step, Why};
use super::verify::{self, VerifyPolicy};
use super::wanted::WantedBy;
use super::way::Transfer;
use crate::facts::{CachedFile, Observed, StepId};
use crate::model::{ArtifactId, FileName, Format, SchematicId, Sha256};
use crate::schematic::document;

/// What the plan is told besides what is wanted and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What may go from the cache.
    pub retention: Retention,
    /// The cache is emptied of everything that is ours before anything else.
    pub purge: bool,
    /// Bytes that a delivery must leave free on a node.
    pub node_reserve: u64,
    /// Bytes that a download must leave free in the cache's file system.
    pub cache_reserve: u64,
    /// What may go from nodes.
    pub prune: PrunePolicy,
    /// Which nodes share a storage.
    pub sites: Sites,
    /// Where missing directories are made.
    pub create: Create,
    /// How images are sent.
    pub transfer: Transfer,
    /// What is read back; `None` for nothing.
    pub verify: Option<VerifyPolicy>,
}

/// Plans a pass. Total and deterministic: every want ends up as steps, as held,
/// or as in sync.
pub fn plan(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    let mut planner = Planner {
        desired,
        observed,
        policy,
        plan: Plan::default(),
        incoming: BTreeMap::new(),
        held_sources: BTreeMap::new(),
        described: described(desired, observed),
        registering: BTreeMap::new(),
        cache_free: observed.cache.free_bytes.filter(|_| !policy.purge),
        speakers: policy.sites.speakers(observed),
        pins: pins(desired),
        refuted: refuted(observed),
    };
    if policy.purge {
        planner.purge();
    }
    planner.cache();
    planner.nodes();
    planner.unresolved();
    planner.retention();
    planner.prune_nodes();
    planner.clear_parts();
    planner.verify();
    planner.plan.hints = hints::hints(desired);
    let mut plan = planner.finish();
    hold::hold(&mut plan, desired, observed);
    // Last, since what is held back serves nobody.
    relay::relay(&mut plan, desired, observed, policy);
    plan.held.sort_by(|a, b| a.id.cmp(&b.id));
    plan
}

fn described(desired: &Desired, observed: &Observed) -> BTreeMap<SchematicId, SchematicId> {
    let known_as = |computed: &SchematicId| {
        let registered = observed.catalog.schematics.get(computed);
        registered.map_or(*computed, |known| known.id)
    };
    desired
        .schematics
        .keys()
        .map(|computed| (known_as(computed), *computed))
        .collect()
}

fn pins(desired: &Desired) -> BTreeMap<&ArtifactId, Sha256> {
    let artifacts = desired.artifacts.iter();
    artifacts
        .filter_map(|(artifact, want)| Some((artifact, want.pinned?)))
        .collect()
}

/// The digests of files that are known not to be whole images.
fn refuted(observed: &Observed) -> BTreeSet<Sha256> {
    let cached = observed.cache.files.values();
    cached
        .flat_map(|cached| {
            let now = cached.fault.is_some().then_some(cached.meta.sha256);
            cached.meta.refuted.iter().copied().chain(now)
        })
        .collect()
}

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) policy: &'a Policy,
    pub(super) plan: Plan,
    /// The step that brings an artifact into the cache.
    pub(super) incoming: BTreeMap<ArtifactId, StepId>,
    /// The artifacts that do not come into the cache in this pass.
    pub(super) held_sources: BTreeMap<ArtifactId, StepId>,
    /// The computed id of each schematic that an order describes, by the id that
    /// the factory knows it under.
    described: BTreeMap<SchematicId, SchematicId>,
    /// Where the registration of a schematic stands among the steps.
    registering: BTreeMap<SchematicId, usize>,
    /// Bytes left for downloads, where that is known: a purge frees what nobody has
    /// counted.
    cache_free: Option<u64>,
    /// Who acts for the shared storages.
    pub(super) speakers: Speakers<'a>,
    /// The digests that orders pin.
    pub(super) pins: BTreeMap<&'a ArtifactId, Sha256>,
    /// The digests of files that are known not to be whole images.
    pub(super) refuted: BTreeSet<Sha256>,
}

impl Planner<'_> {
    pub(super) fn step(
        &mut self,
        action: Action,
        why: Why,
        needs: Vec<StepId>,
        for_: WantedBy,
    ) -> StepId {
        let id = action.step_id();
        self.plan.steps.push(Step {
            id: id.clone(),
            action,
            why,
            needs,
            wanted_by: for_,
        });
        id
    }

    pub(super) fn held(&mut self, id: StepId, reason: HeldReason, wanted_by: WantedBy) {
        self.plan.held.push(Held {
            id,
            reason,
            wanted_by,
        });
    }

    /// Everything of ours leaves the cache, on request only.
    fn purge(&mut self) {
        for (file, cached) in &self.observed.cache.files {
            let action = Action::PruneCache {
                file: file.clone(),
                bytes: cached.size.unwrap_or(0),
            };
            self.step(action, Why::Purge, Vec::new(), WantedBy::default());
        }
        for (file, &bytes) in &self.observed.cache.partial {
            let action = Action::ClearPartial {
                file: file.clone(),
                bytes,
            };
            self.step(action, Why::Purge, Vec::new(), WantedBy::default());
        }
    }

    pub(super) fn cached(&self, file: &FileName) -> Option<&CachedFile> {
        if self.policy.purge {
            return None;
        }
        self.observed.cache.files.get(file)
    }

    /// Why a file in the cache is not the wanted one; `None` if it is.
    fn stale(&self, artifact: &ArtifactId, want: &Want) -> Option<Why> {
        let partial = self.observed.cache.partial.get(&want.file);
        let Some(cached) = self.cached(&want.file) else {
            return Some(match partial {
                Some(&have) if have > 0 && !self.policy.purge => Why::Partial { have },
                _ => Why::Missing,
            });
        };
        let meta = &cached.meta;
        if &meta.artifact != artifact {
            return Some(Why::OtherImage {
                found: meta.artifact.clone(),
            });
        }
        if let Some(expected) = want.pinned.filter(|pin| *pin != meta.sha256) {
            return Some(Why::DigestDiffers {
                expected,
                found: meta.sha256,
            });
        }
        let url = match &want.origin {
            Origin::Download { url } => Some(url),
            Origin::Unpack { from } => match &self.desired.artifacts[from].origin {
                Origin::Download { url } => Some(url),
                Origin::Unpack { .. } => None,
            },
        };
        if url.is_some_and(|url| !same_source(url, &meta.url)) {
            return Some(Why::OtherSource {
                found: meta.url.clone(),
            });
        }
        match cached.size {
            None => Some(Why::Missing),
            Some(found) if found != meta.size => Some(Why::SizeDiffers {
                expected: meta.size,
                found,
            }),
            Some(_) if !cached.untouched => Some(Why::Touched),
            Some(_) => cached.fault.clone().map(|what| Why::NotWhole { what }),
        }
    }

    /// What comes into the cache.
    fn cache(&mut self) {
        for (artifact, want) in &self.desired.artifacts {
            let Origin::Download { url } = &want.origin else {
                continue;
            };
            let unpack = self
                .desired
                .artifacts
                .get_key_value(&artifact.with_format(Format::Raw))
                .filter(
                    |(_, raw)| matches!(&raw.origin, Origin::Unpack { from } if from == artifact),
                );
            let stale = self.stale(artifact, want);
            let stale_unpacked = unpack.and_then(|(raw, want)| self.stale(raw, want));
            match (stale, unpack.zip(stale_unpacked)) {
                (Some(why), unpack) => self.fetch(artifact, want, url, why, unpack.map(|u| u.0)),
                (None, Some((raw, why))) => {
                    self.in_sync(want);
                    self.unpack(artifact, want, raw, why);
                }
                (None, None) => self.in_sync(want),
            }
            if let Some((raw, raw_want)) = unpack
                && !self.incoming.contains_key(raw)
                && !self.held_sources.contains_key(raw)
            {
                self.in_sync(raw_want);
            }
        }
    }

    fn in_sync(&mut self, want: &Want) {
        self.plan.in_sync.push(StepId::fetch(&want.file));
    }

    fn foreign(&self, file: &FileName) -> bool {
        self.observed.cache.foreign.contains(file.as_str())
    }

    fn fetch(
        &mut self,
        artifact: &ArtifactId,
        want: &Want,
        url: &str,
        why: Why,
        unpack: Option<(&ArtifactId, &Want)>,
    ) {
        let action = Action::Fetch {
            url: url.to_owned(),
            download: artifact.clone(),
            file: want.file.clone(),
            unpack: unpack.map(|(raw, want)| (raw.clone(), want.file.clone())),
            pinned: want.pinned,
            bytes: self.observed.catalog.sizes.get(artifact).copied().into(),
        };
        let mut wanted_by = want.wanted_by.clone();
        if let Some((_, raw)) = unpack {
            wanted_by.extend(raw.wanted_by.iter().cloned());
        }
        let files = [Some(&want.file), unpack.map(|(_, want)| &want.file)];
        if let Some(file) = files.into_iter().flatten().find(|file| self.foreign(file)) {
            let id = action.step_id();
            self.held_sources.insert(artifact.clone(), id.clone());
            if let Some((raw, _)) = unpack {
                self.held_sources.insert(raw.clone(), id.clone());
            }
            return self.held(
                id,
                HeldReason::ForeignFile { file: file.clone() },
                wanted_by,
            );
        }
        if let Some(reason) = self.no_room(artifact, unpack.is_some()) {
            let id = action.step_id();
            self.held_sources.insert(artifact.clone(), id.clone());
            if let Some((raw, _)) = unpack {
                self.held_sources.insert(raw.clone(), id.clone());
            }
            return self.held(id, reason, wanted_by);
        }
        let mut needs = self.purged(files.into_iter().flatten());
        needs.extend(self.register(artifact, &wanted_by));
        let id = self.step(action, why, needs, wanted_by);
        self.incoming.insert(artifact.clone(), id.clone());
        if let Some((raw, _)) = unpack {
            self.incoming.insert(raw.clone(), id);
        }
    }

    fn unpack(&mut self, from: &ArtifactId, from_want: &Want, to: (&ArtifactId, &Want), why: Why) {
        let (artifact, want) = to;
        let action = Action::Unpack {
            from: from.clone(),
            from_file: from_want.file.clone(),
            to: artifact.clone(),
            file: want.file.clone(),
            bytes: self.observed.cache.files[&from_want.file].meta.size,
        };
        if self.foreign(&want.file) {
            let id = action.step_id();
            self.held_sources.insert(artifact.clone(), id.clone());
            let reason = HeldReason::ForeignFile {
                file: want.file.clone(),
            };
            return self.held(id, reason, want.wanted_by.clone());
        }
        let id = self.step(action, why, Vec::new(), want.wanted_by.clone());
        self.incoming.insert(artifact.clone(), id);
    }

    /// Why a download does not fit, as far as its size can be told before. An image that is
    /// unpacked as well takes about as much again: its zeros are holes.
    fn no_room(&mut self, artifact: &ArtifactId, unpack: bool) -> Option<HeldReason> {
        let free = self.cache_free.as_mut()?;
        let bytes = *self.observed.catalog.sizes.get(artifact)?;
        let bytes = if unpack { bytes * 2 } else { bytes };
        let need = bytes + self.policy.cache_reserve;
        if need > *free {
            return Some(HeldReason::NoSpace {
                place: "the cache".to_owned(),
                need,
                free: *free,
                parts: 0,
            });
        }
        *free -= bytes;
        None
    }

    /// The purge steps that must free these names first.
    fn purged<'f>(&self, files: impl Iterator<Item = &'f FileName>) -> Vec<StepId> {
        if !self.policy.purge {
            return Vec::new();
        }
        files
            .filter_map(|file| {
                let cached = self.observed.cache.files.get(file)?;
                let action = Action::PruneCache {
                    file: file.clone(),
                    bytes: cached.size.unwrap_or(0),
                };
                Some(action.step_id())
            })
            .collect()
    }

    /// The step that makes the artifact's schematic known, planned once.
    fn register(&mut self, artifact: &ArtifactId, for_: &WantedBy) -> Option<StepId> {
        let computed = *self.described.get(&artifact.schematic)?;
        let action = Action::Register {
            schematic: computed,
            expected: artifact.schematic,
            document: document(&self.desired.schematics[&computed]),
        };
        if let Some(&at) = self.registering.get(&computed) {
            let step = &mut self.plan.steps[at];
            step.wanted_by.extend(for_.iter().cloned());
            return Some(step.id.clone());
        }
        self.registering.insert(computed, self.plan.steps.len());
        Some(self.step(action, Why::Unregistered, Vec::new(), for_.clone()))
    }

    fn unresolved(&mut self) {
        for want in &self.desired.positions {
            if let Err(why) = &want.outcome {
                let id = StepId::resolve(&want.position);
                let reason = HeldReason::Unresolved { why: why.clone() };
                self.held(id, reason, WantedBy::one(want.position.clone()));
            }
        }
    }

    fn retention(&mut self) {
        if self.policy.purge {
            return;
        }
        let removals = retain::retain(
            self.desired,
            self.observed,
            &self.policy.retention,
            &self.incoming,
        );
        self.plan.steps.extend(removals.steps);
        self.plan.held.extend(removals.held);
    }

    fn prune_nodes(&mut self) {
        let policy = self.policy;
        let removals = prune::prune(
            self.desired,
            self.observed,
            &policy.prune,
            &policy.sites,
            &self.speakers,
            &self.plan.steps,
        );
        self.plan.steps.extend(removals.steps);
        self.plan.held.extend(removals.held);
    }

    fn clear_parts(&mut self) {
        let policy = self.policy;
        let removals = parts::parts(
            self.desired,
            self.observed,
            &policy.prune,
            &policy.sites,
            &self.speakers,
            &self.plan,
        );
        self.plan.steps.extend(removals.steps);
        self.plan.held.extend(removals.held);
    }

    fn verify(&mut self) {
        if let Some(policy) = &self.policy.verify {
            let in_sync = self.plan.in_sync.iter().collect();
            let (desired, observed) = (self.desired, self.observed);
            let steps = verify::verify(desired, observed, policy, &self.speakers, &in_sync);
            self.plan.steps.extend(steps);
        }
    }

    /// Sorts: purges, registrations, downloads, pushes, removals; within a kind by
    /// identity. What a step needs then always stands before it.
    fn finish(mut self) -> Plan {
        let rank = |step: &Step| match (&step.action, &step.why) {
            (Action::PruneCache { .. } | Action::ClearPartial { .. }, Why::Purge) => 0,
            (Action::Register { .. }, _) => 1,
            (Action::Fetch { .. } | Action::Unpack { .. }, _) => 2,
            (Action::Push { .. }, _) => 3,
            (Action::VerifyCache { .. } | Action::VerifyNode { .. }, _) => 5,
            (Action::PruneNode { .. }, _) => 6,
            (
                Action::PruneCache { .. } | Action::ClearPartial { .. } | Action::ClearPart { .. },
                _,
            ) => 4,
        };
        self.plan
            .steps
            .sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id)));
        self.plan.in_sync.sort();
        self.plan
    }
}

/// True if two URLs name the same file of the same factory; a token in the query
/// is no part of that.
fn same_source(wanted: &str, found: &str) -> bool {
    fn bare(url: &str) -> &str {
        url.split(['?', '#']).next().unwrap_or_default()
    }
    bare(wanted) == bare(found)
}
