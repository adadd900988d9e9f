//! Reasons as they are written: in words that version 0.1.0 knows, since it takes a
//! status with any other for none, in the file and over the socket.
//!
//! `reason` is one of its words. Where there is a more exact one by now it stands beside
//! it as `exact_reason`, which that version ignores and this one believes.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Reason;

/// What it is written as.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct Words {
    /// Why it is not as it should be, in a word that version 0.1.0 knows
    reason: Option<Reason>,
    /// A more exact word, where there is one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact_reason: Option<String>,
}

/// The reason that version 0.1.0 gives where this one gives the other.
const fn first_word(reason: Reason) -> Reason {
    match reason {
        Reason::DirectoryMissing | Reason::StorageUnusable => Reason::NotMounted,
        Reason::PermissionDenied => Reason::Failed,
        Reason::NotSelected => Reason::Suspended,
        Reason::OutsideWindow | Reason::WaitsForRing | Reason::WaitsForPromotion => {
            Reason::BackingOff
        }
        Reason::SourceRejected => Reason::InvalidOrder,
        Reason::SourceUnavailable => Reason::UpstreamUnavailable,
        Reason::InvalidOrder
        | Reason::Conflict
        | Reason::NoSuchVersion
        | Reason::DigestMismatch
        | Reason::InsufficientSpace
        | Reason::NotMounted
        | Reason::PruneBlocked
        | Reason::Failed
        | Reason::TargetUnreachable
        | Reason::UpstreamRateLimited
        | Reason::UpstreamUnavailable
        | Reason::BackingOff
        | Reason::Suspended
        | Reason::Interrupted => reason,
    }
}

pub(super) fn serialize<S: Serializer>(reason: &Option<Reason>, to: S) -> Result<S::Ok, S::Error> {
    let first = reason.map(first_word);
    let exact_reason = reason.filter(|_| first != *reason);
    Words {
        reason: first,
        exact_reason: exact_reason.map(|reason| reason.to_string()),
    }
    .serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Reason>, D::Error> {
    let Words {
        reason,
        exact_reason,
    } = Words::deserialize(from)?;
    // A word of a later version says less than the one beside it.
    let exact = exact_reason.and_then(|word| serde_json::from_value(word.into()).ok());
    Ok(exact.or(reason))
}

/// The same where there always is one.
pub(super) mod always {
    use serde::de::Error;

    use super::{Deserializer, Reason, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
    pub(crate) fn serialize<S: Serializer>(reason: &Reason, to: S) -> Result<S::Ok, S::Error> {
        super::serialize(&Some(*reason), to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Reason, D::Error> {
        super::deserialize(from)?.ok_or_else(|| D::Error::missing_field("reason"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct HistoryLine {
        at: u32,
        #[serde(flatten, with = "super")]
        reason: Option<Reason>,
        message: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct BlockedText {
        #[serde(flatten, with = "super::always")]
        reason: Reason,
    }

    #[test]
    fn a_new_word_stands_beside_one_that_every_version_knows() {
        for (reason, written) in [
            (None, json!({"at": 1, "reason": null, "message": ""})),
            (
                Some(Reason::Failed),
                json!({"at": 1, "reason": "Failed", "message": ""}),
            ),
            (
                Some(Reason::DirectoryMissing),
                json!({"at": 1, "reason": "NotMounted", "exact_reason": "DirectoryMissing",
                    "message": ""}),
            ),
        ] {
            let line = HistoryLine {
                at: 1,
                reason,
                message: String::new(),
            };
            assert_eq!(serde_json::to_value(&line).unwrap(), written);
            assert_eq!(
                serde_json::from_value::<HistoryLine>(written).unwrap(),
                line
            );
        }
        let blocked = BlockedText {
            reason: Reason::DirectoryMissing,
        };
        let written = serde_json::to_value(&blocked).unwrap();
        assert_eq!(written["reason"], "NotMounted");
        assert_eq!(
            serde_json::from_value::<BlockedText>(written).unwrap(),
            blocked
        );
        assert!(serde_json::from_value::<BlockedText>(json!({})).is_err());
    }

    #[test]
    fn words_of_other_versions_are_read() {
        for (written, expected) in [
            (json!({"reason": "NotMounted"}), Reason::NotMounted),
            (
                json!({"reason": "DirectoryMissing"}),
                Reason::DirectoryMissing,
            ),
            (
                json!({"reason": "Failed", "exact_reason": "SomethingNewer"}),
                Reason::Failed,
            ),
        ] {
            let blocked: BlockedText = serde_json::from_value(written).unwrap();
            assert_eq!(blocked.reason, expected);
        }
    }
}
