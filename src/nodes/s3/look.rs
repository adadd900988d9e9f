//! What is in a bucket.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::config::BucketNodesConfig;
use super::place::{BucketPlace, remote};
use crate::facts::{DirState, NodeState, References};
use crate::model::{Dir, Node};
use crate::nodes::error::NodeError;

/// The state of directories. All of them are one server's: what it does not tell of one
/// is no reason to believe it of another.
pub(super) async fn observe(
    config: &BucketNodesConfig,
    node: &Node,
    dirs: &BTreeSet<Dir>,
) -> NodeState {
    let looks = dirs.iter().map(|dir| look(config, node, dir));
    let looks = tokio::time::timeout(config.look, join_all(looks));
    let Ok(states) = looks.await else {
        return NodeState::Unreachable {
            why: format!("no answer within {} s", config.look.as_secs_f32()),
            lasting: None,
        };
    };
    let mut seen = BTreeMap::new();
    for (dir, state) in dirs.iter().zip(states) {
        match state {
            Ok(state) => {
                seen.insert(dir.clone(), state);
            }
            Err(error) => {
                let lasting = error.lasting();
                let why = match error.hint() {
                    Some(hint) => format!("{error}; hint: {hint}"),
                    None => error.to_string(),
                };
                return NodeState::Unreachable { why, lasting };
            }
        }
    }
    NodeState::Listed {
        dirs: seen,
        tools: BTreeSet::new(),
        references: References::Known(BTreeMap::new()),
    }
}

async fn look(config: &BucketNodesConfig, node: &Node, dir: &Dir) -> Result<DirState, NodeError> {
    let place = BucketPlace::new(config, node, dir)?;
    let listed = place.list().await;
    let listed = listed.map_err(|error| place.failed("listing the directory", error))?;
    // After the listing: a file that is listed is in the record if it is ours.
    let (record, unread) = match place.read_record().await {
        Ok((record, _)) => (record.entries, None),
        Err(NodeError::Refused { message, .. }) => (BTreeMap::new(), Some(message)),
        Err(error) => return Err(error),
    };
    Ok(DirState {
        // Nothing is made for it: a key is all there is of a directory.
        exists: true,
        files: listed
            .iter()
            .map(|(name, object)| (name.clone(), remote(object)))
            .collect(),
        record,
        unread,
        ..DirState::default()
    })
}
