//! One step at a time: the bridge between a plan's action and the three places.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Event;
use super::context::ExecutionContext;
use super::downloads::Fetch;
use super::limits::{ConcurrencyLimits, permit};
use super::steps::PushStep;
use super::work::StepWork;
use crate::facts::{CacheState, Fact, Failure, Outcome};
use crate::io::Meter;
use crate::nodes::{Leftover, Nodes};
use crate::plan::{Action, Step};
use crate::upstream::Upstream;

/// Runs steps within the limits.
pub(super) struct StepRunner<F, N> {
    work: StepWork<F, N>,
    limits: ConcurrencyLimits,
}

impl<F: Upstream, N: Nodes> StepRunner<F, N> {
    pub(super) fn new(context: Arc<ExecutionContext<F, N>>, known: &CacheState) -> Self {
        Self {
            limits: ConcurrencyLimits::new(&context),
            work: StepWork::new(context, known),
        }
    }

    /// Runs a step; never panics on a failing place.
    pub(super) async fn run(&self, step: &Step, events: &mpsc::UnboundedSender<Event>) -> Outcome {
        let meter = Arc::new(Meter::default());
        let begun = |meter: &Arc<Meter>| {
            let _ = events.send(Event::Started {
                step: step.id.clone(),
                meter: step.action.brings().then(|| Arc::clone(meter)),
            });
        };
        let started = || begun(&meter);
        let done = |result: Result<Fact, Failure>| match result {
            Ok(fact) => Outcome::Done { fact },
            Err(failure) => Outcome::Failed { failure },
        };
        match &step.action {
            Action::Register {
                schematic,
                expected,
                document,
            } => {
                started();
                self.work.register(*schematic, *expected, document).await
            }
            Action::Fetch { bytes, .. } => {
                let Some(fetch) = Fetch::of(step) else {
                    return Outcome::Cancelled;
                };
                let ticket = match self.work.context.downloads.find(&fetch) {
                    Some(ticket) => ticket,
                    None => {
                        let permit = self.work.context.downloads.permit().await;
                        meter.set_total(bytes.bytes().unwrap_or(0));
                        self.work.begin(fetch.clone(), meter, permit)
                    }
                };
                begun(&ticket.meter);
                let Some(ended) = ticket.end().await else {
                    return Outcome::Cancelled;
                };
                self.work.context.downloads.forget(&fetch.file);
                if let Ok(fact) = &ended {
                    self.work.learn_fetched(fact, &fetch);
                }
                done(ended)
            }
            Action::Unpack {
                from: _,
                from_file,
                to,
                file,
                bytes,
            } => {
                let _permit = permit(&self.limits.disk).await;
                meter.set_total(*bytes);
                started();
                done(self.work.unpack(from_file, to, file, &meter).await)
            }
            Action::Push {
                target,
                artifact: _,
                cache_file,
                file,
                bytes: _,
                form,
                replace,
                deletion,
                transport,
            } => {
                let (network, via) = (&self.work.context.network, transport.via.as_ref());
                let _permits = self.limits.delivery(network, &target.node, via).await;
                started();
                let push = PushStep {
                    target,
                    cache_file,
                    file,
                    form: *form,
                    replace: *replace,
                    deletion: *deletion,
                    transport,
                };
                let pushed = self.work.push(&push, &step.wanted_by, &meter).await;
                if let Ok(Fact::Pushed { entry, .. }) = &pushed {
                    self.work.learn_delivered(target, entry);
                }
                done(pushed)
            }
            Action::PruneNode {
                target,
                file,
                bytes,
                sha256,
            } => {
                let _permits = self.limits.on_node(&target.node).await;
                started();
                self.work
                    .remove_from_node(target, file, *bytes, *sha256)
                    .await
            }
            Action::ClearPart {
                target,
                part,
                bytes,
                idle_seconds,
            } => {
                let _permits = self.limits.on_node(&target.node).await;
                started();
                let leftover = Leftover {
                    dir: target.dir.clone(),
                    part: part.clone(),
                    idle: Duration::from_secs(*idle_seconds),
                };
                self.work.clear_part(&target.node, &leftover, *bytes).await
            }
            Action::VerifyNode {
                target,
                file,
                bytes,
                sha256,
            } => {
                let _permits = self.limits.on_node(&target.node).await;
                started();
                self.work
                    .verify_on_node(target, file, *bytes, *sha256)
                    .await
            }
            Action::VerifyCache { file, bytes } => {
                let _permit = permit(&self.limits.disk).await;
                started();
                self.work.verify_in_cache(file, *bytes).await
            }
            Action::CreateTemplate(create) => {
                let _permits = self.limits.on_node(&create.node).await;
                started();
                self.work.create_template(create, &step.wanted_by).await
            }
            Action::SwitchTemplate(switch) => {
                let _permits = self.limits.on_node(&switch.node).await;
                started();
                self.work.switch_template(switch).await
            }
            Action::RemoveTemplate {
                node, vmid, mark, ..
            } => {
                let _permits = self.limits.on_node(node).await;
                started();
                self.work.remove_template(node, *vmid, mark).await
            }
            Action::PruneCache { file, bytes: _ } | Action::ClearPartial { file, bytes: _ } => {
                started();
                done(self.work.remove(file))
            }
        }
    }
}
