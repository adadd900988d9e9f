//! One step at a time: the bridge between a plan's action and the three places.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Event;
use super::context::ExecutionContext;
use super::downloads::{Fetch, WaitingFor};
use super::limits::{ConcurrencyLimits, permit};
use super::steps::PushStep;
use super::work::StepWork;
use crate::facts::{CacheState, Fact, Outcome, StepId};
use crate::io::Meter;
use crate::nodes::{EarlyReceipt, Leftover, Nodes};
use crate::plan::{Action, Step};
use crate::upstream::Upstream;

/// Who is told that a step begins.
#[derive(Clone, Copy)]
pub(super) struct StepTold<'a> {
    pub events: &'a mpsc::UnboundedSender<Event>,
    /// Its places are taken, and it changes something from now on.
    pub has_begun: &'a AtomicBool,
}

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

    /// Runs a step; never panics on a failing place. A delivery may be made during a
    /// download; `begins` is told when a download has begun.
    pub(super) async fn run(
        &self,
        step: &Step,
        during: Option<WaitingFor>,
        begins: impl FnOnce(WaitingFor) + Send,
        told: StepTold<'_>,
    ) -> Outcome {
        let meter = Arc::new(Meter::default());
        let begun = |meter: &Arc<Meter>| {
            told.has_begun.store(true, Ordering::Relaxed);
            let _ = told.events.send(Event::Started {
                step: step.id.clone(),
                meter: step.action.brings().then(|| Arc::clone(meter)),
            });
        };
        let started = || begun(&meter);
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
                begins(ticket.clone());
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
                artifact,
                cache_file,
                file,
                bytes,
                form,
                replace,
                deletion,
                transport,
            } => {
                let push = PushStep {
                    target,
                    artifact,
                    cache_file,
                    file,
                    form: *form,
                    replace: *replace,
                    deletion: *deletion,
                    transport,
                };
                meter.set_total(bytes.bytes().unwrap_or(0));
                match during {
                    Some(download) => {
                        self.push_during(&push, step, &meter, download, started)
                            .await
                    }
                    None => done(self.push(&push, step, &meter, started).await),
                }
            }
            Action::PruneNode {
                target,
                file,
                bytes,
                sha256,
            } => {
                let _permits = self.limits.usual.on_node(&target.node).await;
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
                let _permits = self.limits.usual.on_node(&target.node).await;
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
                let _permits = self.limits.usual.on_node(&target.node).await;
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
                let _permits = self.limits.usual.on_node(&create.node).await;
                started();
                self.work.create_template(create, &step.wanted_by).await
            }
            Action::SwitchTemplate(switch) => {
                let _permits = self.limits.usual.on_node(&switch.node).await;
                started();
                self.work.switch_template(switch).await
            }
            Action::RemoveTemplate {
                node, vmid, mark, ..
            } => {
                let _permits = self.limits.usual.on_node(node).await;
                started();
                self.work.remove_template(node, *vmid, mark).await
            }
            Action::PruneCache { file, bytes: _ } | Action::ClearPartial { file, bytes: _ } => {
                started();
                done(self.work.remove(file))
            }
        }
    }

    /// Delivers what is in the cache.
    async fn push(
        &self,
        push: &PushStep<'_>,
        step: &Step,
        meter: &Arc<Meter>,
        started: impl FnOnce() + Send,
    ) -> Result<Fact, Outcome> {
        let (network, via) = (&self.work.context.network, push.transport.via.as_ref());
        let _permits = self
            .limits
            .usual
            .delivery(network, &push.target.node, via)
            .await;
        started();
        let pushed = self.work.push(push, &step.wanted_by, meter).await?;
        self.learn_delivered(push, &pushed);
        Ok(pushed)
    }

    /// Delivers while the file is being downloaded; what does not get there in that way is
    /// delivered as any other, once it can be. Those that it is sent on to are told how it
    /// ended.
    async fn push_during(
        &self,
        push: &PushStep<'_>,
        step: &Step,
        meter: &Arc<Meter>,
        download: WaitingFor,
        started: impl FnOnce() + Send,
    ) -> Outcome {
        let mut ends = EndOfReceipt {
            receipt: self.work.receipts.of(push.target, push.file),
            is_placed: false,
        };
        let mut started = Some(started);
        let mut started = || started.take().into_iter().for_each(|started| started());
        let early = self.push_early(push, step, meter, &download, &mut started);
        let outcome = match early.await {
            Some(fact) => Outcome::Done { fact },
            None => self.push_after(push, step, meter, download, started).await,
        };
        ends.is_placed = outcome.is_success();
        outcome
    }

    /// Delivers early, if there is room for that before the download is over. `None` where
    /// that came to nothing.
    async fn push_early(
        &self,
        push: &PushStep<'_>,
        step: &Step,
        meter: &Arc<Meter>,
        download: &WaitingFor,
        started: &mut (impl FnMut() + Send),
    ) -> Option<Fact> {
        let (network, via) = (&self.work.context.network, push.transport.via.as_ref());
        let early = &self.limits.early;
        let _permits = tokio::select! {
            biased;
            _ = download.clone().end() => return None,
            permits = early.delivery(network, &push.target.node, via) => permits,
        };
        started();
        let (wanted_by, download) = (&step.wanted_by, download.clone());
        let pushed = self.work.push_early(push, wanted_by, meter, download);
        let pushed = pushed.await?;
        self.learn_delivered(push, &pushed);
        Some(pushed)
    }

    /// Delivers when the download is over, and the relay has the file, if there is one.
    async fn push_after(
        &self,
        push: &PushStep<'_>,
        step: &Step,
        meter: &Arc<Meter>,
        download: WaitingFor,
        started: impl FnOnce() + Send,
    ) -> Outcome {
        let fact = match download.clone().end().await {
            Some(Ok(fact)) => fact,
            Some(Err(_)) => {
                return Outcome::Skipped {
                    needs: StepId::fetch(&download.fetch.file),
                };
            }
            None => return Outcome::Cancelled,
        };
        self.work.learn_fetched(&fact, &download.fetch);
        if let Some(via) = &push.transport.via
            && !self.work.is_sent_on(via).await
        {
            return Outcome::Skipped {
                needs: StepId::push(&via.into(), &via.file),
            };
        }
        done(self.push(push, step, meter, started).await)
    }

    fn learn_delivered(&self, push: &PushStep<'_>, pushed: &Fact) {
        if let Fact::Pushed { entry, .. } = pushed {
            self.work.learn_delivered(push.target, entry);
        }
    }
}

fn done(result: Result<Fact, impl Into<Outcome>>) -> Outcome {
    match result {
        Ok(fact) => Outcome::Done { fact },
        Err(error) => error.into(),
    }
}

/// Ends a receipt when it goes, also where the push is left to another run.
struct EndOfReceipt {
    receipt: EarlyReceipt,
    is_placed: bool,
}

impl Drop for EndOfReceipt {
    fn drop(&mut self) {
        self.receipt.end(self.is_placed);
    }
}
