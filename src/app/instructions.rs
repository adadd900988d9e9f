//! Where it is kept what operators say of rollouts.

use std::collections::BTreeMap;

use super::App;
use crate::facts::{KnownInstructions, RolloutChange, RolloutInstruction};
use crate::model::OrderId;
use crate::store::{ResumedRollouts, StateDir, StateError};

/// Where it is kept what operators say of rollouts.
#[derive(Debug, Clone)]
pub(crate) enum Instructions {
    /// In the state directory of a single controller.
    Local(StateDir),
}

/// Why it cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstructError {
    /// The file.
    #[error(transparent)]
    State(#[from] StateError),
}

impl App {
    /// Where it is kept what operators say of rollouts.
    pub(crate) fn instructions(&self) -> Instructions {
        Instructions::Local(self.state())
    }
}

impl Instructions {
    /// What they said; `before` is what it was when it was last read.
    pub(crate) async fn known(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> KnownInstructions {
        match self {
            Self::Local(state) => state.instructions(before),
        }
    }

    /// Changes what was said of an order, and returns whether that changed anything, and
    /// how it is then.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub(crate) async fn instruct(
        &self,
        order: &OrderId,
        change: &RolloutChange,
    ) -> Result<(bool, RolloutInstruction), InstructError> {
        match self {
            Self::Local(state) => Ok(state.instruct(order, change).await?),
        }
    }

    /// Ends every pause. A file that cannot be read is kept under another name; what
    /// `before` says apart from pauses stays then.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn resume_all(
        &self,
        before: &BTreeMap<OrderId, RolloutInstruction>,
    ) -> Result<ResumedRollouts, InstructError> {
        match self {
            Self::Local(state) => Ok(state.resume_rollouts(before).await?),
        }
    }
}

impl InstructError {
    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::State(error) => error.hint(),
        }
    }
}
