//! What came of a step.

use serde::Serialize;

use crate::cache::CacheError;
use crate::error::chain;
use crate::io::landing::LandingError;
use crate::model::SchematicId;
use crate::nodes::NodeError;
use crate::plan::{Meta, RecordEntry, StepId};
use crate::upstream::UpstreamError;

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It is done.
    Done {
        /// What was learned from it.
        #[serde(flatten)]
        fact: Fact,
    },
    /// It failed; the error chain, outermost first.
    Failed {
        /// What went wrong.
        #[serde(flatten)]
        failure: Failure,
    },
    /// Something it needs did not succeed.
    Skipped {
        /// What it needs.
        needs: StepId,
    },
    /// The world is not as it was observed; the next look decides.
    Outdated {
        /// What has changed.
        what: String,
    },
    /// It is a download that goes on in the background; a later pass hears of its end.
    UnderWay,
    /// The pass was stopped before it was done.
    Cancelled,
}

/// What was learned from a step that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "did")]
pub enum Fact {
    /// A schematic is known to the factory.
    Registered {
        /// Under this id.
        id: SchematicId,
    },
    /// A file is in the cache, and perhaps its unpacked form.
    Fetched {
        /// The download.
        download: Box<Meta>,
        /// The unpacked form.
        unpacked: Option<Box<Meta>>,
        /// Bytes over the wire, repeats included.
        wire_bytes: u64,
    },
    /// A file was unpacked from the cache.
    Unpacked {
        /// The unpacked form.
        meta: Box<Meta>,
    },
    /// A file lies on a node.
    Pushed {
        /// What was recorded there.
        entry: Box<RecordEntry>,
        /// False if it was there already.
        copied: bool,
        /// Bytes that were sent to the node, where that is known.
        wire_bytes: Option<u64>,
        /// How long sending took, in milliseconds.
        millis: u64,
    },
    /// A file was read back and is what the record says.
    Verified {
        /// Bytes read.
        bytes: u64,
    },
    /// A file is gone.
    Removed {
        /// Bytes freed.
        bytes: u64,
    },
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The errors, outermost first, joined by `: `.
    pub error: String,
    /// What a person can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Trying again may help.
    pub transient: bool,
    /// What kind of trouble it is.
    pub kind: FailureKind,
}

/// What kind of trouble a failure is, for whoever counts and sorts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The node was not reached, or was lost on the way.
    Unreachable,
    /// There was not enough room.
    NoSpace,
    /// The bytes were not the promised ones.
    WrongBytes,
    /// The upstream asked for patience.
    RateLimited,
    /// The upstream did not answer, or not with what was asked for.
    Upstream,
    /// A file that is not ours is in the way.
    InTheWay,
    /// Anything else.
    Other,
}

/// Each room's error knows whether trying again may help and what a person can do.
macro_rules! failures {
    ($($error:ty)+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(&error, error.is_transient(), error.hint())
            }
        }
    )+};
}
failures!(UpstreamError CacheError NodeError);

impl Outcome {
    /// True if whatever needs the step can go on.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// Why a step is not done, for a person; `done` if it is.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done { .. } => f.write_str("done"),
            Self::Failed { failure } => f.write_str(&failure.error),
            Self::Skipped { needs } => write!(f, "{needs} did not succeed"),
            Self::Outdated { what } => f.write_str(what),
            Self::UnderWay => f.write_str("it goes on in the background"),
            Self::Cancelled => f.write_str("the pass was stopped"),
        }
    }
}

impl Failure {
    /// Flattens an error with its causes.
    pub fn new(
        error: &(dyn std::error::Error + 'static),
        transient: bool,
        hint: Option<impl Into<String>>,
    ) -> Self {
        Self {
            error: chain(error),
            hint: hint.map(Into::into),
            transient,
            kind: FailureKind::of(error),
        }
    }
}

impl FailureKind {
    /// The first error of the chain that says something decides.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        chain.into_iter().find_map(kind_of).unwrap_or(Self::Other)
    }
}

fn kind_of(error: &(dyn std::error::Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<NodeError>() {
        return match error {
            NodeError::Unreachable { .. } | NodeError::CutShort { .. } => {
                Some(FailureKind::Unreachable)
            }
            NodeError::NoSpace { .. } => Some(FailureKind::NoSpace),
            NodeError::DigestDiffers { .. } => Some(FailureKind::WrongBytes),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<UpstreamError>() {
        return match error {
            // What the sink said is the cause.
            UpstreamError::Sink { .. } => None,
            UpstreamError::GaveUp { source, .. } => kind_of(&**source),
            UpstreamError::Status { status: 429, .. } => Some(FailureKind::RateLimited),
            error if error.is_rate_limit() => Some(FailureKind::RateLimited),
            _ => Some(FailureKind::Upstream),
        };
    }
    if let Some(error) = error.downcast_ref::<CacheError>() {
        return match error {
            // It shows itself as its cause and would be missing from the chain.
            CacheError::Landing(error) => kind_of(error),
            CacheError::Foreign { .. } => Some(FailureKind::InTheWay),
            CacheError::Damaged { .. } => Some(FailureKind::WrongBytes),
            _ => None,
        };
    }
    if let Some(LandingError::Digest { .. } | LandingError::WrongContent { .. }) =
        error.downcast_ref()
    {
        return Some(FailureKind::WrongBytes);
    }
    let error = error.downcast_ref::<std::io::Error>()?;
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Some(FailureKind::NoSpace)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: impl std::error::Error + 'static) -> FailureKind {
        Failure::new(&error, false, None::<String>).kind
    }

    #[test]
    fn a_failure_is_sorted_by_the_first_cause_that_says_something() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let sink = UpstreamError::Sink {
            url: "u".to_owned(),
            source: full(),
        };
        assert_eq!(kind(sink), FailureKind::NoSpace);
        let landing = LandingError::Io {
            doing: "write",
            path: "p".into(),
            source: full(),
        };
        assert_eq!(kind(CacheError::Landing(landing)), FailureKind::NoSpace);
        let limited = UpstreamError::RateLimited {
            url: "u".to_owned(),
            retry_after: None,
        };
        let gave_up = UpstreamError::GaveUp {
            retries: 3,
            source: Box::new(limited),
        };
        assert_eq!(kind(gave_up), FailureKind::RateLimited);
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(kind(refused), FailureKind::Other);
    }
}
