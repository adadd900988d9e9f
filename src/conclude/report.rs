//! What came of a reconciliation, and the judgement on it.

use std::collections::BTreeMap;

use crate::facts::{Outcome, StepId};
use crate::model::{OrderId, OrderSet};
use crate::plan::{Held, Look};

/// What came of a pass.
#[derive(Debug)]
pub struct Report {
    /// The last look, with the plan that was executed.
    pub look: Look,
    /// An outcome for every step of the last look's plan, and for what was done
    /// before the pass looked again.
    pub outcomes: BTreeMap<StepId, Outcome>,
    /// The manifests, by order: whether each had to be written, or on one line why it
    /// could not be.
    pub manifests: BTreeMap<OrderId, Result<bool, String>>,
    /// What the pass comes to.
    pub verdict: Verdict,
}

/// What a pass comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that is wanted is in place.
    Converged,
    /// Something is not in place, and trying again may help.
    Retry,
    /// Something is not in place, and a person has to act.
    Stalled,
}

/// Judges a pass: a rejected order or a permanent failure needs a person, a
/// transient one needs time.
pub fn verdict(
    orders: &OrderSet,
    look: &Look,
    outcomes: &BTreeMap<StepId, Outcome>,
    manifests: &BTreeMap<OrderId, Result<bool, String>>,
) -> Verdict {
    let permanent = |outcome: &Outcome| match outcome {
        Outcome::Failed { failure } => !failure.transient,
        Outcome::Done { .. }
        | Outcome::Skipped { .. }
        | Outcome::Outdated { .. }
        | Outcome::UnderWay
        | Outcome::Cancelled => false,
    };
    if !orders.is_complete()
        || look.plan.held.iter().any(Held::needs_person)
        || outcomes.values().any(permanent)
    {
        return Verdict::Stalled;
    }
    let converged = !look.plan.held.iter().any(Held::is_trouble)
        && outcomes.values().all(Outcome::is_success)
        && manifests.values().all(Result::is_ok);
    if converged {
        Verdict::Converged
    } else {
        Verdict::Retry
    }
}
