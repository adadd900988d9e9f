//! What the index of the store says of an image, and who may have written it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use crate::bucket::ObjectKey;
use crate::fleet::seal::{FleetKey, SealFault, SealPurpose};
use crate::model::{DataDigest, ImageTrust, Sha256};

/// The edition of entries that is written. Others are not read.
const FORMAT: u64 = 1;

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
    /// Nobody of this fleet wrote it for this image.
    #[error(transparent)]
    Seal(#[from] SealFault),
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
        let fields = secret.seal(SealPurpose::IndexEntry, at, self)?;
        let mut text = serde_json::to_vec_pretty(&fields)?;
        text.push(b'\n');
        Ok(text)
    }
}

impl ProvenEntry {
    /// Reads the text of the object with this key.
    pub(super) fn read(text: &[u8], at: &ObjectKey, secret: &FleetKey) -> Result<Self, EntryFault> {
        let opened = secret.open(SealPurpose::IndexEntry, at, text)?;
        let format = opened.number("format");
        if format != Some(FORMAT) {
            return Err(EntryFault::Format(format.unwrap_or(0)));
        }
        let edition = opened.seal.clone();
        let entry = opened.content()?;
        Ok(Self { entry, edition })
    }
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

    fn is_foreign(read: &Result<ProvenEntry, EntryFault>) -> bool {
        matches!(read, Err(EntryFault::Seal(SealFault::Foreign)))
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
            assert!(is_foreign(&refused), "{refused:?}");
        }
        let changed = String::from_utf8(text).unwrap().replace(": 7", ": 8");
        let refused = ProvenEntry::read(changed.as_bytes(), &here, &secret);
        assert!(is_foreign(&refused), "{refused:?}");
        for text in ["", "{}", "[]", "{\"mac\": 3}", "\u{0}"] {
            assert!(ProvenEntry::read(text.as_bytes(), &here, &secret).is_err());
        }
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
