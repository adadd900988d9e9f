//! Looks during a run whether operators say something else of rollouts than its plan goes by.
//!
//! A plan may take hours to execute, and whoever stops an image does not want to wait for
//! that. Where the plan hangs on what is said otherwise, no further step of it begins, and the
//! next run plans with the new instructions. A run that observes again has another plan from
//! then on, which counts in the place of the first. Nothing is asked while no such plan is
//! executed.

#![expect(
    clippy::disallowed_methods,
    reason = "waits between two looks at the instructions"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::Instructions;
use crate::daemon::Waker;
use crate::execute::Event;
use crate::facts::RolloutInstruction;
use crate::model::{OrderId, Trigger};
use crate::plan::{InstructedPlan, Look, OtherInstructions};
use crate::reconcile::Signals;

/// How often the file of a single controller is read: it is small, and on this machine.
const LOCAL: Duration = Duration::from_secs(1);

/// How often the store of a fleet is asked: one listing each time.
const SHARED: Duration = Duration::from_secs(30);

/// What operators say, by order.
type InstructionsByOrder = BTreeMap<OrderId, RolloutInstruction>;

/// Looks until it is dropped.
pub(super) struct InstructionWatch {
    task: JoinHandle<()>,
    /// What hangs on them in the plan that is executed.
    plans: watch::Sender<InstructedPlan>,
    /// What ended the plan.
    said: Arc<OnceLock<InstructionsByOrder>>,
}

impl InstructionWatch {
    /// For the plans of a run, of which `look` is the first; `None` where it does nothing. With
    /// `waker`, the run hands over to the next one; otherwise it only ends.
    pub(super) fn start(
        instructions: Instructions,
        look: &Look,
        signals: &Signals,
        waker: Option<&Waker>,
    ) -> Option<Self> {
        if look.plan.steps.is_empty() {
            return None;
        }
        let (sender, plans) = watch::channel(InstructedPlan::of(look));
        let before = look.observed.memory.instructed.clone();
        let (signals, waker) = (signals.clone(), waker.cloned());
        let said = Arc::<OnceLock<InstructionsByOrder>>::default();
        let tell = Arc::clone(&said);
        let task = tokio::spawn(async move {
            let end = |other: OtherInstructions, now| {
                tell.get_or_init(|| now);
                let orders = other.orders;
                let _ = signals.events.send(Event::Recalled { orders });
                // In this order: downloads are left to the next run, and not ended with this one.
                if waker.is_some() {
                    signals.handover.cancel();
                }
                signals.recall.call(other.stopped);
                if let Some(waker) = waker {
                    waker.wake(Trigger::Manual);
                }
            };
            until_otherwise(&instructions, plans, &before, &signals.handover, end).await;
        });
        Some(Self {
            task,
            plans: sender,
            said,
        })
    }

    /// The run has observed again, and goes by another plan from now on.
    pub(super) fn replanned(&self, look: &Look) {
        self.plans.send_replace(InstructedPlan::of(look));
    }

    /// What operators say by now, where that ended the plan.
    pub(super) fn said(&self) -> Option<InstructionsByOrder> {
        self.said.get().cloned()
    }
}

impl Drop for InstructionWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Calls `end` when the plan that is executed would be another one with the instructions of
/// now.
async fn until_otherwise(
    instructions: &Instructions,
    mut plans: watch::Receiver<InstructedPlan>,
    before: &InstructionsByOrder,
    handover: &CancellationToken,
    end: impl FnOnce(OtherInstructions, InstructionsByOrder),
) {
    let pause = match instructions {
        Instructions::Local(_) => LOCAL,
        Instructions::Shared(_) => SHARED,
    };
    // What nothing hangs on may be followed by a plan with rings.
    while plans.wait_for(|plan| !plan.is_empty()).await.is_ok() {
        // Whoever gives an instruction here wakes the loop: no need to wait then.
        let is_called = handover.is_cancelled();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = handover.cancelled(), if !is_called => {}
        }
        let known = instructions.known(before).await;
        // What cannot be read says nothing: what is stopped stays so, and nothing begins anew.
        if known.unreadable.is_some() {
            continue;
        }
        // As long as it is borrowed no other plan takes its place, so `end` is for the pushes
        // that are running.
        let plan = plans.borrow();
        if let Some(other) = plan.otherwise(&known.orders) {
            end(other, known.orders);
            return;
        }
    }
}
