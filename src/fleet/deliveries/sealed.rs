//! The record as it is in the store, and who may have written it.

use serde::{Deserialize, Serialize};

use super::error::DeliveriesError;
use crate::bucket::ObjectKey;
use crate::fleet::seal::{FleetKey, SealFault, SealPurpose};
use crate::model::LeaderEpoch;
use crate::nodes::DeliveredEntries;

/// The record of a site.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SharedRecord {
    /// That of the leader who wrote it.
    pub epoch: LeaderEpoch,
    pub edition: String,
    /// `None` where the leader could not tell it, so that nobody believes an older record.
    pub nodes: Option<DeliveredEntries>,
}

impl SharedRecord {
    /// The text of the object with this key.
    pub(super) fn text(&self, at: &ObjectKey, key: &FleetKey) -> Result<Vec<u8>, DeliveriesError> {
        let fields = key.seal(SealPurpose::Deliveries, at, self);
        fields
            .and_then(|fields| serde_json::to_vec(&fields))
            .map_err(|source| DeliveriesError::Content(at.clone(), source))
    }

    /// Reads the text of the object with this key.
    pub(super) fn read(
        text: &[u8],
        at: &ObjectKey,
        key: &FleetKey,
    ) -> Result<Self, DeliveriesError> {
        let wrong = |source| DeliveriesError::Content(at.clone(), source);
        let opened = key.open(SealPurpose::Deliveries, at, text);
        let opened = opened.map_err(|fault| match fault {
            SealFault::Content(source) => wrong(source),
            SealFault::Foreign | SealFault::Older | SealFault::Gone => {
                DeliveriesError::Foreign(at.clone())
            }
        })?;
        opened.content().map_err(wrong)
    }
}
