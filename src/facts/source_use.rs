//! How the repository of the orders answered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How the repository of the orders answered, where the program fetches them itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceUse {
    /// Attempts that failed.
    pub failures: u64,
    /// Attempts that found something that is refused.
    pub rejections: u64,
    /// When it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// When it last answered, also with something that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

impl SourceUse {
    /// True if it was never asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Goes on from numbers that were kept: none of them falls.
    pub fn raise(&mut self, kept: &Self) {
        self.failures = self.failures.max(kept.failures);
        self.rejections = self.rejections.max(kept.rejections);
        self.asked_at = self.asked_at.max(kept.asked_at);
        self.answered_at = self.answered_at.max(kept.answered_at);
    }
}
