//! The record of a directory in a bucket: what was placed, and the epochs of leaders.
//!
//! One object, with the lines of the record on other nodes. Its first line is of this
//! place alone: it has what is new in each write, so that no two are taken for one, and
//! the highest epoch of each site that wrote here. Whoever has a lower one is refused in
//! the same step in which it would have written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::RecordEntry;
use crate::model::{FileName, LeaderEpoch, SiteName};
use crate::nodes::authority::Fence;

/// The record of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BucketRecord {
    /// The highest epochs, by owner and site.
    epochs: BTreeMap<String, LeaderEpoch>,
    pub entries: BTreeMap<FileName, RecordEntry>,
    /// Lines that are not understood: they may be a later version's.
    others: Vec<String>,
}

/// Why a controller may not write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEntry {
    /// A later leader of the site wrote here.
    Outranked(SiteName, LeaderEpoch),
    /// Controllers of a fleet with the same owner write here, for this site.
    OfFleet(String),
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct FirstLine {
    #[serde(rename = "talos-order")]
    kind: String,
    version: u32,
    /// New in each write.
    #[serde(default)]
    write: String,
    #[serde(default)]
    epochs: BTreeMap<String, LeaderEpoch>,
}

const KIND: &str = "record";
const VERSION: u32 = 1;

impl BucketRecord {
    /// Reads a record. `None` where it is not one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let first: FirstLine = serde_json::from_str(lines.next()?).ok()?;
        if first.kind != KIND || first.version != VERSION {
            return None;
        }
        let mut record = Self {
            epochs: first.epochs,
            ..Self::default()
        };
        for line in lines {
            match serde_json::from_str::<RecordEntry>(line) {
                Ok(entry) => {
                    record.entries.insert(entry.name.clone(), entry);
                }
                Err(_) => record.others.push(line.to_owned()),
            }
        }
        Some(record)
    }

    /// What is written; different each time.
    pub(super) fn write(&self) -> String {
        let first = FirstLine {
            kind: KIND.to_owned(),
            version: VERSION,
            write: format!("{:016x}", fastrand::u64(..)),
            epochs: self.epochs.clone(),
        };
        let mut text = line(&first);
        for entry in self.entries.values() {
            text.push_str(&line(entry));
        }
        for other in &self.others {
            text.push_str(other);
            text.push('\n');
        }
        text
    }

    /// Takes note of a leader of this owner, or says why this process may not write.
    pub(super) fn admit(&mut self, owner: &str, fence: Option<&Fence>) -> Result<(), NoEntry> {
        let Some(fence) = fence else {
            let mut scopes = self
                .epochs
                .keys()
                .filter_map(|scope| scope.rsplit_once('/'));
            let site = scopes.find_map(|(other, site)| (other == owner).then_some(site));
            return site.map_or(Ok(()), |site| Err(NoEntry::OfFleet(site.to_owned())));
        };
        let scope = format!("{owner}/{}", fence.site);
        let known = self.epochs.entry(scope).or_insert(fence.epoch);
        if *known > fence.epoch {
            return Err(NoEntry::Outranked(fence.site.clone(), *known));
        }
        *known = fence.epoch;
        Ok(())
    }
}

/// A value as a line of JSON.
fn line(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).expect("made of texts and numbers");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::samples::entry;

    fn fence(site: &str, epoch: u64) -> Fence {
        Fence {
            site: site.parse().unwrap(),
            epoch: LeaderEpoch::new(epoch),
        }
    }

    #[test]
    fn what_is_written_is_read_and_other_lines_stay() {
        let mut record = BucketRecord::default();
        record.admit("lab", Some(&fence("prague", 7))).unwrap();
        let placed = entry("a.iso");
        record.entries.insert(placed.name.clone(), placed);
        let text = record.write() + "{\"later\":1}\n";
        let read = BucketRecord::read(text.as_bytes()).unwrap();
        assert_eq!(read.others, ["{\"later\":1}"]);
        assert_eq!(read.entries, record.entries);
        assert_eq!(BucketRecord::read(read.write().as_bytes()), Some(read));
        assert_ne!(record.write(), record.write());
        for no_record in [
            "",
            "{}",
            "{\"talos-order\":\"record\",\"version\":2}",
            "PNG",
        ] {
            assert_eq!(
                BucketRecord::read(no_record.as_bytes()),
                None,
                "{no_record}"
            );
        }
    }

    #[test]
    fn an_older_epoch_is_refused_and_so_is_none() {
        let mut record = BucketRecord::default();
        record.admit("lab", None).unwrap();
        record.admit("lab", Some(&fence("prague", 7))).unwrap();
        let older = record.admit("lab", Some(&fence("prague", 6)));
        assert_eq!(
            older,
            Err(NoEntry::Outranked(
                "prague".parse().unwrap(),
                LeaderEpoch::new(7)
            ))
        );
        record.admit("lab", Some(&fence("prague", 7))).unwrap();
        record.admit("lab", Some(&fence("brno", 1))).unwrap();
        assert!(record.admit("lab", None).is_err());
        record.admit("other", None).unwrap();
        record.admit("lab/eu", Some(&fence("brno", 1))).unwrap();
        record.admit("la", None).unwrap();
        let mut of_slash = BucketRecord::default();
        of_slash.admit("lab/eu", Some(&fence("brno", 1))).unwrap();
        of_slash.admit("lab", None).unwrap();
    }
}
