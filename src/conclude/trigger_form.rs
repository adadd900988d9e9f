//! The trigger of a run as it is written: `"cause": "request", "trigger": "manual"`.
//!
//! Version 0.1.0 reads `cause`, and takes a status with a word that it does not know for
//! none, so that key keeps its words. `trigger` has those of this version and is what
//! counts where it is there.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::Trigger;

/// What it is written as.
#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenTrigger {
    /// The same in the words of version 0.1.0
    cause: &'static str,
    /// What started it
    trigger: Trigger,
}

#[derive(Deserialize)]
struct RecordedTrigger {
    cause: Trigger,
    #[serde(default)]
    trigger: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
pub(super) fn serialize<S: Serializer>(trigger: &Trigger, to: S) -> Result<S::Ok, S::Error> {
    let cause = match trigger {
        Trigger::Manual => "request",
        Trigger::Change => "change",
        Trigger::Reload => "reload",
        Trigger::Start => "start",
        Trigger::Retry => "retry",
        Trigger::Schedule => "schedule",
    };
    WrittenTrigger {
        cause,
        trigger: *trigger,
    }
    .serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Trigger, D::Error> {
    let RecordedTrigger { cause, trigger } = RecordedTrigger::deserialize(from)?;
    // A word of a later version says less than the one beside it.
    let exact = trigger.and_then(|word| serde_json::from_value(word.into()).ok());
    Ok(exact.unwrap_or(cause))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        #[serde(flatten, with = "super")]
        trigger: Trigger,
    }

    #[test]
    fn both_words_are_written_and_either_is_read() {
        for trigger in Trigger::ALL {
            let written = serde_json::to_value(Line { trigger }).unwrap();
            assert_eq!(written["trigger"], trigger.to_string());
            let read: Line = serde_json::from_value(written).unwrap();
            assert_eq!(read.trigger, trigger);
        }
        let line = Line {
            trigger: Trigger::Manual,
        };
        assert_eq!(
            serde_json::to_value(line).unwrap(),
            json!({"cause": "request", "trigger": "manual"})
        );
        for (written, trigger) in [
            (json!({"cause": "request"}), Trigger::Manual),
            (json!({"cause": "manual"}), Trigger::Manual),
            (
                json!({"cause": "retry", "trigger": "newer"}),
                Trigger::Retry,
            ),
        ] {
            let read: Line = serde_json::from_value(written).unwrap();
            assert_eq!(read.trigger, trigger);
        }
        assert!(serde_json::from_value::<Line>(json!({})).is_err());
    }
}
