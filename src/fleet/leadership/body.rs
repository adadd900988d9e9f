//! What stands in the store about who leads a site.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::LeaderEpoch;

/// The shortest time that a leadership lasts without being renewed.
const SHORTEST: Duration = Duration::from_secs(10);
/// The longest one: so long a site may be without a leader after a crash.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Who leads a site. The object is never removed: its epoch has to rise for ever.
///
/// No two writes have equal bytes, since servers derive the tag of an object from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeadershipBody {
    /// Each new leader has a higher one.
    pub epoch: LeaderEpoch,
    /// Counts the writes of one process.
    pub seq: u64,
    /// Who leads; `None` after an orderly stop.
    pub holder: Option<ControllerName>,
    /// Which process wrote this.
    pub nonce: String,
    /// How long it is valid without a renewal, in milliseconds.
    pub ttl_ms: u64,
}

impl LeadershipBody {
    /// How long it is valid without a renewal. Whatever was written there, a site is not
    /// without a leader for longer than [`LONGEST`], and no leader is deposed within
    /// [`SHORTEST`].
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms).clamp(SHORTEST, LONGEST)
    }
}

/// A controller: `HOST/INSTANCE`. The instance is that of its cache, which tells controllers
/// of one machine apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ControllerName(String);

impl ControllerName {
    /// The controller of this machine with this cache.
    pub(crate) fn new(host: &str, instance: &str) -> Self {
        Self(format!("{host}/{instance}"))
    }

    /// The machine that it runs on.
    pub(crate) fn host(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(host, _)| host)
    }
}

impl fmt::Display for ControllerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
