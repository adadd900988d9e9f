//! The revision of the orders, where the program fetches them itself: which one is in effect,
//! and whether it is the newest.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::GitCommit;

/// Whether the revision in effect is the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// It is the newest one that the remote has.
    #[default]
    Ok,
    /// The remote has another one, which is refused. An operator has to act.
    Rejected,
    /// The remote could not be asked. It is asked again.
    Unavailable,
}

impl SourceState {
    /// The word in files and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The source of the orders. Author and subject are as somebody else wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SourceLine {
    /// The repository.
    pub url: String,
    /// What of it is followed, such as `branch main`.
    pub reference: String,
    /// The revision in effect, `main@sha1:<commit>`; absent while there is none. The same
    /// goes for the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// The first line of its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who signed it; absent where no signature is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// When the remote was last asked, whatever it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When the revision was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Timestamp>,
    /// Whether it is the newest.
    pub state: SourceState,
    /// Why it is not known to be the newest, for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The commit or tag that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl SourceLine {
    /// Why what the orders do not mention is not known to be unwanted: a newer revision
    /// may want it.
    pub fn doubt(&self) -> Option<String> {
        match self.state {
            SourceState::Ok => None,
            SourceState::Rejected => Some("the newest revision of the orders is refused".into()),
            SourceState::Unavailable => {
                Some("the newest revision of the orders is not known".into())
            }
        }
    }

    /// The commit in effect.
    pub fn described(&self) -> Option<GitCommit> {
        Some(GitCommit {
            commit: self.commit.clone()?,
            author: self.author.clone().unwrap_or_default(),
            date: self.date,
            subject: self.subject.clone().unwrap_or_default(),
        })
    }
}
