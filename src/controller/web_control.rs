//! What the web server asks the controller for.

use super::queue::RunQueue;
use crate::app::Instructions;
use crate::conclude::Scope;
use crate::error::chain;
use crate::facts::RolloutChange;
use crate::model::OrderId;
use crate::web::{Control, Instructed};

/// What the web server asks the controller for.
pub(super) struct WebControl {
    pub queue: RunQueue,
    pub instructions: Instructions,
}

impl Control for WebControl {
    fn reconcile(&self, scope: Scope) {
        // Nobody waits for the answer.
        drop(self.queue.ask(scope, false));
    }

    fn look(&self) {
        self.queue.look_now().look();
    }

    fn instruct(&self, order: OrderId, change: RolloutChange) -> Instructed<'_> {
        Box::pin(async move {
            let done = self.instructions.instruct(&order, &change).await;
            let (is_new, said) = done.map_err(|error| chain(&error))?;
            if is_new {
                self.queue.start();
            }
            Ok(said)
        })
    }
}
