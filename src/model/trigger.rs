//! What starts a run.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What started a run: one word, the same in the log, the status and the history.
///
/// The order is that of importance: of several triggers that come together, the first
/// one is named.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// An operator, or a signal, requested it. Version 0.1.0 wrote `request`.
    #[serde(alias = "request")]
    Manual,
    /// The orders changed.
    Change,
    /// The configuration was read again.
    Reload,
    /// The controller was started.
    Start,
    /// Something that failed is tried again.
    Retry,
    /// The interval was over, or a time of the schedule has come.
    Schedule,
}

impl Trigger {
    /// All of them, the most important first.
    pub const ALL: [Self; 6] = [
        Self::Manual,
        Self::Change,
        Self::Reload,
        Self::Start,
        Self::Retry,
        Self::Schedule,
    ];
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Manual => "manual",
            Self::Change => "change",
            Self::Reload => "reload",
            Self::Start => "start",
            Self::Retry => "retry",
            Self::Schedule => "schedule",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_and_read_and_so_is_the_old_one() {
        for trigger in Trigger::ALL {
            let word = serde_json::to_string(&trigger).unwrap();
            assert_eq!(word, format!("\"{trigger}\""));
            assert_eq!(serde_json::from_str::<Trigger>(&word).unwrap(), trigger);
        }
        assert_eq!(
            serde_json::from_str::<Trigger>("\"request\"").unwrap(),
            Trigger::Manual
        );
        assert!(Trigger::ALL.is_sorted());
    }
}
