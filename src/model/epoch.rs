//! The epochs of leaders.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a leadership: each new leader of a site has a higher one than all before.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct LeaderEpoch(u64);

impl LeaderEpoch {
    /// The one with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// From here on they do not count: nodes read 17 digits, and a site needs a new one for each
    /// takeover only. A larger one is a mistake, or an attempt to lock controllers out.
    pub const TOO_LARGE: Self = Self(100_000_000_000_000_000);

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
