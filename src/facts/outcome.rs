//! What came of a step.

use serde::Serialize;

use super::failure_kind::FailureKind;
use super::observed::{Meta, RecordEntry};
use super::step_id::StepId;
use super::template_mark::TemplateMark;
use crate::model::SchematicId;

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
    /// It is a download that continues in the background; a later run hears of its end.
    UnderWay,
    /// The run ended without it, because a download that it needs continues in the background.
    Left {
        /// That download.
        needs: StepId,
    },
    /// The run was stopped before it was done.
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
    /// A file is on a node.
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
    /// A template was made; it does not have its name yet.
    TemplateCreated {
        /// What stands in its notes.
        mark: Box<TemplateMark>,
    },
    /// A template has its name, and those before it have lost it.
    TemplateSwitched,
    /// A template is gone.
    TemplateRemoved,
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
    /// A hint for the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A retry may help.
    pub transient: bool,
    /// What kind of trouble it is.
    pub kind: FailureKind,
}

impl Failure {
    /// The kind of a failure that stays until an operator acts; `None` where a retry may
    /// help.
    pub const fn lasting(&self) -> Option<FailureKind> {
        if self.transient {
            None
        } else {
            Some(self.kind)
        }
    }
}

impl Outcome {
    /// True if whatever needs the step can go on.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Done { .. })
    }
}

/// Why a step is not done, for the user; `done` if it is.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done { .. } => f.write_str("done"),
            Self::Failed { failure } => f.write_str(&failure.error),
            Self::Skipped { needs } => write!(f, "{} did not succeed", needs.text()),
            Self::Outdated { what } => f.write_str(what),
            Self::UnderWay => f.write_str("continues in the background"),
            Self::Left { needs } => {
                let needs = needs.text();
                write!(
                    f,
                    "left to the next run; {needs} continues in the background"
                )
            }
            Self::Cancelled => f.write_str("the run was stopped"),
        }
    }
}
