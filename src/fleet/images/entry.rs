//! What the index of the store says of an image, and who may have written it.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys;
use crate::bucket::ObjectKey;
use crate::model::{DataDigest, ImageTrust, Sha256};

/// The edition of entries that is written. Others are not read.
const FORMAT: u64 = 1;

/// Stands before everything that is authenticated, so that nothing else that is
/// authenticated with the same key is ever taken for an entry.
const PURPOSE: &str = "talos-order index entry";

/// The secret that the controllers of a fleet share: who has it may write index entries.
#[derive(Clone)]
pub(crate) struct FleetKey(hmac::Key);

impl FleetKey {
    /// Any bytes; 32 random ones are as strong as it gets.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What authenticates these bytes, in hexadecimal digits. They begin with what they are
    /// for.
    pub(crate) fn seal(&self, bytes: &[u8]) -> String {
        let mac = hmac::sign(&self.0, bytes);
        mac.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// True if this authenticates the bytes.
    pub(crate) fn is_seal(&self, bytes: &[u8], mac: &str) -> bool {
        let mac = mac.parse::<Sha256>();
        mac.is_ok_and(|mac| hmac::verify(&self.0, bytes, mac.as_bytes()).is_ok())
    }
}

impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetKey(..)")
    }
}

/// What the index says of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexEntry {
    format: u64,
    /// The length of the download in bytes.
    pub size: u64,
    /// Its digest, which is also where its bytes are.
    pub sha256: Sha256,
    /// The digest of its data, where one was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Sha256>,
    /// How many bytes of it are not in blocks of zeros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_bytes: Option<u64>,
    /// Where it was downloaded, without anything secret.
    url: String,
    /// What the factory said for it.
    pub proof: FactoryProof,
    /// Which controller downloaded it, for people.
    by: String,
    /// When it was shared, by that controller's clock.
    at: Timestamp,
    /// New in each write: neither the entity tag of an entry nor what authenticates it is
    /// ever that of another one.
    nonce: String,
}

/// What the factory said for an image, as the controller that downloaded it has checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FactoryProof {
    /// Nothing, or nobody asked.
    None,
    /// It publishes this digest.
    Published,
    /// It signs this digest, for the key with this fingerprint.
    Signed(String),
}

/// An entry whose origin is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProvenEntry {
    pub entry: IndexEntry,
    /// Which write of the entry this is: no other has the same.
    pub edition: String,
}

/// What becomes an entry.
#[derive(Debug, Clone)]
pub(super) struct EntryFacts {
    pub size: u64,
    pub sha256: Sha256,
    pub data: Option<DataDigest>,
    pub url: String,
    pub proof: FactoryProof,
    pub by: String,
    pub at: Timestamp,
    pub nonce: String,
}

/// Why an entry is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryFault {
    /// It is something else.
    #[error("it is not an index entry")]
    NoEntry(#[from] serde_json::Error),
    /// Whoever wrote it does not have the key, or wrote it for another image.
    #[error("it was not written with the key of this fleet for this image")]
    Foreign,
    /// It is of another version.
    #[error("it has the format {0}; expected {FORMAT}")]
    Format(u64),
}

impl FactoryProof {
    /// What a digest means that a controller got from its factory under these demands.
    pub(super) fn of(vouched: Option<Sha256>, trust: &ImageTrust) -> Self {
        match (vouched, trust) {
            (None, _) | (_, ImageTrust::None) => Self::None,
            (Some(_), ImageTrust::Offered | ImageTrust::Checksum) => Self::Published,
            (Some(_), ImageTrust::Signature { key }) => Self::Signed(fingerprint(key)),
        }
    }

    /// True if a controller with these demands need not ask the factory itself.
    pub(super) fn satisfies(&self, trust: &ImageTrust) -> bool {
        match trust {
            ImageTrust::None | ImageTrust::Offered => true,
            ImageTrust::Checksum => *self != Self::None,
            ImageTrust::Signature { key } => *self == Self::Signed(fingerprint(key)),
        }
    }
}

fn fingerprint(key: &[u8]) -> String {
    let mut hasher = crate::io::hash::Hasher::default();
    hasher.update(key);
    hasher.finish().sha256.to_string()
}

impl IndexEntry {
    pub(super) fn new(facts: EntryFacts) -> Self {
        Self {
            format: FORMAT,
            size: facts.size,
            sha256: facts.sha256,
            data: facts.data.map(|data| data.sha256),
            data_bytes: facts.data.map(|data| data.bytes),
            url: keys::bare(&facts.url),
            proof: facts.proof,
            by: facts.by,
            at: facts.at,
            nonce: facts.nonce,
        }
    }

    /// The text of the object with this key.
    pub(super) fn text(
        &self,
        at: &ObjectKey,
        secret: &FleetKey,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let mut fields = fields(&serde_json::to_vec(self)?)?;
        let mac = hmac::sign(&secret.0, &authenticated(at, &fields)?);
        let mac = mac.as_ref().try_into().map(Sha256::from_bytes);
        // HMAC-SHA256 has 32 bytes.
        let mac = mac.map_or(Value::Null, |mac| Value::from(mac.to_string()));
        fields.insert("mac".to_owned(), mac);
        let mut text = serde_json::to_vec_pretty(&fields)?;
        text.push(b'\n');
        Ok(text)
    }
}

impl ProvenEntry {
    /// Reads the text of the object with this key.
    pub(super) fn read(text: &[u8], at: &ObjectKey, secret: &FleetKey) -> Result<Self, EntryFault> {
        let mut fields = fields(text)?;
        let mac = fields.remove("mac");
        let mac = mac.as_ref().and_then(Value::as_str);
        let mac: Sha256 = mac
            .and_then(|mac| mac.parse().ok())
            .ok_or(EntryFault::Foreign)?;
        // Before anything in it is looked at.
        hmac::verify(&secret.0, &authenticated(at, &fields)?, mac.as_bytes())
            .map_err(|_| EntryFault::Foreign)?;
        let format = fields.get("format").and_then(Value::as_u64);
        if format != Some(FORMAT) {
            return Err(EntryFault::Format(format.unwrap_or(0)));
        }
        let entry = serde_json::from_value(Value::Object(fields.into_iter().collect()))?;
        Ok(Self {
            entry,
            edition: mac.to_string(),
        })
    }
}

/// Sorted, whatever the order in the text: what is authenticated has one form. Fields that
/// this version does not know are among them.
fn fields(text: &[u8]) -> Result<BTreeMap<String, Value>, serde_json::Error> {
    serde_json::from_slice(text)
}

/// With the key of the object: an entry that is moved is of no use.
fn authenticated(
    at: &ObjectKey,
    fields: &BTreeMap<String, Value>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = format!("{PURPOSE}\n{at}\n").into_bytes();
    bytes.extend(serde_json::to_vec(fields)?);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> EntryFacts {
        EntryFacts {
            size: 7,
            sha256: Sha256::from_bytes([3; 32]),
            data: None,
            url: "https://me:secret@factory.example.net/image/x?token=t".to_owned(),
            proof: FactoryProof::Signed("ab".to_owned()),
            by: "left".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            nonce: "n".to_owned(),
        }
    }

    #[test]
    fn an_entry_is_believed_at_its_key_and_with_its_key_only() {
        let (here, there): (ObjectKey, ObjectKey) =
            ("v1/a".parse().unwrap(), "v1/b".parse().unwrap());
        let secret = FleetKey::new(&[1; 32]);
        let entry = IndexEntry::new(facts());
        let text = entry.text(&here, &secret).unwrap();
        let read = ProvenEntry::read(&text, &here, &secret).unwrap();
        assert_eq!(read.entry, entry);
        assert!(!String::from_utf8_lossy(&text).contains("secret"));
        let other = FleetKey::new(&[2; 32]);
        for (at, secret) in [(&there, &secret), (&here, &other)] {
            let refused = ProvenEntry::read(&text, at, secret);
            assert!(matches!(refused, Err(EntryFault::Foreign)), "{refused:?}");
        }
        let changed = String::from_utf8(text).unwrap().replace(": 7", ": 8");
        let refused = ProvenEntry::read(changed.as_bytes(), &here, &secret);
        assert!(matches!(refused, Err(EntryFault::Foreign)), "{refused:?}");
        for text in ["", "{}", "[]", "{\"mac\": 3}", "\u{0}"] {
            assert!(ProvenEntry::read(text.as_bytes(), &here, &secret).is_err());
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_authenticated_and_no_error() {
        let (at, secret) = ("v1/a".parse().unwrap(), FleetKey::new(&[1; 32]));
        let own = serde_json::to_vec(&IndexEntry::new(facts())).unwrap();
        let mut later = fields(&own).unwrap();
        later.insert("zeal".to_owned(), Value::from(3));
        let mac = hmac::sign(&secret.0, &authenticated(&at, &later).unwrap());
        let mac = Sha256::from_bytes(mac.as_ref().try_into().unwrap());
        later.insert("mac".to_owned(), Value::from(mac.to_string()));
        let text = serde_json::to_vec(&later).unwrap();
        let read = ProvenEntry::read(&text, &at, &secret).unwrap();
        assert_eq!(read.entry, IndexEntry::new(facts()));
    }

    #[test]
    fn a_proof_serves_those_who_demand_no_more() {
        let signed = |key: &[u8]| ImageTrust::Signature { key: key.to_vec() };
        let demands = [
            ImageTrust::None,
            ImageTrust::Offered,
            ImageTrust::Checksum,
            signed(b"one"),
            signed(b"other"),
        ];
        let digest = Some(Sha256::from_bytes([1; 32]));
        for (given, vouched, serves) in [
            (&demands[0], None, [true, true, false, false, false]),
            (&demands[1], None, [true, true, false, false, false]),
            (&demands[1], digest, [true, true, true, false, false]),
            (&demands[2], digest, [true, true, true, false, false]),
            (&demands[3], digest, [true, true, true, true, false]),
        ] {
            let proof = FactoryProof::of(vouched, given);
            let found = demands.each_ref().map(|demand| proof.satisfies(demand));
            assert_eq!(found, serves, "{proof:?}");
        }
    }
}
