//! Orders and catalogue in, [`Desired`] out.
//!
//! Each position becomes artifacts and places, or the reason why it does not in
//! this run. Wants for the same artifact are merged over all orders; wants for
//! the same path with different artifacts are refused on both sides, because
//! either choice would overwrite what the other asked for.

mod conflicts;
mod draft;
mod merge;
mod storages;
mod templates;

use std::collections::{BTreeMap, BTreeSet};

use self::conflicts::refuse_conflicts;
use self::draft::{DraftPosition, NamedFiles};
use self::merge::{placed, want};
use super::desired::{Desired, PositionWant, Resolved, Unresolved, minors};
use super::unplaced::Unplaced;
use crate::facts::{Catalog, VersionKnowledge, VersionSource};
use crate::model::{
    ArtifactId, ClusterName, FileName, Format, NameTemplate, Node, NodeId, Order, OrderSet,
    Position, PushTarget, Reach, SchematicId, SchematicSource, TalosVersion, VersionPolicy,
};
use crate::schematic::{Canonical, rules};

/// What resolving needs besides orders and catalogue.
#[derive(Debug, Clone)]
pub struct Naming {
    /// How file names are made.
    pub template: NameTemplate,
    /// The factory's base URL, with a trailing slash.
    pub factory_url: String,
    /// The clusters whose nodes, where they are reached through the API, store raw images as
    /// qcow2.
    pub qcow2_clusters: BTreeSet<ClusterName>,
}

impl Naming {
    /// True for a node that stores raw images as qcow2.
    fn is_qcow2(&self, nodes: &BTreeMap<NodeId, Node>, node: &NodeId) -> bool {
        match nodes.get(node).map(|node| &node.reach) {
            Some(Reach::Api { cluster, .. }) => self.qcow2_clusters.contains(cluster),
            Some(Reach::Ssh { .. } | Reach::Bucket { .. } | Reach::Local) | None => false,
        }
    }
}

/// How many near versions an error lists.
const NEAREST: usize = 5;

/// Resolves every position of every order.
pub fn resolve(orders: &OrderSet, catalog: &Catalog, naming: &Naming) -> Desired {
    let mut desired = Desired {
        complete: orders.is_complete(),
        nodes: orders.nodes.clone(),
        shared: storages::shared(catalog),
        traits: orders.traits.clone(),
        cluster_traits: orders.cluster_traits.clone(),
        left_out: orders.left_out,
        ..Desired::default()
    };
    let mut drafts: Vec<DraftPosition<'_>> = Vec::new();
    let is_suspended = |order: &&Order| order.suspended;
    let suspended = orders.orders.iter().filter(is_suspended);
    desired.suspended = suspended.map(|order| order.id.clone()).collect();
    for order in &orders.orders {
        if let Some(windows) = &order.windows {
            desired.windows.insert(order.id.clone(), windows.clone());
        }
        if let Some(rollout) = &order.rollout {
            desired.rollouts.insert(order.id.clone(), rollout.clone());
        }
        if !order.rejected.is_empty() {
            desired.partial.insert(order.id.clone());
        }
        let elsewhere = order.elsewhere.iter();
        let elsewhere = elsewhere.map(|position| elsewhere_want(order, position, catalog, naming));
        desired.elsewhere.extend(elsewhere);
        for position in &order.positions {
            drafts.push(DraftPosition {
                reference: order.position_ref(position),
                position,
                deletion: order.deletion,
                outcome: resolve_position(position, catalog, naming, &mut desired),
            });
        }
    }
    desired
        .elsewhere
        .sort_by(|a, b| a.position.cmp(&b.position));
    // The order of files and orders must not matter, not even for whom a conflict
    // names.
    drafts.sort_by(|a, b| a.reference.cmp(&b.reference));
    refuse_conflicts(&mut drafts, &orders.nodes, catalog);
    for draft in &drafts {
        if let Ok(named) = &draft.outcome {
            want(&mut desired, draft, named);
        }
    }
    desired.placed = placed(&drafts, |node| naming.is_qcow2(&orders.nodes, node));
    desired.templates = templates::wanted(&drafts, &orders.nodes, catalog);
    desired.positions = drafts
        .into_iter()
        .map(|draft| PositionWant {
            position: draft.reference,
            elsewhere: draft.position.elsewhere.clone(),
            elsewhere_awaited: draft.position.elsewhere_awaited.clone(),
            outcome: draft.outcome.map(|named| named.resolved),
        })
        .collect();
    desired
}

/// A position that nothing is done for here.
fn elsewhere_want(
    order: &Order,
    position: &Position,
    catalog: &Catalog,
    naming: &Naming,
) -> PositionWant {
    // Its customization is registered by whoever needs it.
    let mut unused = Desired::default();
    let outcome = resolve_position(position, catalog, naming, &mut unused);
    PositionWant {
        position: order.position_ref(position),
        elsewhere: position.elsewhere.clone(),
        elsewhere_awaited: position.elsewhere_awaited.clone(),
        outcome: outcome.map(|named| named.resolved),
    }
}

fn resolve_position(
    position: &Position,
    catalog: &Catalog,
    naming: &Naming,
    desired: &mut Desired,
) -> Result<NamedFiles, Unresolved> {
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
    let converted = converted(&delivered, position.filename.as_ref(), placed);
    let mut targets: Vec<(PushTarget, FileName)> = Vec::new();
    let mut unplaced = Vec::new();
    let mut add = |target: PushTarget| {
        // A directory and a storage may be the same place.
        if !targets.iter().any(|(known, _)| *known == target) {
            let is_converted = naming.is_qcow2(&desired.nodes, &target.node);
            let own = converted.as_ref().filter(|_| is_converted);
            let name = own.unwrap_or(placed).clone();
            targets.push((target, name));
        }
    };
    for target in &position.storages {
        match storages::dir(target, catalog) {
            Ok(dir) => add(PushTarget {
                node: target.node.clone(),
                dir,
            }),
            Err(why) => unplaced.push(Unplaced {
                target: target.clone(),
                why,
            }),
        }
    }
    position.targets.iter().cloned().for_each(add);
    Ok(NamedFiles {
        resolved: Resolved {
            version,
            version_source,
            url: format!("{}{}", naming.factory_url, download.factory_path()),
            targets,
            unplaced,
            awaited: position.awaited.clone(),
            download,
            unpacked,
            delivered,
        },
        placed: placed.clone(),
        converted,
        download: download_file,
        unpacked: unpacked_file,
    })
}

/// The name of a raw image where it is stored as a qcow2: the name says what the file is,
/// so one that the user chose for raw bytes keeps them.
fn converted(
    delivered: &ArtifactId,
    chosen: Option<&FileName>,
    placed: &FileName,
) -> Option<FileName> {
    if delivered.format != Format::Raw {
        return None;
    }
    match chosen {
        Some(chosen) => chosen.as_str().ends_with(QCOW2).then(|| chosen.clone()),
        None => format!("{placed}{QCOW2}").parse().ok(),
    }
}

/// The extension of a qcow2.
const QCOW2: &str = ".qcow2";

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
                failures: vec!["no source was queried".to_owned()],
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
            minors: match policy {
                VersionPolicy::LatestInMinor(_) if !versions.is_empty() => {
                    Some(minors(versions.iter()))
                }
                _ => None,
            },
        }),
    }
}
