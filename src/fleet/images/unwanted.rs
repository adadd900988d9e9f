//! Since when images and blobs of the store are unwanted: `v1/unwanted.json`.
//!
//! All times are of the store's clock. They are kept in the store, so that it does not matter
//! which controller collects: one goes on where another has stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::ObjectKey;
use crate::model::SiteName;

/// So many images, and so many blobs, are recorded at most, with the size of small objects in
/// mind. The others have their turn when these are gone.
const MOST: usize = 2000;

/// When nobody has looked for longer than this, and for longer than images are kept, it is
/// not known what was wanted meanwhile, and all times start over. A site may be reconciled
/// once a day. It also bounds what a store that is restored from a backup makes too old.
const LONGEST_GAP: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// How long what nobody wants is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeepTimes {
    /// An image, after the last site stopped wanting it.
    pub images: Duration,
    /// Bytes that no index entry names: somebody may be reading them, or be about to
    /// name them.
    pub blobs: Duration,
}

/// What is unwanted at a moment.
#[derive(Debug, Default)]
pub(super) struct UnwantedNow {
    /// Index entries that no site wants.
    pub images: BTreeSet<ObjectKey>,
    /// Blobs that no index entry names.
    pub blobs: BTreeSet<ObjectKey>,
}

/// Since when things are unwanted, without a break as far as anybody has looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnwantedRecord {
    /// When this was found.
    at: Timestamp,
    /// New in each write, so that no two have the same tag.
    nonce: String,
    /// The sites that there were.
    #[serde(default)]
    pub sites: BTreeSet<SiteName>,
    /// Index entries, by key.
    #[serde(default)]
    images: BTreeMap<String, Timestamp>,
    /// Blobs, by key.
    #[serde(default)]
    blobs: BTreeMap<String, Timestamp>,
}

impl UnwantedRecord {
    /// What is to be recorded now, after `before` was.
    pub(super) fn after(
        before: Option<&Self>,
        unwanted: &UnwantedNow,
        sites: BTreeSet<SiteName>,
        (now, nonce): (Timestamp, String),
        keep: &KeepTimes,
    ) -> Self {
        let longest = keep.images.max(LONGEST_GAP);
        // A clock that was set back says nothing of the time between.
        let known = before.filter(|before| before.at <= now && age(before.at, now) <= longest);
        let times = |keys: &BTreeSet<ObjectKey>, before: Option<&BTreeMap<String, Timestamp>>| {
            let since = |key: &ObjectKey| before.and_then(|all| all.get(key.as_str())).copied();
            let (old, new): (Vec<_>, Vec<_>) = keys
                .iter()
                .map(|key| (key.to_string(), since(key)))
                .partition(|(_, since)| since.is_some());
            let all = old.into_iter().chain(new).take(MOST);
            all.map(|(key, since)| (key, since.unwrap_or(now).min(now)))
                .collect()
        };
        Self {
            at: now,
            nonce,
            sites,
            images: times(&unwanted.images, known.map(|known| &known.images)),
            blobs: times(&unwanted.blobs, known.map(|known| &known.blobs)),
        }
    }

    /// True for an index entry that was unwanted for long enough.
    pub(super) fn is_image_due(&self, key: &ObjectKey, keep: &KeepTimes) -> bool {
        self.is_due(&self.images, key, keep.images)
    }

    /// True for a blob that was unwanted for long enough, and was written as long ago.
    pub(super) fn is_blob_due(
        &self,
        key: &ObjectKey,
        modified: Timestamp,
        keep: &KeepTimes,
    ) -> bool {
        self.is_due(&self.blobs, key, keep.blobs) && age(modified, self.at) >= keep.blobs
    }

    fn is_due(&self, all: &BTreeMap<String, Timestamp>, key: &ObjectKey, keep: Duration) -> bool {
        // What is new was never seen unwanted before.
        let since = all.get(key.as_str()).filter(|since| **since < self.at);
        since.is_some_and(|&since| age(since, self.at) >= keep)
    }
}

/// How long ago `then` is at `now`; nothing for what is yet to come.
pub(super) fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn keep(images: u64) -> KeepTimes {
        KeepTimes {
            images: Duration::from_secs(images),
            blobs: Duration::from_secs(DAY),
        }
    }

    fn unwanted(names: &[&str]) -> UnwantedNow {
        let keys = |folder: &str| {
            let keys = names.iter();
            keys.map(|name| format!("{folder}/{name}").parse().unwrap())
                .collect()
        };
        UnwantedNow {
            images: keys("v1/index"),
            blobs: keys("v1/blobs"),
        }
    }

    /// Looks at these times, and says when `a` was due: by the index of the look.
    fn due(looks: &[(u64, &[&str])], keep: &KeepTimes) -> Vec<bool> {
        let key = "v1/index/a".parse().unwrap();
        let mut record: Option<UnwantedRecord> = None;
        let mut due = Vec::new();
        for (seconds, names) in looks {
            let now = (at(*seconds), seconds.to_string());
            let sites = BTreeSet::new();
            let next = UnwantedRecord::after(record.as_ref(), &unwanted(names), sites, now, keep);
            // What is kept is what was written.
            let text = serde_json::to_string(&next).unwrap();
            assert_eq!(serde_json::from_str::<UnwantedRecord>(&text).unwrap(), next);
            due.push(next.is_image_due(&key, keep));
            record = Some(next);
        }
        due
    }

    #[test]
    fn an_image_is_due_when_it_was_unwanted_for_long_without_a_break() {
        let week = keep(7 * DAY);
        let looks: Vec<_> = (0..=7).map(|day| (day * DAY, &["a", "b"][..])).collect();
        let expected = [vec![false; 7], vec![true]].concat();
        assert_eq!(due(&looks, &week), expected);
        // Wanted once in between.
        let mut broken = looks.clone();
        broken[3].1 = &["b"];
        assert_eq!(due(&broken, &week), vec![false; 8]);
    }

    #[test]
    fn what_happened_while_nobody_looked_is_not_known() {
        let looks = |gap| [(0, &["a"][..]), (DAY, &["a"]), (DAY + gap, &["a"])];
        assert_eq!(due(&looks(2 * DAY), &keep(HOUR)), [false, true, true]);
        assert_eq!(due(&looks(2 * DAY + 1), &keep(HOUR)), [false, true, false]);
        // Whoever keeps images for long may also look seldom.
        assert_eq!(due(&looks(9 * DAY), &keep(9 * DAY)), [false, false, true]);
    }

    #[test]
    fn a_clock_that_is_set_back_starts_over() {
        let looks = [
            (30 * DAY, &["a"][..]),
            (DAY, &["a"]),
            (DAY + HOUR - 1, &["a"]),
            (DAY + HOUR, &["a"]),
        ];
        assert_eq!(due(&looks, &keep(HOUR)), [false, false, false, true]);
    }

    #[test]
    fn a_blob_is_due_when_it_is_old_as_well() {
        let keep = keep(HOUR);
        let key = "v1/blobs/a".parse().unwrap();
        let record = |before: Option<&UnwantedRecord>, seconds| {
            let now = (at(seconds), String::new());
            UnwantedRecord::after(before, &unwanted(&["a"]), BTreeSet::new(), now, &keep)
        };
        let first = record(None, 10 * DAY);
        assert!(!first.is_blob_due(&key, at(0), &keep));
        let later = record(Some(&first), 11 * DAY);
        assert!(later.is_blob_due(&key, at(0), &keep));
        // Somebody has written it again.
        assert!(!later.is_blob_due(&key, at(10 * DAY + 1), &keep));
    }

    #[test]
    fn the_record_does_not_grow_without_end() {
        let names: Vec<String> = (0..MOST + 5)
            .map(|number| format!("n{number:05}"))
            .collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        let late = names.split_off(5);
        let keep = keep(HOUR);
        let of = |before: Option<&UnwantedRecord>, names: &[&str], now| {
            let now = (at(now), String::new());
            UnwantedRecord::after(before, &unwanted(names), BTreeSet::new(), now, &keep)
        };
        let first = of(None, &late, 0);
        let all = of(Some(&first), &[names, late].concat(), HOUR);
        assert_eq!((all.images.len(), all.blobs.len()), (MOST, MOST));
        // Those that have waited are not crowded out.
        assert!(all.images.values().all(|since| *since == at(0)));
    }
}
