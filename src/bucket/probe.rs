//! What a server can be used for: found out by using it.
//!
//! Servers that speak S3 differ most in conditions. Some do not know them and write
//! whatever is there, some let two requests win that arrive together, some take a condition
//! on an object that is not there for fulfilled. None says so, and what it says of its
//! version is no answer either, since a proxy may stand in front of it.

use std::fmt;

use futures_util::TryStreamExt;
use futures_util::future::join_all;

use super::{
    Bucket, BucketAnswer, BucketError, ObjectKey, ObjectPrefix, ObjectWritten, WriteCondition,
};

/// Where the objects of probes are.
const PROBES: &str = "v1/probe/";

/// Writers that meet.
const WRITERS: usize = 8;

/// How often they meet, where no answer says that one of them has won.
const MEETINGS: usize = 3;

/// How long the objects of a probe stay that came to no end, by the server's clock.
const LEFTOVER_SECONDS: i64 = 60 * 60;

/// What a server was seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Each thing that was looked at.
    pub checks: Vec<ProbeCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeCheck {
    /// Which.
    pub feature: StoreFeature,
    /// What the server does in its place; `None` if all is well.
    pub wrong: Option<String>,
}

/// What a fleet needs of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFeature {
    /// What was written is read, at once.
    ReadBack,
    /// Reading from an offset.
    Range,
    /// Listing what is behind a prefix, at once.
    List,
    /// Writing only where nothing is.
    Create,
    /// Writing only what is unchanged.
    Swap,
    /// Of several that write under a condition at once, one wins.
    Race,
    /// Removing.
    Remove,
}

/// What a server can be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Everything.
    Full,
    /// Images can be shared. It cannot be known who leads.
    CacheOnly {
        /// What the server does not do.
        why: String,
    },
}

impl StoreFeature {
    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Self::ReadBack => "read after write",
            Self::Range => "read from an offset",
            Self::List => "list",
            Self::Create => "create if absent",
            Self::Swap => "replace if unchanged",
            Self::Race => "one winner of concurrent writes",
            Self::Remove => "remove",
        }
    }

    /// True where only leaders need it.
    pub fn is_for_leaders(self) -> bool {
        matches!(self, Self::Create | Self::Swap | Self::Race)
    }
}

impl fmt::Display for StoreFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

impl Probe {
    /// What the server can be used for, if it can be used.
    pub fn capability(&self) -> Capability {
        match self.wrong(StoreFeature::is_for_leaders) {
            Some(why) => Capability::CacheOnly { why },
            None => Capability::Full,
        }
    }

    /// Why the server cannot be used at all.
    pub fn unfit(&self) -> Option<String> {
        self.wrong(|feature| !feature.is_for_leaders())
    }

    fn wrong(&self, counts: impl Fn(StoreFeature) -> bool) -> Option<String> {
        let checks = self.checks.iter().filter(|check| counts(check.feature));
        let wrong: Vec<String> = checks
            .filter_map(|check| Some(format!("{}: {}", check.feature, check.wrong.as_ref()?)))
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }
}

/// The objects of one probe.
struct ProbeKeys {
    own: ObjectPrefix,
    keys: Vec<ObjectKey>,
}

impl ProbeKeys {
    fn new() -> Self {
        let number = fastrand::u128(..);
        Self {
            own: ObjectPrefix::known(format!("{PROBES}{number:032x}/")),
            keys: Vec::new(),
        }
    }

    fn next(&mut self) -> ObjectKey {
        let key = ObjectKey::known(format!("{}{}", self.own, self.keys.len()));
        self.keys.push(key.clone());
        key
    }
}

impl Bucket {
    /// Tries everything that a fleet needs, with small objects of its own that are removed
    /// again. Takes some forty requests; a server
    /// that answers the losers of a race late makes it take a second or two.
    ///
    /// # Errors
    /// When the server cannot be asked, so that nothing is known of it.
    pub async fn probe(&self) -> Result<Probe, BucketError> {
        let mut keys = ProbeKeys::new();
        let probed = self.probe_with(&mut keys).await;
        for key in &keys.keys {
            // What stays is removed by a later probe.
            let _ = self.remove(key).await;
        }
        probed
    }

    async fn probe_with(&self, keys: &mut ProbeKeys) -> Result<Probe, BucketError> {
        let key = keys.next();
        let mut checks = Vec::new();
        let mut add = |feature, wrong| checks.push(ProbeCheck { feature, wrong });
        add(StoreFeature::ReadBack, self.reads_back(&key).await?);
        add(StoreFeature::Range, self.reads_from_an_offset(&key).await?);
        add(StoreFeature::List, self.lists(&keys.own, &key).await?);
        add(StoreFeature::Create, self.creates(&keys.next()).await?);
        let swaps = self.swaps(&keys.next(), &keys.next()).await?;
        add(StoreFeature::Swap, swaps);
        add(StoreFeature::Race, self.has_one_winner(keys).await?);
        add(StoreFeature::Remove, self.removes(&key).await?);
        Ok(Probe { checks })
    }

    async fn reads_back(&self, key: &ObjectKey) -> Result<Option<String>, BucketError> {
        let ObjectWritten::Done(tag) = self.put(key, "probe", WriteCondition::Always).await? else {
            return Ok(Some("writing without a condition is refused".to_owned()));
        };
        Ok(match self.get(key).await? {
            Some(found) if *found.bytes != *b"probe" => Some("other bytes are read".to_owned()),
            Some(found) if found.tag != tag => Some(format!(
                "the entity tag is {tag} when writing and {} when reading",
                found.tag
            )),
            Some(_) => None,
            None => Some("what was written is not there".to_owned()),
        })
    }

    async fn reads_from_an_offset(&self, key: &ObjectKey) -> Result<Option<String>, BucketError> {
        let read = async {
            let Some(reading) = self.read(key, 3).await? else {
                return Ok(None);
            };
            let pieces: Vec<bytes::Bytes> = reading.pieces.try_collect().await?;
            Ok(Some(pieces.concat()))
        };
        Ok(match read.await {
            Ok(Some(bytes)) if bytes == b"be" => None,
            Ok(Some(_)) => Some("other bytes are read".to_owned()),
            Ok(None) => Some("what was written is not there".to_owned()),
            Err(error) => Some(refusal(error)?),
        })
    }

    async fn lists(
        &self,
        own: &ObjectPrefix,
        key: &ObjectKey,
    ) -> Result<Option<String>, BucketError> {
        let found = self.list(&ObjectPrefix::known(PROBES.to_owned())).await?;
        let Some(listed) = found.iter().find(|listed| listed.key == *key) else {
            return Ok(Some("what was written is not in the list".to_owned()));
        };
        let is_old = |modified: jiff::Timestamp| {
            listed.modified.as_second() - modified.as_second() > LEFTOVER_SECONDS
        };
        let is_other = |key: &ObjectKey| !key.as_str().starts_with(&own.to_string());
        for old in &found {
            if is_other(&old.key) && is_old(old.modified) {
                // It is in nobody's way.
                let _ = self.remove(&old.key).await;
            }
        }
        Ok((listed.size != 5).then(|| "the list has another length".to_owned()))
    }

    async fn creates(&self, key: &ObjectKey) -> Result<Option<String>, BucketError> {
        match self.put(key, "one", WriteCondition::Absent).await {
            Ok(ObjectWritten::Done(_)) => {}
            Ok(ObjectWritten::Refused) => return Ok(Some("it is refused".to_owned())),
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        match self.put(key, "two", WriteCondition::Absent).await {
            Ok(ObjectWritten::Refused) => {}
            Ok(ObjectWritten::Done(_)) => return Ok(Some("the condition is ignored".to_owned())),
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        if let Some(wrong) = self.holds(key, b"one").await? {
            return Ok(Some(wrong));
        }
        // Where versions are suspended, a mark of the removal may count as an object.
        self.remove(key).await?;
        match self.put(key, "three", WriteCondition::Absent).await {
            Ok(ObjectWritten::Done(_)) => self.holds(key, b"three").await,
            Ok(ObjectWritten::Refused) => Ok(Some("what was removed counts as there".to_owned())),
            Err(error) => Ok(Some(refusal(error)?)),
        }
    }

    async fn swaps(
        &self,
        key: &ObjectKey,
        absent: &ObjectKey,
    ) -> Result<Option<String>, BucketError> {
        let ObjectWritten::Done(first) = self.put(key, "one", WriteCondition::Always).await? else {
            return Ok(Some("writing without a condition is refused".to_owned()));
        };
        match self
            .put(key, "two", WriteCondition::Unchanged(first.clone()))
            .await
        {
            Ok(ObjectWritten::Done(_)) => {}
            Ok(ObjectWritten::Refused) => return Ok(Some("it is refused".to_owned())),
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        if let Some(wrong) = self.holds(key, b"two").await? {
            return Ok(Some(wrong));
        }
        match self
            .put(key, "three", WriteCondition::Unchanged(first.clone()))
            .await
        {
            Ok(ObjectWritten::Refused) => {}
            Ok(ObjectWritten::Done(_)) => return Ok(Some("the condition is ignored".to_owned())),
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        if let Some(wrong) = self.holds(key, b"two").await? {
            return Ok(Some(wrong));
        }
        let written = self
            .put(absent, "one", WriteCondition::Unchanged(first))
            .await;
        let is_there = self.get(absent).await?.is_some();
        Ok(match written {
            _ if is_there => Some("an object that is not there counts as unchanged".to_owned()),
            Ok(ObjectWritten::Done(_)) => Some("it is confirmed and not done".to_owned()),
            Ok(ObjectWritten::Refused) => None,
            Err(error) => Some(refusal(error)?),
        })
    }

    async fn has_one_winner(&self, keys: &mut ProbeKeys) -> Result<Option<String>, BucketError> {
        for is_there in [false, true] {
            if let Some(wrong) = self.meet(keys, is_there).await? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    /// Several create one object at once, or replace it where it is there. One of them has
    /// to win, and its bytes have to be there.
    async fn meet(
        &self,
        keys: &mut ProbeKeys,
        is_there: bool,
    ) -> Result<Option<String>, BucketError> {
        let mut refused = String::new();
        for _ in 0..MEETINGS {
            let key = keys.next();
            let condition = match is_there {
                false => WriteCondition::Absent,
                true => match self.put(&key, "before", WriteCondition::Always).await? {
                    ObjectWritten::Done(tag) => WriteCondition::Unchanged(tag),
                    ObjectWritten::Refused => WriteCondition::Absent,
                },
            };
            let writers = (0..WRITERS).map(|number| {
                let (key, condition) = (&key, condition.clone());
                async move { self.put(key, format!("writer {number}"), condition).await }
            });
            let ended = join_all(writers).await;
            let has_won = |one: &Result<ObjectWritten, BucketError>| {
                matches!(one, Ok(ObjectWritten::Done(_)))
            };
            let winners = ended.iter().filter(|one| has_won(one)).count();
            match ended.iter().position(has_won) {
                Some(number) if winners == 1 => {
                    return self
                        .holds(&key, format!("writer {number}").as_bytes())
                        .await;
                }
                Some(_) => return Ok(Some(format!("{winners} of {WRITERS} writers won"))),
                // Answers were lost, or they met and gave way to each other.
                None => {
                    let error = ended.into_iter().find_map(Result::err);
                    refused = error.map_or_else(String::new, |error| format!(": {error}"));
                }
            }
        }
        Ok(Some(format!("none of {WRITERS} writers won{refused}")))
    }

    async fn removes(&self, key: &ObjectKey) -> Result<Option<String>, BucketError> {
        self.remove(key).await?;
        let found = self.get(key).await?;
        Ok(found.map(|_| "what was removed is still there".to_owned()))
    }

    async fn holds(&self, key: &ObjectKey, bytes: &[u8]) -> Result<Option<String>, BucketError> {
        Ok(match self.get(key).await? {
            Some(found) if found.bytes == bytes => None,
            Some(_) => Some("the object holds what was refused".to_owned()),
            None => Some("what was written is not there".to_owned()),
        })
    }
}

/// What a server says that does not know what was asked for. An error that says nothing of
/// that is one.
fn refusal(error: BucketError) -> Result<String, BucketError> {
    let answer = error.answer();
    match answer.and_then(BucketAnswer::status) {
        // Not known, not like this, not here, not implemented.
        Some(400 | 405 | 416 | 501) => Ok(answer.map(ToString::to_string).unwrap_or_default()),
        // What is answered to a range without there being one.
        None if answer.is_some_and(|answer| answer.to_string().contains("non-partial")) => {
            Ok("the whole object is read".to_owned())
        }
        _ => Err(error),
    }
}
