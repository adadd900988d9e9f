//! Orders and catalogue in, [`Desired`] out.
//!
//! Each position becomes artifacts and places, or the reason why it does not in
//! this pass. Wants for the same artifact are merged over all orders; wants for
//! the same path with different artifacts are refused on both sides, because
//! either choice would overwrite what the other asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::{Desired, Origin, Placed, PositionWant, Resolved, Unresolved, Want};
use super::wanted::WantedBy;
use crate::facts::{Catalog, VersionKnowledge, VersionSource};
use crate::model::{
    ArtifactId, Deletion, FileName, Format, NameTemplate, Order, OrderSet, Position, PositionRef,
    PushMethod, PushTarget, SchematicId, SchematicSource, Sha256, TalosVersion, VersionPolicy,
};
use crate::schematic::{Canonical, rules};

/// What resolving needs besides orders and catalogue.
#[derive(Debug, Clone)]
pub struct Naming {
    /// How file names are made.
    pub template: NameTemplate,
    /// The factory's base URL, with a trailing slash.
    pub factory_url: String,
}

/// How many near versions an error lists.
const NEAREST: usize = 5;

/// Resolves every position of every order.
pub fn resolve(orders: &OrderSet, catalog: &Catalog, naming: &Naming) -> Desired {
    let mut desired = Desired {
        complete: orders.is_complete(),
        nodes: orders.nodes.clone(),
        ..Desired::default()
    };
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let is_suspended = |order: &&Order| order.suspended;
    let suspended = orders.orders.iter().filter(is_suspended);
    desired.suspended = suspended.map(|order| order.id.clone()).collect();
    for order in &orders.orders {
        for position in &order.positions {
            drafts.push(Draft {
                reference: order.position_ref(position),
                position,
                deletion: order.deletion,
                outcome: resolve_position(position, catalog, naming, &mut desired),
            });
        }
    }
    // The order of files and orders must not matter, not even for whom a conflict
    // names.
    drafts.sort_by(|a, b| a.reference.cmp(&b.reference));
    refuse_conflicts(&mut drafts);
    for draft in &drafts {
        if let Ok(named) = &draft.outcome {
            want(&mut desired, draft, named);
        }
    }
    desired.placed = placed(&drafts);
    desired.positions = drafts
        .into_iter()
        .map(|draft| PositionWant {
            position: draft.reference,
            outcome: draft.outcome.map(|named| named.resolved),
        })
        .collect();
    desired
}

/// A position with what it comes to, before it is known whether others agree.
struct Draft<'a> {
    reference: PositionRef,
    position: &'a Position,
    /// What its order says becomes of its files.
    deletion: Option<Deletion>,
    outcome: Result<Named, Unresolved>,
}

/// A resolved position with the names of its files, each made once.
struct Named {
    resolved: Resolved,
    /// In the cache.
    download: FileName,
    /// In the cache, of the unpacked form.
    unpacked: Option<FileName>,
    /// On every node.
    placed: FileName,
}

impl Named {
    /// The files in the cache, with their names.
    fn cached(&self) -> impl Iterator<Item = (&ArtifactId, &FileName)> {
        let unpacked = self.resolved.unpacked.as_ref().zip(self.unpacked.as_ref());
        std::iter::once((&self.resolved.download, &self.download)).chain(unpacked)
    }
}

fn resolve_position(
    position: &Position,
    catalog: &Catalog,
    naming: &Naming,
    desired: &mut Desired,
) -> Result<Named, Unresolved> {
    let (version, version_source) = resolve_version(&position.version, &catalog.versions)?;
    let schematic = match &position.schematic {
        SchematicSource::Id(id) => *id,
        SchematicSource::Customization(schematic) => {
            if let Some((_, why)) = rules::refused_by(schematic, version.minor()) {
                return Err(Unresolved::Unsupported { why });
            }
            let computed = Canonical::of(schematic).id();
            desired
                .schematics
                .entry(computed)
                .or_insert_with(|| (**schematic).clone());
            known_id(catalog, computed)
        }
    };
    let download = ArtifactId {
        version: version.clone(),
        platform: position.platform,
        arch: position.arch,
        secureboot: position.secureboot,
        schematic,
        format: position.format,
    };
    let unpacked = position.unpack.then(|| download.with_format(Format::Raw));
    let delivered = match &unpacked {
        Some(raw) if position.push_unpacked => raw.clone(),
        _ => download.clone(),
    };
    let download_file = naming.template.name(&download);
    let unpacked_file = unpacked.as_ref().map(|raw| naming.template.name(raw));
    let placed = match (&position.filename, &unpacked_file) {
        (Some(chosen), _) => chosen,
        (None, Some(raw)) if position.push_unpacked => raw,
        (None, _) => &download_file,
    };
    let targets = position.targets.iter();
    Ok(Named {
        resolved: Resolved {
            version,
            version_source,
            url: format!("{}{}", naming.factory_url, download.factory_path()),
            targets: targets
                .map(|target| (target.clone(), placed.clone()))
                .collect(),
            download,
            unpacked,
            delivered,
        },
        placed: placed.clone(),
        download: download_file,
        unpacked: unpacked_file,
    })
}

/// The id under which the factory knows a schematic: what it answered, or else
/// what we computed.
fn known_id(catalog: &Catalog, computed: SchematicId) -> SchematicId {
    catalog
        .schematics
        .get(&computed)
        .map_or(computed, |registration| registration.id)
}

fn resolve_version(
    policy: &VersionPolicy,
    knowledge: &VersionKnowledge,
) -> Result<(TalosVersion, VersionSource), Unresolved> {
    if let VersionPolicy::Exact(version) = policy {
        return Ok((version.clone(), VersionSource::Order));
    }
    let (versions, source) = match knowledge {
        VersionKnowledge::Known {
            versions, source, ..
        } => (versions, *source),
        VersionKnowledge::Unknown { failures } => {
            return Err(Unresolved::VersionsUnknown {
                failures: failures.clone(),
            });
        }
        VersionKnowledge::NotNeeded => {
            return Err(Unresolved::VersionsUnknown {
                failures: vec!["no source was asked".to_owned()],
            });
        }
    };
    let found = match policy {
        VersionPolicy::Exact(version) => Some(version),
        VersionPolicy::Latest => versions.iter().rev().find(|version| version.is_ga()),
        VersionPolicy::LatestInMinor(minor) => {
            let mut line = versions
                .iter()
                .rev()
                .filter(|version| version.minor() == *minor);
            let greatest = line.clone().next();
            line.find(|version| version.is_ga()).or(greatest)
        }
    };
    match found {
        Some(version) => Ok((version.clone(), source)),
        None => Err(Unresolved::NoSuchVersion {
            wanted: match policy {
                VersionPolicy::LatestInMinor(minor) => format!("latest-in-minor {minor}"),
                VersionPolicy::Latest => "latest".to_owned(),
                VersionPolicy::Exact(version) => version.to_string(),
            },
            known: versions.iter().rev().take(NEAREST).cloned().collect(),
        }),
    }
}

/// Turns every draft that shares a path with a different artifact, or pins
/// another digest for the same one, into an error that names its opponent.
fn refuse_conflicts(drafts: &mut [Draft<'_>]) {
    let mut claims = Claims {
        contested: contested(drafts),
        ..Claims::default()
    };
    for (at, draft) in drafts.iter().enumerate() {
        if let Ok(named) = &draft.outcome {
            claims.add(at, draft.position, named);
        }
    }
    for (at, (other, reason)) in claims.refused {
        let with = drafts[other].reference.clone();
        drafts[at].outcome = Err(match reason {
            Refusal::Path(path) => Unresolved::Conflict { path, with },
            Refusal::Pin => Unresolved::PinConflict { with },
        });
    }
}

/// The names on nodes that more than one image is wanted under. A position has one
/// name on all of its nodes, so the places of every other name need no comparing.
fn contested<'a>(drafts: &'a [Draft<'_>]) -> BTreeSet<&'a FileName> {
    let mut first: BTreeMap<&FileName, &ArtifactId> = BTreeMap::new();
    let mut contested = BTreeSet::new();
    for named in drafts
        .iter()
        .filter_map(|draft| draft.outcome.as_ref().ok())
    {
        let delivered = &named.resolved.delivered;
        if *first.entry(&named.placed).or_insert(delivered) != delivered {
            contested.insert(&named.placed);
        }
    }
    contested
}

enum Refusal {
    Path(String),
    Pin,
}

#[derive(Default)]
struct Claims<'a> {
    contested: BTreeSet<&'a FileName>,
    cache: BTreeMap<&'a FileName, (usize, &'a ArtifactId)>,
    nodes: BTreeMap<(&'a PushTarget, &'a FileName), (usize, &'a ArtifactId)>,
    pins: BTreeMap<&'a ArtifactId, (usize, Sha256)>,
    refused: BTreeMap<usize, (usize, Refusal)>,
}

impl<'a> Claims<'a> {
    fn add(&mut self, at: usize, position: &Position, named: &'a Named) {
        let resolved = &named.resolved;
        for (artifact, name) in named.cached() {
            match self.cache.get(name) {
                Some((first, claimed)) if *claimed != artifact => {
                    self.refuse(*first, at, || Refusal::Path(format!("cache:{name}")));
                }
                Some(_) => {}
                None => {
                    self.cache.insert(name, (at, artifact));
                }
            }
        }
        let is_contested = self.contested.contains(&named.placed);
        for (target, file) in resolved.targets.iter().filter(|_| is_contested) {
            match self.nodes.get(&(target, file)) {
                Some((first, claimed)) if *claimed != &resolved.delivered => {
                    let path = format!("{}:{}", target.node, target.dir.join(file));
                    self.refuse(*first, at, || Refusal::Path(path.clone()));
                }
                Some(_) => {}
                None => {
                    self.nodes.insert((target, file), (at, &resolved.delivered));
                }
            }
        }
        if let Some(pin) = position.pinned {
            match self.pins.get(&resolved.download) {
                Some((first, pinned)) if *pinned != pin => {
                    self.refuse(*first, at, || Refusal::Pin);
                }
                Some(_) => {}
                None => {
                    self.pins.insert(&resolved.download, (at, pin));
                }
            }
        }
    }

    fn refuse(&mut self, first: usize, second: usize, reason: impl Fn() -> Refusal) {
        self.refused
            .entry(first)
            .or_insert_with(|| (second, reason()));
        self.refused
            .entry(second)
            .or_insert_with(|| (first, reason()));
    }
}

/// Of two orders that want one file, the one that lets it stay wins.
fn stricter(one: Option<Deletion>, other: Option<Deletion>) -> Option<Deletion> {
    match (one, other) {
        (Some(Deletion::Orphan), _) | (_, Some(Deletion::Orphan)) => Some(Deletion::Orphan),
        (None, _) | (_, None) => None,
        (Some(Deletion::Delete), Some(Deletion::Delete)) => Some(Deletion::Delete),
    }
}

/// Of two orders that want one file sent, the one that names a way wins; of two
/// ways the one that needs no other file there.
fn plainer(one: Option<PushMethod>, other: Option<PushMethod>) -> Option<PushMethod> {
    let rank = |method: &Option<PushMethod>| match method {
        Some(PushMethod::Stream) => 0,
        Some(PushMethod::Rsync) => 1,
        Some(PushMethod::Auto) => 2,
        None => 3,
    };
    std::cmp::min_by_key(one, other, rank)
}

/// Adds what a position wants in the cache.
fn want(desired: &mut Desired, draft: &Draft<'_>, named: &Named) {
    let mut add = |artifact: &ArtifactId, file: &FileName, origin: Origin, pinned| {
        let entry = desired
            .artifacts
            .entry(artifact.clone())
            .or_insert_with(|| Want {
                file: file.clone(),
                origin: origin.clone(),
                pinned,
                wanted_by: WantedBy::default(),
            });
        entry.pinned = entry.pinned.or(pinned);
        entry.wanted_by.extend([draft.reference.clone()]);
        // A raw image that is also unpacked from a compressed one costs no bytes
        // of its own; among several compressed forms the first by name serves. A
        // pinned one is downloaded: only of a download the digest is promised.
        let better = match (&origin, &entry.origin) {
            (Origin::Unpack { .. }, Origin::Download { .. }) => entry.pinned.is_none(),
            (Origin::Unpack { from }, Origin::Unpack { from: known }) => from < known,
            (Origin::Download { .. }, _) => pinned.is_some(),
        };
        if better {
            entry.origin = origin.clone();
        }
    };
    let resolved = &named.resolved;
    let download = Origin::Download {
        url: resolved.url.clone(),
    };
    let pinned = draft.position.pinned;
    add(&resolved.download, &named.download, download, pinned);
    if let (Some(raw), Some(file)) = (&resolved.unpacked, &named.unpacked) {
        let unpack = Origin::Unpack {
            from: resolved.download.clone(),
        };
        add(raw, file, unpack, None);
    }
}

/// What is wanted where. The positions are taken in the order of their names on the
/// nodes: then each directory's list comes about sorted, and who wants the same file
/// comes one after the other.
fn placed(drafts: &[Draft<'_>]) -> BTreeMap<PushTarget, BTreeMap<FileName, Placed>> {
    let mut by_name: Vec<(&Draft<'_>, &Named)> = drafts
        .iter()
        .filter_map(|draft| Some((draft, draft.outcome.as_ref().ok()?)))
        .collect();
    // Stable: of several positions the first decides whose name it is.
    by_name.sort_by(|(_, a), (_, b)| a.placed.cmp(&b.placed));
    let mut lists: BTreeMap<&PushTarget, Vec<(FileName, Placed)>> = BTreeMap::new();
    for (draft, named) in by_name {
        let own = WantedBy::one(draft.reference.clone());
        let mut joined = Joined::default();
        for (target, file) in &named.resolved.targets {
            let list = lists.entry(target).or_default();
            match list.last_mut() {
                Some((last, placed)) if last == file => {
                    placed.deletion = stricter(placed.deletion, draft.deletion);
                    placed.method = plainer(placed.method, draft.position.push_method);
                    placed.wanted_by = joined.with(&placed.wanted_by, &own);
                }
                _ => {
                    let placed = Placed {
                        artifact: named.resolved.delivered.clone(),
                        is_our_name: draft.position.filename.is_none(),
                        deletion: draft.deletion,
                        method: draft.position.push_method,
                        wanted_by: own.clone(),
                    };
                    list.push((file.clone(), placed));
                }
            }
        }
    }
    let lists = lists.into_iter();
    lists
        .map(|(target, files)| (target.clone(), files.into_iter().collect()))
        .collect()
}

/// Adds one position to sets that are mostly the same one: the last answer is kept,
/// so that nodes that share a set go on sharing one.
#[derive(Default)]
struct Joined {
    last: Option<(WantedBy, WantedBy)>,
}

impl Joined {
    fn with(&mut self, before: &WantedBy, own: &WantedBy) -> WantedBy {
        match &self.last {
            Some((known, joined)) if known.is_shared_with(before) => joined.clone(),
            _ => {
                let mut joined = before.clone();
                joined.extend(own.iter().cloned());
                self.last = Some((before.clone(), joined.clone()));
                joined
            }
        }
    }
}
