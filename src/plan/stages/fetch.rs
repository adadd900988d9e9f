//! What comes into the cache: each wanted file is a step, blocked, or in sync.

use std::collections::BTreeMap;

use crate::facts::{Observed, StepId};
use crate::model::{ArtifactId, FileName, Format, SchematicId};
use crate::plan::blocked::BlockedReason;
use crate::plan::desired::{Desired, Origin, Want};
use crate::plan::size::Size;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::{Action, Why};
use crate::plan::wanted::WantedBy;
use crate::schematic::document;

/// Plans what comes into the cache.
pub(in crate::plan) fn fetch(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let desired = input.desired;
    let mut fetcher = Fetcher {
        described: described(desired, input.observed),
        registering: BTreeMap::new(),
        free: input.observed.cache.free_bytes.filter(|_| !input.purge),
        input,
        draft,
    };
    for (artifact, want) in &desired.artifacts {
        let Origin::Download { url } = &want.origin else {
            continue;
        };
        let raw = desired
            .artifacts
            .get_key_value(&artifact.with_format(Format::Raw));
        let unpack = raw
            .filter(|(_, raw)| matches!(&raw.origin, Origin::Unpack { from } if from == artifact));
        fetcher.wanted(artifact, want, url, unpack);
    }
}

/// Plans the files of the cache one after the other.
struct Fetcher<'a, 'd> {
    input: &'a StageInput<'a>,
    draft: &'d mut PlanDraft,
    /// The computed id of each schematic that an order describes, by the id that
    /// the factory knows it under.
    described: BTreeMap<SchematicId, SchematicId>,
    /// Where the registration of a schematic stands among the steps.
    registering: BTreeMap<SchematicId, usize>,
    /// Bytes left for downloads, where that is known: a purge frees what nobody has
    /// counted.
    free: Option<u64>,
}

impl Fetcher<'_, '_> {
    /// One download, with what is unpacked from it.
    fn wanted(
        &mut self,
        artifact: &ArtifactId,
        want: &Want,
        url: &str,
        unpack: Option<(&ArtifactId, &Want)>,
    ) {
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
            && !self.draft.incoming.contains_key(raw)
            && !self.draft.blocked_sources.contains_key(raw)
        {
            self.in_sync(raw_want);
        }
    }

    /// Why a file in the cache is not the wanted one; `None` if it is.
    fn stale(&self, artifact: &ArtifactId, want: &Want) -> Option<Why> {
        let partial = self.input.observed.cache.partial.get(&want.file);
        let Some(cached) = self.input.cached(&want.file) else {
            return Some(match partial {
                Some(&have) if have > 0 && !self.input.purge => Why::Partial { have },
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
            Origin::Unpack { from } => match &self.input.desired.artifacts[from].origin {
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

    fn in_sync(&mut self, want: &Want) {
        self.draft.plan.in_sync.push(StepId::fetch(&want.file));
    }

    fn foreign(&self, file: &FileName) -> bool {
        self.input.observed.cache.foreign.contains(file.as_str())
    }

    fn fetch(
        &mut self,
        artifact: &ArtifactId,
        want: &Want,
        url: &str,
        why: Why,
        unpack: Option<(&ArtifactId, &Want)>,
    ) {
        let catalog = &self.input.observed.catalog;
        let stored = catalog.stored.get(artifact).copied();
        let seen = catalog.sizes.get(artifact).copied();
        let action = Action::Fetch {
            url: url.to_owned(),
            download: artifact.clone(),
            file: want.file.clone(),
            unpack: unpack.map(|(raw, want)| (raw.clone(), want.file.clone())),
            pinned: want.pinned,
            bytes: stored.map_or_else(|| seen.into(), Size::Known),
            stored: stored.is_some(),
        };
        let mut wanted_by = want.wanted_by.clone();
        if let Some((_, raw)) = unpack {
            wanted_by.extend(raw.wanted_by.iter().cloned());
        }
        let files = [Some(&want.file), unpack.map(|(_, want)| &want.file)];
        if let Some(file) = files.into_iter().flatten().find(|file| self.foreign(file)) {
            let id = action.step_id();
            self.draft
                .blocked_sources
                .insert(artifact.clone(), id.clone());
            if let Some((raw, _)) = unpack {
                self.draft.blocked_sources.insert(raw.clone(), id.clone());
            }
            return self.draft.block(
                id,
                BlockedReason::ForeignFile { file: file.clone() },
                wanted_by,
            );
        }
        if let Some(reason) = self.no_room(artifact, unpack.is_some(), &wanted_by) {
            let id = action.step_id();
            self.draft
                .blocked_sources
                .insert(artifact.clone(), id.clone());
            if let Some((raw, _)) = unpack {
                self.draft.blocked_sources.insert(raw.clone(), id.clone());
            }
            return self.draft.block(id, reason, wanted_by);
        }
        let mut needs = self.purged(files.into_iter().flatten());
        needs.extend(self.register(artifact, &wanted_by));
        let id = self.draft.step(action, why, needs, wanted_by);
        self.draft.incoming.insert(artifact.clone(), id.clone());
        if let Some((raw, _)) = unpack {
            self.draft.incoming.insert(raw.clone(), id);
        }
    }

    fn unpack(&mut self, from: &ArtifactId, from_want: &Want, to: (&ArtifactId, &Want), why: Why) {
        let (artifact, want) = to;
        let action = Action::Unpack {
            from: from.clone(),
            from_file: from_want.file.clone(),
            to: artifact.clone(),
            file: want.file.clone(),
            bytes: self.input.observed.cache.files[&from_want.file].meta.size,
        };
        if self.foreign(&want.file) {
            let id = action.step_id();
            self.draft
                .blocked_sources
                .insert(artifact.clone(), id.clone());
            let reason = BlockedReason::ForeignFile {
                file: want.file.clone(),
            };
            return self.draft.block(id, reason, want.wanted_by.clone());
        }
        let id = self
            .draft
            .step(action, why, Vec::new(), want.wanted_by.clone());
        self.draft.incoming.insert(artifact.clone(), id);
    }

    /// Why a download does not fit, as far as its size can be told before. An image that is
    /// unpacked as well takes about as much again: its zeros are holes.
    fn no_room(
        &mut self,
        artifact: &ArtifactId,
        unpack: bool,
        wanted_by: &WantedBy,
    ) -> Option<BlockedReason> {
        let free = self.free.as_mut()?;
        let catalog = &self.input.observed.catalog;
        let stored = catalog.stored.get(artifact);
        let bytes = *stored.or_else(|| catalog.sizes.get(artifact))?;
        let bytes = if unpack { bytes * 2 } else { bytes };
        let need = bytes + self.input.policy.cache_reserve;
        if need > *free {
            return Some(BlockedReason::NoSpace {
                place: "the cache".to_owned(),
                need,
                free: *free,
                parts: 0,
            });
        }
        if self.input.is_selected(wanted_by) {
            *free -= bytes;
        }
        None
    }

    /// The purge steps that must free these names first.
    fn purged<'f>(&self, files: impl Iterator<Item = &'f FileName>) -> Vec<StepId> {
        if !self.input.purge {
            return Vec::new();
        }
        files
            .filter_map(|file| {
                let cached = self.input.observed.cache.files.get(file)?;
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
            document: document(&self.input.desired.schematics[&computed]),
        };
        if let Some(&at) = self.registering.get(&computed) {
            let step = &mut self.draft.plan.steps[at];
            step.wanted_by.extend(for_.iter().cloned());
            return Some(step.id.clone());
        }
        self.registering
            .insert(computed, self.draft.plan.steps.len());
        Some(
            self.draft
                .step(action, Why::Unregistered, Vec::new(), for_.clone()),
        )
    }
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

/// True if two URLs name the same file of the same factory; a token in the query
/// is no part of that.
fn same_source(wanted: &str, found: &str) -> bool {
    fn bare(url: &str) -> &str {
        url.split(['?', '#']).next().unwrap_or_default()
    }
    bare(wanted) == bare(found)
}
