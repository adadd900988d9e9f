//! What a server can be used for: found out by using it.
//!
//! Servers that speak S3 differ most in conditions. Some do not know them and write
//! whatever is there, some let two requests win that arrive together, some take a condition
//! on an object that is not there for fulfilled. None says so, and what it says of its
//! version is no answer either, since a proxy may stand in front of it.

mod conditions;
mod keys;
mod objects;
mod uploads;

use std::fmt;
use std::sync::atomic::Ordering;

use super::{Bucket, BucketAnswer, BucketError, ObjectPrefix};

pub(super) use keys::{NODE_PROBES, ProbeKeys, STORE_PROBES};

const VERSIONS_HINT: &str = "versioning may be enabled on the bucket, or was before it was \
                             suspended; use a bucket on which it was never enabled";

/// What a server was seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Each thing that was looked at.
    pub checks: Vec<ProbeCheck>,
    /// The bucket keeps versions of objects, or has done so.
    pub has_versions: bool,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeCheck {
    /// Which.
    pub feature: StoreFeature,
    /// What the server does in its place; `None` if all is well.
    pub wrong: Option<ProbeFault>,
}

/// What a server does in place of what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFault {
    /// What it should do is not done.
    NotDone(String),
    /// It does what nobody may rely on.
    Wrong(String),
}

/// What a fleet, or the deliveries to a node, need of a server.
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
    /// Writing in parts.
    Upload,
    /// Ending a write in parts without an object.
    GiveUp,
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
            Self::Upload => "upload in parts",
            Self::GiveUp => "give up an upload",
        }
    }

    /// True where only leaders need it.
    pub fn is_for_leaders(self) -> bool {
        matches!(self, Self::Create | Self::Swap | Self::Race)
    }
}

impl ProbeFault {
    fn not_done(what: &str) -> Self {
        Self::NotDone(what.to_owned())
    }

    fn wrong(what: &str) -> Self {
        Self::Wrong(what.to_owned())
    }
}

impl fmt::Display for ProbeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDone(what) | Self::Wrong(what) => f.write_str(what),
        }
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

    /// What helps where conditions do not work as they have to, as far as it was seen.
    pub fn hint(&self) -> Option<&'static str> {
        let is_wrong = self.wrong(StoreFeature::is_for_leaders).is_some();
        (is_wrong && self.has_versions).then_some(VERSIONS_HINT)
    }

    fn wrong(&self, counts: impl Fn(StoreFeature) -> bool) -> Option<String> {
        let checks = self.checks.iter().filter(|check| counts(check.feature));
        let wrong: Vec<String> = checks
            .filter_map(|check| Some(format!("{}: {}", check.feature, check.wrong.as_ref()?)))
            .collect();
        (!wrong.is_empty()).then(|| wrong.join("; "))
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
        self.probe_for(false).await
    }

    /// Tries everything that deliveries to a node need, in the same way. An upload is tried
    /// as well, and that it can be given up.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses the access key.
    pub async fn probe_deliveries(&self) -> Result<Probe, BucketError> {
        self.probe_for(true).await
    }

    /// How many objects of probes there are: what could not be removed.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn left_of_probes(&self) -> Result<usize, BucketError> {
        let all = ObjectPrefix::known(self.probes.to_owned());
        let found = self.list(&all).await?;
        let of_probes = found
            .iter()
            .filter(|listed| keys::is_of_probe(self.probes, &listed.key));
        Ok(of_probes.count())
    }

    async fn probe_for(&self, is_node: bool) -> Result<Probe, BucketError> {
        let mut keys = ProbeKeys::new(self.probes);
        let probed = self.probe_with(&mut keys, is_node).await;
        for key in &keys.keys {
            // What stays is removed by a later probe.
            let _ = self.remove(key).await;
        }
        Ok(Probe {
            checks: probed?,
            has_versions: self.has_versions.load(Ordering::Relaxed),
        })
    }

    async fn probe_with(
        &self,
        keys: &mut ProbeKeys,
        is_node: bool,
    ) -> Result<Vec<ProbeCheck>, BucketError> {
        // Some servers make a bucket of a name that is misspelled, for whoever writes to it.
        self.left_of_probes().await?;
        let key = keys.next();
        let mut checks = Vec::new();
        let mut add = |feature, wrong| checks.push(ProbeCheck { feature, wrong });
        add(StoreFeature::ReadBack, self.reads_back(&key).await?);
        if !is_node {
            add(StoreFeature::Range, self.reads_from_an_offset(&key).await?);
        }
        add(StoreFeature::List, self.lists(keys, &key).await?);
        if is_node {
            let uploads = self.uploads(&keys.next()).await?;
            let is_known = uploads.is_none();
            add(StoreFeature::Upload, uploads);
            if is_known {
                add(StoreFeature::GiveUp, self.gives_up(&keys.next()).await?);
            }
        }
        add(StoreFeature::Create, self.creates(&keys.next()).await?);
        let swaps = self.swaps(&keys.next(), &keys.next()).await?;
        add(StoreFeature::Swap, swaps);
        add(StoreFeature::Race, self.has_one_winner(keys).await?);
        add(StoreFeature::Remove, self.removes(&key).await?);
        Ok(checks)
    }
}

/// What a server says that does not know what was asked for. An error that says nothing of
/// that is one.
fn refusal(error: BucketError) -> Result<ProbeFault, BucketError> {
    let answer = error.answer();
    match answer.and_then(BucketAnswer::status) {
        // Not known, not like this, not here, not implemented.
        Some(400 | 405 | 416 | 501) => Ok(ProbeFault::NotDone(
            answer.map(ToString::to_string).unwrap_or_default(),
        )),
        // What is answered to a range without there being one.
        None if answer.is_some_and(|answer| answer.to_string().contains("non-partial")) => {
            Ok(ProbeFault::not_done("the whole object is read"))
        }
        _ => Err(error),
    }
}
