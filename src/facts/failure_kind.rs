//! What kind of trouble a failure is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of trouble a failure is, for whoever counts and sorts them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
    /// The upstream has no image of this version.
    NoSuchImage,
    /// A login, or access to a file or to the upstream, was denied.
    PermissionDenied,
    /// A file that is not ours is in the way.
    InTheWay,
    /// Anything else, also a word of a later version.
    #[serde(other)]
    Other,
}
