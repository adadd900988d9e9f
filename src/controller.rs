//! The loop's work: passes with a memory, told to whoever looks.
//!
//! A pass by hand and a pass of the loop are the same function; what differs is
//! around it. [`Session`] gives a pass what earlier ones remembered and keeps what it
//! learned; [`Controller`] does that whenever the loop says so, and answers those who
//! ask for a pass and wait.

mod background;
mod session;
mod teller;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use background::Background;
use jiff::Timestamp;
pub use session::Session;
use teller::tell;
use tokio::sync::mpsc;

use crate::app::{App, LiveReconciler, Mode, StartError};
use crate::conclude::Scope;
use crate::conclude::memory::next_try;
use crate::conclude::{Cause, Ready, Status};
use crate::conclude::{Report, Verdict};
use crate::daemon::{self, Causes, Errand, Options, PassEnd, Running, Waker, Work};
use crate::error::chain;
use crate::model::OrderSet;
use crate::reconcile::{ReconcileError, Signals};
use crate::store::StateError;
use crate::store::control::{Answer, Request, Server};

/// How long a pass of the loop waits for a pass by hand that holds the cache.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);

/// Why there was no pass where the end was asked for.
const STOPPED: &str = "it was asked to stop";

/// The people who wait for a pass.
type Waiting = Arc<Mutex<Vec<Request>>>;

/// Does a pass whenever the loop says so.
pub struct Controller {
    config: Option<PathBuf>,
    orders: PathBuf,
    once: bool,
    app: App,
    reconciler: LiveReconciler,
    read_back: bool,
    waiting: Waiting,
    background: Background,
    /// Kept for as long as people may ask.
    _server: Option<Server>,
}

/// Why the controller cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The configuration or what is made from it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The controller's own files.
    #[error(transparent)]
    State(#[from] StateError),
    /// The loop.
    #[error(transparent)]
    Loop(#[from] daemon::DaemonError),
}

/// Runs the loop until a signal asks for the end, or for one pass.
///
/// # Errors
/// When it cannot begin. What goes wrong in a pass is told by its verdict.
pub async fn run(
    config: Option<&Path>,
    orders: Option<&Path>,
    once: bool,
) -> Result<daemon::Ended, ControllerError> {
    let waker = Waker::default();
    let controller = Controller::start(config, orders, once, &waker).await?;
    let (state, options) = (controller.app.state(), controller.options());
    let ended = Box::pin(daemon::run(controller, options, waker)).await?;
    // Nobody begins another pass; whoever asks for the status is told so.
    if let Some(status) = state.status().filter(|_| !once) {
        state.save_status(&Status {
            next_pass: None,
            running: None,
            ..status
        })?;
    }
    Ok(ended)
}

impl Controller {
    async fn start(
        config: Option<&Path>,
        orders: Option<&Path>,
        once: bool,
        waker: &Waker,
    ) -> Result<Self, ControllerError> {
        let app = App::start(config, Mode::ReadWrite)?;
        let orders = orders.ok_or(StartError::NoOrders)?.to_owned();
        let reconciler = app.reconciler()?;
        let waiting = Waiting::default();
        let server = if once {
            None
        } else {
            let (server, requests) = Server::start(&app.state()).await?;
            tokio::spawn(take_requests(requests, Arc::clone(&waiting), waker.clone()));
            Some(server)
        };
        Ok(Self {
            config: config.map(Path::to_owned),
            orders,
            once,
            app,
            read_back: false,
            waiting,
            background: Background::new(&reconciler, waker.clone()),
            reconciler,
            _server: server,
        })
    }

    async fn one_pass(&mut self, cause: Cause, asked: &[Scope], running: &Running) -> End {
        let state = self.app.state();
        let begun = state.status().unwrap_or_default();
        // A single pass may be done beside a loop, whose word on its next one stays.
        let next_pass = begun.next_pass.filter(|_| self.once);
        let begun = Status {
            next_pass,
            ..begun.begun(&self.app.settings().owner, cause, self.app.now())
        };
        if let Err(error) = state.save_status(&begun) {
            tracing::warn!(reason = %chain(&error), "cannot tell the status");
        }
        // Held from before the memory is read until what was learned is kept: a pass by
        // hand in between would be forgotten.
        let lock = match self.background.lock() {
            Some(lock) => Ok(lock),
            None => tokio::select! {
                lock = self.app.lock(LOCK_PATIENCE) => lock.map_err(|error| chain(&error)),
                () = running.stop.cancelled() => Err(STOPPED.to_owned()),
            },
        };
        let session = Session::begin(&self.app, &self.orders, cause, asked);
        let done = match &lock {
            Ok(_) => self.look_and_run(&session, running).await,
            Err(why) => Err(why.clone()),
        };
        self.background.keep(lock.ok(), &self.reconciler);
        match done {
            Ok((orders, report)) => {
                self.read_back = false;
                match session.end(self.app.now(), &orders, &report).await {
                    Ok((status, memory)) => {
                        End::of(&report.verdict, status, next_try(&memory), self.app.now())
                    }
                    Err(error) => End::failed(chain(&error)),
                }
            }
            Err(why) => {
                tracing::error!(reason = %why, "the pass could not look");
                match session.unable(self.app.now(), &why) {
                    Ok(status) => End {
                        status: Some(status),
                        ..End::failed(why)
                    },
                    Err(_) => End::failed(why),
                }
            }
        }
    }

    /// The pass itself, or in one sentence why it could not look.
    async fn look_and_run(
        &self,
        session: &Session,
        running: &Running,
    ) -> Result<(Arc<OrderSet>, Report), String> {
        let said = |error: &(dyn std::error::Error + 'static)| chain(error);
        let orders = self.app.orders(Some(&self.orders));
        let orders = orders.map_err(|error| said(&error))?;
        for problem in orders.problems() {
            tracing::error!("{}", problem.headline());
        }
        let options = self.app.run_options(false, self.read_back);
        let inputs = session.inputs(Arc::clone(&orders), options);
        running.progress.beat();
        let look = tokio::select! {
            look = self.reconciler.look(&inputs, self.app.now()) => look.map_err(|error| said(&error))?,
            () = running.stop.cancelled() => return Err(STOPPED.to_owned()),
        };
        running.progress.beat();
        tracing::info!("{}", crate::plan::render::headline(&look.plan));
        let (events, told) = mpsc::unbounded_channel();
        let teller = tokio::spawn(tell(told, self.app.state(), running.progress.clone()));
        let signals = Signals {
            events,
            cancel: running.stop.clone(),
            handover: running.handover.clone(),
        };
        let report = self.reconciler.run(&inputs, look, &signals).await;
        drop(signals);
        if let Err(error) = teller.await {
            tracing::warn!(reason = %error, "the teller of events failed");
        }
        let report = report.map_err(|error: ReconcileError| said(&error))?;
        Ok((orders, report))
    }

    /// About when the next pass is, before the loop has said it.
    fn about_next(&self) -> Option<Timestamp> {
        let interval = self.app.settings().reconcile.interval?;
        self.app.now().checked_add(interval).ok()
    }
}

/// What the end of a pass means, to the loop and to whoever waits.
struct End {
    verdict: daemon::Verdict,
    line: String,
    status: Option<Status>,
}

impl End {
    fn of(verdict: &Verdict, status: Status, next: Option<Timestamp>, now: Timestamp) -> Self {
        let after = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        let verdict = match verdict {
            Verdict::Converged => daemon::Verdict::Converged,
            Verdict::Retry => daemon::Verdict::Retry { after },
            // A person has to act for something; the rest is tried again meanwhile.
            Verdict::Stalled if after.is_some() => daemon::Verdict::Retry { after },
            Verdict::Stalled => daemon::Verdict::Stalled,
        };
        let total = status.conditions.len();
        let conditions = status.conditions.iter();
        let ready = conditions.filter(|condition| condition.state == Ready::Ready);
        Self {
            line: match ready.count() {
                count if count == total && status.held.is_empty() => {
                    format!("{total} of {total} ready")
                }
                count => format!("{count} of {total} ready, {} held back", status.held.len()),
            },
            verdict,
            status: Some(status),
        }
    }

    fn failed(why: String) -> Self {
        Self {
            verdict: daemon::Verdict::Retry { after: None },
            line: why,
            status: None,
        }
    }
}

impl Work for Controller {
    async fn pass(&mut self, causes: Causes, running: Running) -> PassEnd {
        let asking = std::mem::take(&mut *lock(&self.waiting));
        let asked: Vec<Scope> = asking.iter().map(|request| request.scope.clone()).collect();
        let end = self.one_pass(cause(causes), &asked, &running).await;
        for request in asking {
            request.answer(match &end.status {
                Some(status) => Answer::Done(Box::new(Status {
                    next_pass: self.about_next(),
                    ..status.clone()
                })),
                None => Answer::Refused(end.line.clone()),
            });
        }
        PassEnd {
            verdict: end.verdict,
            line: end.line,
        }
    }

    fn errand(&mut self, errand: Errand) {
        match errand {
            // Each pass asks for the versions, and is answered "not modified".
            Errand::RefreshVersions => {}
            Errand::DeepVerify => self.read_back = true,
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let reloaded = App::start(self.config.as_deref(), Mode::ReadWrite)
            .and_then(|app| app.reconciler().map(|reconciler| (app, reconciler)));
        match reloaded {
            Ok((app, reconciler)) => {
                self.background.renew(&reconciler);
                (self.app, self.reconciler) = (app, reconciler);
                Ok(())
            }
            Err(error) => Err(told(&error)),
        }
    }

    fn options(&self) -> Options {
        Options {
            orders: self.orders.clone(),
            schedule: self.app.schedule(),
            watching: self.app.watching(),
            once: self.once,
        }
    }

    fn waiting(&mut self, next: Option<Timestamp>) {
        let state = self.app.state();
        let Some(status) = state.status() else { return };
        let status = Status {
            next_pass: next,
            ..status
        };
        if let Err(error) = state.save_status(&status) {
            tracing::warn!(reason = %chain(&error), "cannot tell the status");
        }
    }
}

/// An error on one line, with everything that is wrong in the configuration.
fn told(error: &StartError) -> String {
    let mut text = chain(error);
    if let StartError::Config(config) = error {
        for problem in config.problems() {
            text.push_str("; ");
            text.push_str(&problem.headline());
        }
    }
    text
}

/// Of several causes the one that a person would name.
fn cause(causes: Causes) -> Cause {
    use daemon::Cause as Called;
    let ranked = [
        (Called::Request, Cause::Request),
        (Called::Orders, Cause::Change),
        (Called::Reload, Cause::Reload),
        (Called::Start, Cause::Start),
        (Called::Retry, Cause::Retry),
    ];
    let named = ranked
        .into_iter()
        .find(|(called, _)| causes.contains(*called));
    named.map_or(Cause::Schedule, |(_, cause)| cause)
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, Vec<Request>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever asks is answered at the end of the next pass, not of the running one:
/// that one may have looked before whatever they want to see was there.
async fn take_requests(mut requests: mpsc::Receiver<Request>, waiting: Waiting, waker: Waker) {
    while let Some(request) = requests.recv().await {
        lock(&waiting).push(request);
        waker.wake(daemon::Cause::Request);
    }
}
