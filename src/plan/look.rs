//! A look at the world, and the plan that was made of it.

use super::desired::Desired;
use super::step::Plan;
use crate::facts::Observed;

/// What a look at the world came to.
#[derive(Debug)]
pub struct Look {
    /// What is wanted.
    pub desired: Desired,
    /// What is there.
    pub observed: Observed,
    /// The difference.
    pub plan: Plan,
}
