//! What is kept of a run: in the memory, the history and the status.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::Session;
use crate::app::Instructions;
use crate::conclude::memory::{keep_approvals, keep_failures, take_in};
use crate::conclude::record::Occasion;
use crate::conclude::{self, Report, RetryLimits, RunRecord, Status};
use crate::controller::promotions::end_promotions;
use crate::controller::site_reports::in_time;
use crate::error::chain;
use crate::facts::{Memory, RolloutInstruction};
use crate::model::{Order, OrderId};
use crate::plan::Plan;
use crate::reconcile::Inputs;
use crate::store::StateError;

impl Session<'_> {
    /// Keeps which images go through rings by the plan: an operator may stop one of them
    /// before the run is over.
    pub(super) fn keep_planned(&self, inputs: &Inputs, plan: &Plan) -> Option<Status> {
        let rollouts = &plan.rollouts;
        if rollouts.is_empty() || plan.steps.is_empty() {
            return None;
        }
        let others = &inputs.elsewhere.orders;
        let is_own = |id: &OrderId| {
            let is_here = |order: &Order| order.id == *id;
            inputs.orders.orders.iter().any(is_here) || !others.iter().any(is_here)
        };
        let before = self.state.status().unwrap_or_default();
        let status = before.planned(rollouts, &inputs.memory.instructed, is_own);
        match self.state.save_status(&status) {
            Ok(()) => Some(status),
            Err(error) => {
                tracing::warn!(reason = chain(&error), "cannot write the status");
                None
            }
        }
    }

    pub(super) async fn keep(
        &self,
        inputs: &Inputs,
        report: &Report,
        (instructions, said): (&Instructions, Option<BTreeMap<OrderId, RolloutInstruction>>),
        stop: &CancellationToken,
    ) -> Result<(Status, Memory), StateError> {
        let occasion = self.occasion();
        let (now, limits) = (occasion.finished, RetryLimits::default());
        let (_, others) = self.memory();
        let mut memory =
            conclude::after(&inputs.memory, &report.look, &report.outcomes, now, &limits);
        keep_failures(&mut memory, &self.failures, &report.look.plan);
        let is_partial = !self.other_sites().is_empty();
        if is_partial {
            keep_approvals(
                &mut memory,
                &self.memory,
                &report.look.plan,
                &report.outcomes,
            );
        }
        if let Some(said) = said {
            take_in(&mut memory, said);
        }
        let (look, orders) = (&report.look, &inputs.known_orders);
        let ending = end_promotions(instructions, &mut memory, look, orders);
        in_time(stop, ending).await;
        let memory = memory.with_others(others);
        self.state.save_memory(&self.memory, &memory).await?;
        self.state
            .add_to_history(&RunRecord::new(&occasion, report))?;
        let before = self.state.status().unwrap_or_default();
        let mut status = before
            .clone()
            .finished(&occasion, &inputs.orders, report, &memory);
        if is_partial {
            let others = self.others(&before, (*inputs.elsewhere).clone());
            status = status.with_other_sites(&before, &others);
            status = status.with_instructed(&memory.instructed);
        }
        self.state.save_status(&status)?;
        Ok((status, memory))
    }

    /// Keeps that the run failed before planning.
    pub(crate) fn unable(&self, error: &str) -> Result<Status, StateError> {
        let occasion = self.occasion();
        let record = RunRecord::unable(&occasion, error.to_owned());
        self.state.add_to_history(&record)?;
        let before = self.state.status().unwrap_or_default();
        let status = before.unable(&occasion, error.to_owned());
        self.state.save_status(&status)?;
        Ok(status)
    }

    /// How things are where the run failed before planning and nothing of that is kept.
    pub(crate) fn failed(&self, error: &str) -> Status {
        let before = self.state.status().unwrap_or_default();
        before.unable(&self.occasion(), error.to_owned())
    }

    /// That the run is over now.
    fn occasion(&self) -> Occasion {
        Occasion {
            owner: self.app.settings().owner.clone(),
            started: self.started,
            finished: self.app.now(),
            trigger: self.trigger,
            revision: self.revision.clone(),
            source: self.orders.source().cloned(),
            requests: self.app.tally().read().requests,
            source_use: self.app.asked().read(),
        }
    }
}
