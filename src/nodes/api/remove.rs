//! Removing and reading back: only what the record has, and only what still is that.

use super::error::ApiError;
use super::place::{PlaceOnNode, failed};
use super::shared::SharedParts;
use super::tasks::ReadBack;
use crate::facts::RecordEntry;
use crate::model::FileName;
use crate::nodes::error::NodeError;
use crate::nodes::interface::{Removal, Removed, Verified};

pub(super) async fn remove(
    nodes: &SharedParts,
    place: &PlaceOnNode,
    removal: &Removal,
) -> Result<Removed, NodeError> {
    place.record.ensure_certain()?;
    let entry = place.recorded(&removal.file).await?;
    refuse_theirs(nodes, place, &removal.file, entry.as_ref())?;
    let (_, found) = place.find(&removal.file).await?;
    match (found, &entry) {
        (None, _) => {
            place.record.drop_entry(&removal.file).await?;
            return Ok(Removed::Gone);
        }
        (Some(_), None) => {
            return Err(NodeError::Foreign {
                place: place.shown(&removal.file),
            });
        }
        (Some(_), Some(_)) => {}
    }
    match place.read_back(&removal.file, removal.sha256).await? {
        ReadBack::Same => {}
        ReadBack::Differs(found) => return Ok(Removed::Differs(found)),
        ReadBack::Absent => {
            place.record.drop_entry(&removal.file).await?;
            return Ok(Removed::Gone);
        }
    }
    place.ensure_unused(&removal.file).await?;
    place.delete(&removal.file).await?;
    Ok(Removed::Gone)
}

pub(super) async fn verify(
    nodes: &SharedParts,
    place: &PlaceOnNode,
    check: &Removal,
) -> Result<Verified, NodeError> {
    let entry = place.recorded(&check.file).await?;
    refuse_theirs(nodes, place, &check.file, entry.as_ref())?;
    let (_, found) = place.find(&check.file).await?;
    let read = match found {
        None => ReadBack::Absent,
        Some(_) => place.read_back(&check.file, check.sha256).await?,
    };
    match read {
        ReadBack::Same => Ok(Verified::Same),
        ReadBack::Absent => {
            place.record.drop_entry(&check.file).await?;
            Ok(Verified::Missing)
        }
        ReadBack::Differs(found) => {
            if let Some(entry) = entry {
                let void = RecordEntry {
                    mtime: 0,
                    inode: 0,
                    ..entry
                };
                place.record.put(void).await?;
            }
            Ok(Verified::Differs(found))
        }
    }
}

fn refuse_theirs(
    nodes: &SharedParts,
    place: &PlaceOnNode,
    file: &FileName,
    entry: Option<&RecordEntry>,
) -> Result<(), NodeError> {
    match entry {
        Some(entry) if entry.owner != nodes.config.owner => Err(NodeError::NotOurs {
            place: place.shown(file),
            owner: entry.owner.clone(),
        }),
        _ => Ok(()),
    }
}

impl PlaceOnNode {
    /// Removes a file and then its line in the record. Once begun it is done to the end,
    /// also where nobody waits any more: a line about nothing would be left otherwise.
    pub(super) async fn delete(&self, file: &FileName) -> Result<(), NodeError> {
        let (own, file) = (self.clone(), file.clone());
        let done = tokio::spawn(async move {
            let volume = own.volume(&file);
            let removed = own.api.remove(&own.name, &own.place.storage, &volume).await;
            removed.map_err(|error| failed(&own.node, "removing the image", error))?;
            if own.find(&file).await?.1.is_some() {
                let place = own.shown(&file);
                return Err(NodeError::Api(ApiError::Remains { place }));
            }
            Ok(own.record.drop_entry(&file).await?)
        });
        match done.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => std::future::pending().await,
        }
    }
}
