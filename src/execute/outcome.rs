//! What came of a step.

use serde::Serialize;

use crate::error::chain;
use crate::model::SchematicId;
use crate::plan::{Meta, RecordEntry, StepId};

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
}

impl Outcome {
    /// True if whatever needs the step can go on.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done { .. })
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
        }
    }
}
