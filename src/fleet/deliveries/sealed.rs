//! The record as it is in the store, and who may have written it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::DeliveriesError;
use crate::bucket::ObjectKey;
use crate::fleet::images::FleetKey;
use crate::model::LeaderEpoch;
use crate::nodes::DeliveredEntries;

/// Stands before everything that is authenticated, so that nothing else that is
/// authenticated with the same key is ever taken for a record.
const PURPOSE: &str = "talos-order delivered";

/// The record of a site.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SharedRecord {
    /// That of the leader who wrote it.
    pub epoch: LeaderEpoch,
    pub edition: String,
    /// `None` where the leader could not tell it, so that nobody believes an older record.
    pub nodes: Option<DeliveredEntries>,
}

type RecordFields = BTreeMap<String, Value>;

impl SharedRecord {
    /// The text of the object with this key.
    pub(super) fn text(&self, at: &ObjectKey, key: &FleetKey) -> Result<Vec<u8>, DeliveriesError> {
        let make = || {
            let mut fields: RecordFields = serde_json::from_slice(&serde_json::to_vec(self)?)?;
            let mac = key.seal(&authenticated(at, &fields)?);
            fields.insert("mac".to_owned(), Value::from(mac));
            serde_json::to_vec(&fields)
        };
        make().map_err(|source| DeliveriesError::Content(at.clone(), source))
    }

    /// Reads the text of the object with this key.
    pub(super) fn read(
        text: &[u8],
        at: &ObjectKey,
        key: &FleetKey,
    ) -> Result<Self, DeliveriesError> {
        let wrong = |source| DeliveriesError::Content(at.clone(), source);
        let mut fields: RecordFields = serde_json::from_slice(text).map_err(wrong)?;
        let mac = fields.remove("mac");
        let mac = mac.as_ref().and_then(Value::as_str).unwrap_or_default();
        // Before anything in it is looked at.
        if !key.is_seal(&authenticated(at, &fields).map_err(wrong)?, mac) {
            return Err(DeliveriesError::Foreign(at.clone()));
        }
        serde_json::from_value(Value::Object(fields.into_iter().collect())).map_err(wrong)
    }
}

/// With the key of the object: the record of another site is of no use.
fn authenticated(at: &ObjectKey, fields: &RecordFields) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = format!("{PURPOSE}\n{at}\n").into_bytes();
    bytes.extend(serde_json::to_vec(fields)?);
    Ok(bytes)
}
