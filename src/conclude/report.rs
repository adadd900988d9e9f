//! What came of a reconciliation, and the judgement on it.

use std::collections::BTreeMap;

use super::source_line::SourceLine;
use super::verdict::Verdict;
use crate::facts::{Outcome, StepId};
use crate::model::OrderId;
use crate::plan::Look;

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The last look, with the plan that was executed.
    pub look: Look,
    /// An outcome for every step of the last look's plan, and for what was done
    /// before the run observed again.
    pub outcomes: BTreeMap<StepId, Outcome>,
    /// The manifests, by order: whether each had to be written, or on one line why it
    /// could not be.
    pub manifests: BTreeMap<OrderId, Result<bool, String>>,
    /// Where the orders come from, where the program fetches them.
    pub source: Option<SourceLine>,
    /// The verdict of the run.
    pub verdict: Verdict,
}
