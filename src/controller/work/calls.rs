//! What the loop calls.

use jiff::Timestamp;

use super::telling::tell_status;
use super::{Controller, told};
use crate::app::{App, Mode};
use crate::conclude::{ActionRecord, EventRecord, OperatorAction, Scope, Status};
use crate::controller::end::RunEnd;
use crate::controller::lead::Lead;
use crate::daemon::{LoopRequest, Options, RunContext, RunResult, Triggers, Work};
use crate::error::chain;
use crate::model::Trigger;

impl Controller {
    /// Adds to the events that a run does not wait for windows.
    async fn note_ignored_windows(&self, scope: &Scope, by: &str) {
        let record = ActionRecord {
            at: self.app.now(),
            action: OperatorAction::IgnoreWindows,
            what: scope.to_string(),
            by: by.to_owned(),
            from: "command line".to_owned(),
        };
        tracing::info!("{record}");
        let state = self.app.state();
        let kept =
            tokio::task::spawn_blocking(move || state.add_events(&[EventRecord::Action(record)]));
        if let Ok(Err(error)) = kept.await {
            tracing::warn!(reason = chain(&error), "cannot write the events");
        }
    }

    /// Reads the configuration again, and goes on with it unless it is refused.
    fn adopt_configuration(&mut self) -> Result<(), String> {
        let reloaded = App::start(self.config.as_deref(), Mode::ReadWrite).and_then(|app| {
            let app = app.counting_with(&self.app);
            self.orders.check(&app)?;
            // A run that is the only one is not told to read its settings again.
            let reconciler = app.resident_reconciler()?;
            Ok((app, reconciler))
        });
        match reloaded {
            // Who leads is settled at the start: without it, all nodes would be refused.
            Ok((app, _)) if app.settings().fleet != self.app.settings().fleet => {
                Err("`fleet` has changed, which takes a restart".to_owned())
            }
            // Leaderships and reports stay where they are, and so has everything else to.
            Ok((app, _)) if app.uses_another_store(&self.app) => {
                Err("`store` has changed, which takes a restart".to_owned())
            }
            Ok((app, reconciler)) => {
                self.background.renew(&reconciler);
                self.notifier.renew(&app);
                if app.settings().web.listen != self.app.settings().web.listen {
                    tracing::warn!("`listen` has changed; it takes effect with a restart");
                }
                self.collection.renew(&app);
                (self.app, self.reconciler) = (app, reconciler);
                if !self.once {
                    self.orders.watch(&self.app);
                }
                if let Some(web) = &self.web {
                    web.reconfigure(self.app.web());
                }
                Ok(())
            }
            Err(error) => Err(told(&error)),
        }
    }
}

impl Work for Controller {
    async fn run(&mut self, triggers: Triggers, running: RunContext) -> RunResult {
        let asking = self.queue.take();
        let asked: Vec<Scope> = asking.iter().map(|request| request.scope.clone()).collect();
        let asking_for = asking.iter().filter_map(|request| {
            let by = request.ignores_windows.clone()?;
            Some((request.scope.clone(), by))
        });
        let of_this_run = self.windows_ignored_by.take().map(|by| (Scope::All, by));
        let ignoring: Vec<(Scope, String)> = asking_for.chain(of_this_run).collect();
        for (scope, by) in &ignoring {
            self.note_ignored_windows(scope, by).await;
        }
        let ignored = ignoring.iter().map(|(scope, _)| scope.selection());
        let ignored = ignored.collect();
        let trigger = triggers.first().unwrap_or(Trigger::Schedule);
        let lead = match self.once {
            true => self.lead_once(&running.stop).await,
            false => Ok(Lead::default()),
        };
        let RunEnd { end, status } = match &lead {
            Ok(_) => Box::pin(self.one_run(trigger, asked, ignored, &running)).await,
            Err(error) => {
                let why = chain(error);
                tracing::error!(reason = why, "no run is done");
                RunEnd::failed(why, None, self.due())
            }
        };
        if let Ok(lead) = lead {
            lead.release().await;
        }
        for request in asking {
            request.answer(match &status {
                Some(status) => Ok(Box::new(Status {
                    next_run: self.about_next(),
                    ..status.clone().told()
                })),
                None => Err(end.line.clone()),
            });
        }
        end
    }

    fn standby(&mut self) -> Option<String> {
        let why = self.led.standby().filter(|_| !self.once)?;
        // What failed when the leadership ended is tried at once when it begins again.
        self.led_before = None;
        for request in self.queue.take() {
            request.answer(Err(format!("this controller does not lead: {why}")));
        }
        Some(why)
    }

    fn take_note(&mut self, request: LoopRequest) {
        match request {
            // Each run asks for the versions, and is answered "not modified".
            LoopRequest::RefreshVersions => {}
            LoopRequest::DeepVerify => self.read_back = true,
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let done = self.adopt_configuration();
        let refused = done.as_ref().err().cloned();
        if let Some(live) = &self.live {
            live.reloaded(refused.as_deref());
        }
        if let Err(error) = self.app.state().save_refused_config(refused) {
            tracing::warn!(
                reason = chain(&error),
                "cannot write what became of the reload"
            );
        }
        done
    }

    fn options(&self) -> Options {
        Options {
            orders: self.orders.local(&self.app),
            schedule: self.app.schedule(),
            watching: self.app.watching(),
            once: self.once,
        }
    }

    fn waiting(&mut self, next: Option<Timestamp>) {
        let state = self.app.state();
        let Some(status) = state.status() else { return };
        let status = Status {
            next_run: next,
            ..status
        };
        tell_status(&state, &status);
        if let Some(live) = &self.live {
            live.status_changed(&status);
        }
    }
}
