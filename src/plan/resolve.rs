//! Orders and catalogue in, [`Desired`] out.
//!
//! Each position becomes artifacts and places, or the reason why it does not in
//! this pass. Wants for the same artifact are merged over all orders; wants for
//! the same path with different artifacts are refused on both sides, because
//! either choice would overwrite what the other asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::desired::{Desired, Origin, Placed, PositionWant, Resolved, Unresolved, Want};
use super::observed::{Catalog, VersionKnowledge, VersionSource};
use crate::model::{
    ArtifactId, Deletion, FileName, Format, NameTemplate, Order, OrderSet, Position, PositionRef,
    PushMethod, PushTarget, SchematicId, SchematicSource, Sha256, TalosVersion, VersionPolicy,
};

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
    let mut deletions = BTreeMap::new();
    for order in &orders.orders {
        deletions.insert(&order.id, order.deletion);
        for position in &order.positions {
            let outcome = resolve_position(position, catalog, naming, &mut desired);
            drafts.push((order.position_ref(position), position, outcome));
        }
    }
    // The order of files and orders must not matter, not even for whom a conflict
    // names.
    drafts.sort_by(|a, b| a.0.cmp(&b.0));
    refuse_conflicts(&mut drafts, naming);
    for (reference, position, outcome) in drafts {
        if let Ok(resolved) = &outcome {
            let deletion = deletions[&reference.order];
            want(
                &mut desired,
                &reference,
                position,
                deletion,
                resolved,
                naming,
            );
        }
        desired.positions.push(PositionWant {
            position: reference,
            outcome,
        });
    }
    desired
}

fn resolve_position(
    position: &Position,
    catalog: &Catalog,
    naming: &Naming,
    desired: &mut Desired,
) -> Result<Resolved, Unresolved> {
    let (version, version_source) = resolve_version(&position.version, &catalog.versions)?;
    let schematic = match &position.schematic {
        SchematicSource::Id(id) => *id,
        SchematicSource::Customization(schematic) => {
            let computed = schematic.id();
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
    let file = position
        .filename
        .clone()
        .unwrap_or_else(|| naming.template.name(&delivered));
    Ok(Resolved {
        version,
        version_source,
        url: format!("{}{}", naming.factory_url, download.factory_path()),
        targets: position
            .targets
            .iter()
            .map(|target| (target.clone(), file.clone()))
            .collect(),
        download,
        unpacked,
        delivered,
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

type Draft<'a> = (PositionRef, &'a Position, Result<Resolved, Unresolved>);

/// Turns every draft that shares a path with a different artifact, or pins
/// another digest for the same one, into an error that names its opponent.
fn refuse_conflicts(drafts: &mut [Draft<'_>], naming: &Naming) {
    let mut claims = Claims::default();
    for (at, (_, position, outcome)) in drafts.iter().enumerate() {
        if let Ok(resolved) = outcome {
            claims.add(at, position, resolved, naming);
        }
    }
    for (at, (other, reason)) in claims.refused {
        let with = drafts[other].0.clone();
        drafts[at].2 = Err(match reason {
            Refusal::Path(path) => Unresolved::Conflict { path, with },
            Refusal::Pin => Unresolved::PinConflict { with },
        });
    }
}

enum Refusal {
    Path(String),
    Pin,
}

#[derive(Default)]
struct Claims<'a> {
    cache: BTreeMap<FileName, (usize, ArtifactId)>,
    nodes: BTreeMap<(&'a PushTarget, &'a FileName), (usize, &'a ArtifactId)>,
    pins: BTreeMap<&'a ArtifactId, (usize, Sha256)>,
    refused: BTreeMap<usize, (usize, Refusal)>,
}

impl<'a> Claims<'a> {
    fn add(&mut self, at: usize, position: &Position, resolved: &'a Resolved, naming: &Naming) {
        for artifact in [Some(&resolved.download), resolved.unpacked.as_ref()]
            .into_iter()
            .flatten()
        {
            let name = naming.template.name(artifact);
            match self.cache.get(&name) {
                Some((first, claimed)) if claimed != artifact => {
                    self.refuse(*first, at, || Refusal::Path(format!("cache:{name}")));
                }
                Some(_) => {}
                None => {
                    self.cache.insert(name, (at, artifact.clone()));
                }
            }
        }
        for (target, file) in &resolved.targets {
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

fn want(
    desired: &mut Desired,
    reference: &PositionRef,
    position: &Position,
    deletion: Option<Deletion>,
    resolved: &Resolved,
    naming: &Naming,
) {
    let mut add = |artifact: &ArtifactId, origin: Origin, pinned: Option<Sha256>| {
        let entry = desired
            .artifacts
            .entry(artifact.clone())
            .or_insert_with(|| Want {
                file: naming.template.name(artifact),
                origin: origin.clone(),
                pinned,
                wanted_by: BTreeSet::new(),
            });
        entry.pinned = entry.pinned.or(pinned);
        entry.wanted_by.insert(reference.clone());
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
    let download = Origin::Download {
        url: resolved.url.clone(),
    };
    add(&resolved.download, download, position.pinned);
    if let Some(raw) = &resolved.unpacked {
        let unpack = Origin::Unpack {
            from: resolved.download.clone(),
        };
        add(raw, unpack, None);
    }
    for (target, file) in &resolved.targets {
        desired
            .placed
            .entry(target.clone())
            .or_default()
            .entry(file.clone())
            .and_modify(|placed| {
                placed.deletion = stricter(placed.deletion, deletion);
                placed.method = plainer(placed.method, position.push_method);
            })
            .or_insert_with(|| Placed {
                artifact: resolved.delivered.clone(),
                is_our_name: position.filename.is_none(),
                deletion,
                method: position.push_method,
                wanted_by: BTreeSet::new(),
            })
            .wanted_by
            .insert(reference.clone());
    }
}
