//! What proves who wrote an object of the store.
//!
//! The store is not trusted: whoever can write to the bucket can write what it likes. What
//! controllers go by is therefore **sealed** with the key that they share: the seal covers
//! what the object is, its name in the store, and everything in it. Something that was
//! changed, or that is another object elsewhere, is not believed.
//!
//! A seal does not prove that something is the newest: an object can be replaced by what was
//! there before. Who minds that compares the times in [`Dated`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bucket::ObjectKey;
use crate::model::Sha256;

/// The field with the seal.
const SEAL: &str = "mac";

/// The secret that the controllers of a fleet share: who has it may seal. Clones are one.
#[derive(Clone)]
pub(crate) struct FleetKey(Arc<hmac::Key>);

/// What a sealed object is. It is a part of the seal, so that nothing is taken for anything
/// else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SealPurpose {
    /// What the index says of an image.
    IndexEntry,
    /// What was delivered to nodes of the API.
    Deliveries,
    /// What the leader of a site says of it.
    Report,
    /// What operators say of a rollout.
    Instruction,
}

/// The fields of an object. Sorted, whatever their order in the text: what is sealed has
/// one form. Fields that this version does not know are among them.
pub(super) type SealedFields = BTreeMap<String, Value>;

/// An object whose seal is right.
#[derive(Debug)]
pub(super) struct OpenedSeal {
    fields: SealedFields,
    /// The seal, in hexadecimal digits.
    pub seal: String,
}

/// Why an object is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFault {
    /// It is something else.
    #[error("it cannot be read")]
    Content(#[from] serde_json::Error),
    /// Whoever wrote it does not have the key, or wrote it as another object.
    #[error("it is not sealed with the key of this fleet; check `store.key_file`")]
    Foreign,
    /// It was right once.
    #[error("it is older than what was there before")]
    Older,
    /// Nobody who is asked removes it.
    #[error("it was there before, and is gone")]
    Gone,
}

impl SealPurpose {
    /// Of no other purpose, in no version.
    fn word(self) -> &'static str {
        match self {
            Self::IndexEntry => "talos-order index entry",
            Self::Deliveries => "talos-order delivered",
            Self::Report => "talos-order site report",
            Self::Instruction => "talos-order rollout instruction",
        }
    }
}

impl FleetKey {
    /// Any bytes; 32 random ones are as strong as it gets.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The fields of the object with this name, with their seal.
    pub(super) fn seal(
        &self,
        purpose: SealPurpose,
        at: &ObjectKey,
        content: &impl Serialize,
    ) -> Result<SealedFields, serde_json::Error> {
        let mut fields: SealedFields = serde_json::from_slice(&serde_json::to_vec(content)?)?;
        let seal = hmac::sign(&self.0, &sealed(purpose, at, &fields)?);
        let digits = seal.as_ref().iter().map(|byte| format!("{byte:02x}"));
        fields.insert(SEAL.to_owned(), Value::from(digits.collect::<String>()));
        Ok(fields)
    }

    /// Reads the text of the object with this name. Nothing in it is looked at before.
    pub(super) fn open(
        &self,
        purpose: SealPurpose,
        at: &ObjectKey,
        text: &[u8],
    ) -> Result<OpenedSeal, SealFault> {
        let mut fields: SealedFields = serde_json::from_slice(text)?;
        let seal = fields.remove(SEAL);
        let seal = seal.as_ref().and_then(Value::as_str).unwrap_or_default();
        let digest: Sha256 = seal.parse().map_err(|_| SealFault::Foreign)?;
        let sealed = sealed(purpose, at, &fields)?;
        hmac::verify(&self.0, &sealed, digest.as_bytes()).map_err(|_| SealFault::Foreign)?;
        let seal = digest.to_string();
        Ok(OpenedSeal { fields, seal })
    }
}

impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetKey(..)")
    }
}

impl OpenedSeal {
    /// A field that is a number.
    pub(super) fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field).and_then(Value::as_u64)
    }

    /// What it says.
    pub(super) fn content<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        serde_json::from_value(Value::Object(self.fields.into_iter().collect()))
    }
}

/// Neither the purpose nor the name has an end of a line in it.
fn sealed(
    purpose: SealPurpose,
    at: &ObjectKey,
    fields: &SealedFields,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = format!("{}\n{at}\n", purpose.word()).into_bytes();
    serde_json::to_writer(&mut bytes, fields)?;
    Ok(bytes)
}

/// What is written again and again under one name: of two, the one that was written later
/// counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Dated<T> {
    /// When it was written, by the clock of who wrote it; and in any case later than what was
    /// there before.
    pub written: Timestamp,
    #[serde(flatten)]
    pub content: T,
}

impl<T> Dated<T> {
    /// What is written now, in the place of something of this time.
    pub(super) fn after(before: Option<Timestamp>, content: T) -> Self {
        let now = Timestamp::now();
        let next = before.and_then(|at| at.checked_add(SignedDuration::from_micros(1)).ok());
        Self {
            written: next.map_or(now, |next| next.max(now)),
            content,
        }
    }
}

#[cfg(test)]
mod tests;
