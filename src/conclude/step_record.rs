//! What became of a step, as it is kept and told: one line of the events, one step of a
//! run in the history, and the text of both.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{Fact, Outcome, StepId, StepKind};
use crate::plan::Why;
use crate::plan::render::Bytes;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepEnd {
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// Something it needs did not succeed.
    Skipped,
    /// The state has changed since it was observed.
    Outdated,
    /// The run was stopped.
    Cancelled,
}

impl fmt::Display for StepEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Outdated => "outdated",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    /// When it was over; absent in the history, where the run has the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Which step.
    pub step: StepId,
    /// How it ended.
    pub end: StepEnd,
    /// Why it was planned, for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What went wrong, or what was found instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Bytes moved, read or freed.
    #[serde(default)]
    pub bytes: u64,
    /// Bytes that a push sent to the node, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_bytes: Option<u64>,
    /// How long a push was sending, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// The file was there already and was recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

impl StepRecord {
    /// The record of a step with its outcome; `why` as in the plan, where known.
    pub fn new(at: Option<Timestamp>, step: &StepId, why: Option<&Why>, outcome: &Outcome) -> Self {
        let (end, message) = match outcome {
            Outcome::Done { .. } => (StepEnd::Done, None),
            Outcome::Failed { failure } => (StepEnd::Failed, Some(failure.error.clone())),
            Outcome::Skipped { .. } => (StepEnd::Skipped, Some(outcome.to_string())),
            Outcome::Outdated { what } => (StepEnd::Outdated, Some(what.clone())),
            // No word of its own: an older release reads these, too.
            Outcome::UnderWay | Outcome::Left { .. } => {
                (StepEnd::Cancelled, Some(outcome.to_string()))
            }
            Outcome::Cancelled => (StepEnd::Cancelled, None),
        };
        let bytes = match outcome {
            Outcome::Done { fact } => bytes(fact),
            _ => 0,
        };
        let (sent_bytes, millis, adopted) = match outcome {
            Outcome::Done {
                fact:
                    Fact::Pushed {
                        copied,
                        wire_bytes,
                        millis,
                        ..
                    },
            } => match copied {
                true => (*wire_bytes, Some(*millis), false),
                false => (None, None, true),
            },
            _ => (None, None, false),
        };
        Self {
            at,
            step: step.clone(),
            end,
            why: why.map(ToString::to_string),
            message,
            bytes,
            sent_bytes,
            millis,
            adopted,
        }
    }

    /// What came of the step, as it is told after its text: `done in 3.0 s, 95.6 MiB
    /// sent`.
    pub fn result(&self) -> String {
        let why = || self.message.as_deref();
        match (self.end, why()) {
            (StepEnd::Done, _) if self.adopted => "adopted".to_owned(),
            (StepEnd::Done, _) => {
                let took = self.millis.map(|millis| millis as f64 / 1000.0);
                let took = took.map(|seconds| format!(" in {seconds:.1} s"));
                let bytes = self.sizes().map(|sizes| format!(", {sizes}"));
                let (took, bytes) = (took.unwrap_or_default(), bytes.unwrap_or_default());
                format!("done{took}{bytes}")
            }
            // It is a download that goes on after its run, or waits for one.
            (StepEnd::Cancelled, Some(what)) => what.to_owned(),
            (end, Some(why)) => format!("{end}: {why}"),
            (end, None) => end.to_string(),
        }
    }

    fn sizes(&self) -> Option<String> {
        if let Some(sent) = self.sent_bytes {
            return Some(format!("{} sent", Bytes(sent)));
        }
        let bytes = Some(Bytes(self.bytes)).filter(|_| self.bytes > 0)?;
        Some(match self.step.kind()? {
            StepKind::Resolve
            | StepKind::Record
            | StepKind::Storage
            | StepKind::Register
            | StepKind::CreateTemplate
            | StepKind::SwitchTemplate
            | StepKind::RemoveTemplate => return None,
            StepKind::Fetch => format!("{bytes} downloaded"),
            StepKind::Unpack | StepKind::Push => format!("{bytes} written"),
            StepKind::PruneCache
            | StepKind::ClearPartial
            | StepKind::PruneNode
            | StepKind::ClearPart => format!("{bytes} freed"),
            StepKind::VerifyNode | StepKind::VerifyCache => format!("{bytes} verified"),
        })
    }
}

/// `push a.iso to pve-01: done in 3.0 s, 95.6 MiB sent`: what runs, what is
/// remembered and what is logged read the same.
impl fmt::Display for StepRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.text(), self.result())
    }
}

fn bytes(fact: &Fact) -> u64 {
    match fact {
        Fact::Registered { .. }
        | Fact::Pushed { copied: false, .. }
        | Fact::TemplateCreated { .. }
        | Fact::TemplateSwitched
        | Fact::TemplateRemoved => 0,
        Fact::Fetched { wire_bytes, .. } => *wire_bytes,
        Fact::Unpacked { meta } => meta.size,
        Fact::Pushed { entry, .. } => entry.size,
        Fact::Verified { bytes } | Fact::Removed { bytes } => *bytes,
    }
}
