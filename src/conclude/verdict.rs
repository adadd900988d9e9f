//! The verdict of a run: for the loop, the exit code, the status and the
//! record.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source_line::{SourceLine, SourceState};
use crate::facts::{Outcome, StepId};
use crate::model::{OrderId, OrderSet};
use crate::plan::{Blocked, Look};

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything wanted is in sync, or waits for its window.
    Converged,
    /// Something is out of sync, and a retry may help.
    Retry,
    /// Something is out of sync, and an operator has to act.
    Stalled,
    /// The run failed before planning.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Converged => "converged",
            Self::Retry => "retry",
            Self::Stalled => "stalled",
            Self::Failed => "failed",
        })
    }
}

/// Judges a run that has observed: a rejected order or a permanent failure needs an operator, a
/// transient one needs time. So do a revision of the orders that is refused, and a source that
/// does not answer.
pub fn verdict(
    orders: &OrderSet,
    look: &Look,
    outcomes: &BTreeMap<StepId, Outcome>,
    manifests: &BTreeMap<OrderId, Result<bool, String>>,
    source: Option<&SourceLine>,
) -> Verdict {
    let permanent = |outcome: &Outcome| match outcome {
        Outcome::Failed { failure } => !failure.transient,
        Outcome::Done { .. }
        | Outcome::Skipped { .. }
        | Outcome::Outdated { .. }
        | Outcome::UnderWay
        | Outcome::Left { .. }
        | Outcome::Cancelled => false,
    };
    let source = source.map_or(SourceState::Ok, |source| source.state);
    if !orders.is_complete()
        || source == SourceState::Rejected
        || look.plan.blocked.iter().any(Blocked::needs_operator)
        || outcomes.values().any(permanent)
    {
        return Verdict::Stalled;
    }
    let converged = !look.plan.blocked.iter().any(Blocked::is_trouble)
        && outcomes.values().all(Outcome::is_success)
        && manifests.values().all(Result::is_ok)
        && source == SourceState::Ok;
    if converged {
        Verdict::Converged
    } else {
        Verdict::Retry
    }
}
