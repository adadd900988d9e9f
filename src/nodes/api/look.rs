//! What is on a node.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::config::ApiNode;
use super::place::{PlaceOnNode, remote, silence};
use super::shared::SharedParts;
use super::usage;
use crate::error::chain;
use crate::facts::{DirState, FailureKind, NodeState, References};
use crate::io::process::printable;
use crate::model::{Dir, FileName, Node};
use crate::proxmox::{ImagePlace, PveError, StorageContent};

/// Why a directory is unknown.
enum Unseen {
    Refused(PveError),
    Late,
}

/// The state of directories. Each storage has its own time: one that hangs says nothing of
/// the others.
pub(super) async fn observe(nodes: &SharedParts, node: &Node, dirs: &BTreeSet<Dir>) -> NodeState {
    let Some(known) = nodes.known(node) else {
        return NodeState::Unreachable {
            why: "it is not configured for the Proxmox VE API".to_owned(),
            lasting: Some(FailureKind::Unreachable),
        };
    };
    let looks = dirs.iter().map(|dir| look(nodes, node, &known, dir));
    let seen: Vec<_> = join_all(looks).await;
    if let Some(unreachable) = unreachable(&seen) {
        return unreachable;
    }
    let mut states = BTreeMap::new();
    for (dir, seen) in dirs.iter().zip(seen) {
        let state = match seen {
            Ok(state) => state,
            Err(Unseen::Late) => unknown(&format!(
                "its storage did not answer within {} s",
                nodes.config.look.as_secs_f32()
            )),
            Err(Unseen::Refused(error)) => unknown(&match error.hint() {
                Some(hint) => format!("{} ({hint})", chain(&error)),
                None => chain(&error),
            }),
        };
        states.insert(dir.clone(), state);
    }
    let references = references(nodes, node, &known, &states).await;
    NodeState::Listed {
        dirs: states,
        tools: BTreeSet::new(),
        references,
    }
}

/// The node as a whole is not there where a call says so, and where none was answered.
fn unreachable(seen: &[Result<DirState, Unseen>]) -> Option<NodeState> {
    let errors = || seen.iter().filter_map(|seen| seen.as_ref().err());
    let refused = || {
        errors().filter_map(|unseen| match unseen {
            Unseen::Refused(error) => Some(error),
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

async fn look(
    nodes: &SharedParts,
    node: &Node,
    known: &ApiNode,
    dir: &Dir,
) -> Result<DirState, Unseen> {
    let place = nodes.find_place(&node.id, known, dir);
    let place = match tokio::time::timeout(nodes.config.look, place).await {
        Ok(Ok(Some(place))) => place,
        Ok(Ok(None)) => {
            let token = known.api.token();
            return Ok(unknown(&format!(
                "it is no directory of a storage that the API token {token} sees"
            )));
        }
        Ok(Err(error)) => return Err(Unseen::Refused(error)),
        Err(_) => return Err(Unseen::Late),
    };
    let asked = place
        .api
        .storage_content(&place.name, &place.place.storage, place.place.content);
    let asked = tokio::time::timeout(nodes.config.look, asked).await;
    let (status, content) = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(Unseen::Refused(error)),
        Err(_) => return Err(Unseen::Late),
    };
    let volumes = match content {
        StorageContent::Known(volumes) => volumes,
        StorageContent::Unknown(why) => {
            let storage = &place.place.storage;
            return Ok(unknown(&format!("storage {storage}: {why}")));
        }
    };
    let (record, unread) = match place.record.read().await {
        Ok(record) => (record, None),
        Err(error) => (BTreeMap::new(), Some(chain(&error))),
    };
    let files = volumes
        .iter()
        .map(|volume| (volume.file_name().to_owned(), remote(volume)));
    Ok(DirState {
        exists: true,
        files: files.collect(),
        record,
        unread,
        free_bytes: status.free,
        // ISO images and imports of a storage share its space.
        mount_point: Some(storage_path(dir).to_owned()),
        ..DirState::default()
    })
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
    let mut images = recorded(nodes, &known.cluster).await;
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
async fn recorded(nodes: &SharedParts, cluster: &str) -> BTreeSet<ImagePlace> {
    let mut images = BTreeSet::new();
    for (id, known) in &*nodes.all_known() {
        if known.cluster != cluster {
            continue;
        }
        for (dir, place) in nodes.places(id, known) {
            let place = PlaceOnNode::new(id, known, &place, nodes.record(id, &dir));
            // What cannot be read here is asked for by its own node.
            let record = place.record.read().await.unwrap_or_default();
            images.extend(record.keys().map(|file| place.image(file)));
        }
    }
    images
}
