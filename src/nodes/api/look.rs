//! What is on a node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;

use super::config::ApiNode;
use super::place::{PlaceOnNode, remote, silence};
use super::records::{self, DeliveredEntries};
use super::shared::SharedParts;
use super::usage;
use crate::error::chain;
use crate::facts::{DirState, FailureKind, NodeState, RecordEntry, References};
use crate::io::process::printable;
use crate::model::{Dir, FileName, Node, NodeId};
use crate::proxmox::{ImageContent, ImagePlace, PveError, StorageContent, StorageStatus};

/// Why a directory is unknown.
#[derive(Clone)]
enum Unseen {
    Refused(Arc<PveError>),
    Late,
}

/// What was seen of a directory.
type Seen = Result<DirState, Unseen>;

/// The state of directories. Each storage has its own time: one that hangs says nothing of
/// the others.
pub(super) async fn observe(nodes: &SharedParts, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
    let Some(known) = nodes.known(node) else {
        return NodeState::Unreachable {
            why: "it is not configured for the Proxmox VE API".to_owned(),
            lasting: Some(FailureKind::Unreachable),
        };
    };
    let mut seen: BTreeMap<&Dir, Seen> = BTreeMap::new();
    let mut storages: BTreeMap<String, Vec<(&Dir, PlaceOnNode)>> = BTreeMap::new();
    for dir in dirs {
        match find(nodes, node, &known, dir).await {
            Ok(place) => {
                let places = storages.entry(place.place.storage.clone()).or_default();
                places.push((dir, place));
            }
            Err(state) => {
                seen.insert(dir, state);
            }
        }
    }
    let looks = storages.into_values().map(|places| look(nodes, places));
    seen.extend(join_all(looks).await.into_iter().flatten());
    if let Some(unreachable) = unreachable(&seen) {
        return unreachable;
    }
    // After the listings: a file that is listed is in the record if it is ours.
    let delivered = records::all(&nodes.records)
        .await
        .map_err(|error| chain(&error));
    let doubt = nodes.records.doubt();
    let mut states = BTreeMap::new();
    for (dir, seen) in seen {
        let state = match seen {
            Ok(mut state) if !state.is_silent => {
                match &delivered {
                    Ok(all) => {
                        state.record = record(all, &node.id, dir);
                        state.unread.clone_from(&doubt);
                    }
                    Err(why) => state.unread = Some(why.clone()),
                }
                state
            }
            Ok(state) => state,
            Err(Unseen::Late) => unknown(&format!(
                "its storage did not answer within {} s",
                nodes.config.look.as_secs_f32()
            )),
            Err(Unseen::Refused(error)) => unknown(&match error.hint() {
                Some(hint) => format!("{}; hint: {hint}", chain(&error)),
                None => chain(&error),
            }),
        };
        states.insert(dir.clone(), state);
    }
    let delivered = delivered.unwrap_or_default();
    let references = match doubt {
        // So no removal is planned that would fail.
        Some(why) => References::Unknown { why },
        None => references(nodes, node, &known, &states, &delivered).await,
    };
    NodeState::Listed {
        dirs: states,
        tools: BTreeSet::new(),
        references,
    }
}

/// The node as a whole is not there where a call says so, and where none was answered.
fn unreachable(seen: &BTreeMap<&Dir, Seen>) -> Option<NodeState> {
    let errors = || seen.values().filter_map(|seen| seen.as_ref().err());
    let refused = || {
        errors().filter_map(|unseen| match unseen {
            Unseen::Refused(error) => Some(&**error),
            Unseen::Late => None,
        })
    };
    let of_node = refused().find(|error| {
        matches!(
            error,
            PveError::NodeUnreachable { .. }
                | PveError::NoSuchNode { .. }
                | PveError::Unauthorized { .. }
                | PveError::Transport { .. }
                | PveError::Unavailable { .. }
                | PveError::Pin { .. }
                | PveError::NoEndpoint
        )
    });
    let is_nothing = !seen.is_empty() && errors().count() == seen.len();
    let of_all = || {
        let is_of_all = |error: &&PveError| {
            matches!(error, PveError::Forbidden { .. } | PveError::Timeout { .. })
        };
        refused().filter(is_of_all).find(|_| is_nothing)
    };
    let late = || is_nothing && errors().any(|unseen| matches!(unseen, Unseen::Late));
    let Some(error) = of_node.or_else(of_all) else {
        return late().then(|| NodeState::Unreachable {
            why: "no storage answered in time".to_owned(),
            lasting: None,
        });
    };
    let (why, lasting) = silence(error);
    Some(NodeState::Unreachable { why, lasting })
}

/// Unknown is not empty: nothing is placed there, and nothing removed.
fn unknown(why: &str) -> DirState {
    DirState {
        is_silent: true,
        unread: Some(printable(why.as_bytes())),
        ..DirState::default()
    }
}

/// The place of a directory, or what is known of it without asking its storage.
async fn find(
    nodes: &SharedParts,
    node: &Node,
    known: &ApiNode,
    dir: &Dir,
) -> Result<PlaceOnNode, Seen> {
    let place = nodes.find_place(&node.id, known, dir);
    match tokio::time::timeout(nodes.config.look, place).await {
        Ok(Ok(Some(place))) => Ok(place),
        Ok(Ok(None)) => {
            let token = known.api.token();
            Err(Ok(unknown(&format!(
                "it is no directory of a storage that the API token {token} sees"
            ))))
        }
        Ok(Err(error)) => Err(Err(Unseen::Refused(Arc::new(error)))),
        Err(_) => Err(Err(Unseen::Late)),
    }
}

/// The directories of one storage.
async fn look<'d>(
    nodes: &SharedParts,
    places: Vec<(&'d Dir, PlaceOnNode)>,
) -> Vec<(&'d Dir, Seen)> {
    let Some((_, first)) = places.first() else {
        return Vec::new();
    };
    let storage = &first.place.storage;
    let contents: Vec<ImageContent> = places
        .iter()
        .map(|(_, place)| place.place.content)
        .collect();
    let asked = first.api.storage_contents(&first.name, storage, &contents);
    let all = |why: Unseen| {
        let dirs = places.iter().map(|(dir, _)| (*dir, Err(why.clone())));
        dirs.collect()
    };
    let (status, listed) = match tokio::time::timeout(nodes.config.look, asked).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => return all(Unseen::Refused(Arc::new(error))),
        Err(_) => return all(Unseen::Late),
    };
    let dirs = places.iter().zip(listed);
    dirs.map(|((dir, _), listed)| (*dir, state(dir, storage, &status, listed)))
        .collect()
}

/// A directory as its storage lists it, without the record.
fn state(
    dir: &Dir,
    storage: &str,
    status: &StorageStatus,
    listed: Result<StorageContent, PveError>,
) -> Seen {
    let volumes = match listed.map_err(|error| Unseen::Refused(Arc::new(error)))? {
        StorageContent::Known(volumes) => volumes,
        StorageContent::Unknown(why) => return Ok(unknown(&format!("storage {storage}: {why}"))),
    };
    let files = volumes
        .iter()
        .map(|volume| (volume.file_name().to_owned(), remote(volume)));
    Ok(DirState {
        exists: true,
        files: files.collect(),
        free_bytes: status.free,
        total_bytes: status.total,
        // ISO images and imports of a storage share its space.
        mount_point: Some(storage_path(dir).to_owned()),
        ..DirState::default()
    })
}

fn record(all: &DeliveredEntries, node: &NodeId, dir: &Dir) -> BTreeMap<FileName, RecordEntry> {
    let record = all.get(node).and_then(|dirs| dirs.get(dir));
    record.cloned().unwrap_or_default()
}

fn storage_path(dir: &Dir) -> &str {
    let dir = dir.as_str();
    ["/template/iso", "/import"]
        .iter()
        .find_map(|below| dir.strip_suffix(below))
        .unwrap_or(dir)
}

/// Asked only where a file that was delivered is there: nothing else is ever removed.
async fn references(
    nodes: &SharedParts,
    node: &Node,
    known: &ApiNode,
    states: &BTreeMap<Dir, DirState>,
    delivered: &DeliveredEntries,
) -> References {
    let mut own: Vec<(&FileName, ImagePlace)> = Vec::new();
    for (dir, state) in states {
        let Some(place) = nodes.place_of(&node.id, known, dir) else {
            continue;
        };
        let there = |file: &&FileName| state.files.contains_key(file.as_str());
        own.extend(
            state
                .record
                .keys()
                .filter(there)
                .map(|file| (file, place.image(file))),
        );
    }
    if own.is_empty() {
        return References::Unknown {
            why: "nothing that was delivered is there, so nobody was asked".to_owned(),
        };
    }
    let mut images = recorded(nodes, &known.cluster, delivered);
    images.extend(own.iter().map(|(_, image)| image.clone()));
    let limits = (nodes.config.look, nodes.config.usage_age);
    let images = images.into_iter().collect();
    let uses = nodes
        .uses
        .look(&known.cluster, &known.api, images, limits)
        .await;
    usage::references(&uses, own.into_iter())
}

/// Everything that was delivered to a cluster.
fn recorded(
    nodes: &SharedParts,
    cluster: &str,
    delivered: &DeliveredEntries,
) -> BTreeSet<ImagePlace> {
    let mut images = BTreeSet::new();
    for (id, known) in &*nodes.all_known() {
        if known.cluster != cluster {
            continue;
        }
        for (dir, place) in nodes.places(id, known) {
            let place = PlaceOnNode::new(id, known, &place, nodes.record(id, &dir));
            let record = delivered.get(id).and_then(|dirs| dirs.get(&dir));
            let files = record.into_iter().flat_map(BTreeMap::keys);
            images.extend(files.map(|file| place.image(file)));
        }
    }
    images
}
