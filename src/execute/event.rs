//! What happens while a plan is executed, for whoever shows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::facts::{Outcome, StepId};
use crate::io::Meter;
use crate::model::OrderId;
use crate::plan::Plan;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A step runs.
    Started {
        /// Which one.
        step: StepId,
        /// How far it has come, for steps that move bytes.
        meter: Option<Arc<Meter>>,
    },
    /// A step is over, or will not run.
    Finished {
        /// Which one.
        step: StepId,
        /// What came of it.
        outcome: Outcome,
    },
    /// The observed state changed, so the run observed again: what follows is of this
    /// plan.
    Replanned {
        /// What changed, as the steps that are outdated tell it.
        changed: Vec<String>,
        /// The new plan.
        plan: Box<Plan>,
    },
    /// Operators say something else of rollouts than the plan goes by: no further step of it
    /// begins.
    Recalled {
        /// The orders that it is about.
        orders: BTreeSet<OrderId>,
    },
    /// The manifest of an order has changed; told only where somebody shows it.
    ManifestChanged {
        /// Which order.
        order: OrderId,
        /// The change as a unified diff.
        change: String,
    },
}
