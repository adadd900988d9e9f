//! The loop's work: passes with a memory, told to whoever looks.
//!
//! A pass by hand and a pass of the loop are the same function; what differs is
//! around it. [`Session`] gives a pass what earlier ones remembered and keeps what it
//! learned; [`Controller`] does that whenever the loop says so, and answers those who
//! ask for a pass and wait.

mod background;
pub mod http;
mod queue;
mod session;
mod teller;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use background::Background;
use http::{Api, ControlError, ControlSocket};
use jiff::Timestamp;
use queue::RunQueue;
pub use session::Session;
use teller::tell;
use tokio::sync::mpsc;

use crate::app::{App, LivePass, Mode, StartError};
use crate::conclude::Scope;
use crate::conclude::memory::next_try;
use crate::conclude::{Cause, Ready, Status};
use crate::conclude::{Report, Verdict};
use crate::daemon::{
    self, LoopRequest, NextRun, Options, PassEnd, RunContext, WakeCauses, Waker, Work,
};
use crate::error::chain;
use crate::model::OrderSet;
use crate::reconcile::PassError;
use crate::store::StateError;

/// How long a pass of the loop waits for a pass by hand that holds the cache.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);

/// Why there was no pass where the end was asked for.
const STOPPED: &str = "it was asked to stop";

/// Does a pass whenever the loop says so.
pub struct Controller {
    config: Option<PathBuf>,
    orders: PathBuf,
    once: bool,
    app: App,
    pass: LivePass,
    read_back: bool,
    queue: RunQueue,
    background: Background,
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
    /// The socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The loop.
    #[error(transparent)]
    Loop(#[from] daemon::DaemonError),
}

/// Runs the loop until a signal asks for the end, or for one pass.
///
/// # Errors
/// When it cannot begin. What goes wrong in a pass is told by its end.
pub async fn run(
    config: Option<&Path>,
    orders: Option<&Path>,
    once: bool,
) -> Result<daemon::Ended, ControllerError> {
    let waker = Waker::default();
    let queue = RunQueue::new(waker.clone());
    let controller = Controller::start(config, orders, once, queue.clone(), &waker)?;
    let (state, options) = (controller.app.state(), controller.options());
    let api = Api {
        queue: queue.clone(),
        state: state.clone(),
    };
    let socket = match once {
        true => None,
        false => Some(ControlSocket::open(api).await?),
    };
    let ended = Box::pin(daemon::run(controller, options, waker)).await;
    queue.close();
    if let Some(socket) = socket {
        socket.close().await;
    }
    let ended = ended?;
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
    fn start(
        config: Option<&Path>,
        orders: Option<&Path>,
        once: bool,
        queue: RunQueue,
        waker: &Waker,
    ) -> Result<Self, ControllerError> {
        let app = App::start(config, Mode::ReadWrite)?;
        let orders = orders.ok_or(StartError::NoOrders)?.to_owned();
        let pass = app.pass(false)?;
        Ok(Self {
            config: config.map(Path::to_owned),
            orders,
            once,
            app,
            read_back: false,
            queue,
            background: Background::new(&pass, waker.clone()),
            pass,
        })
    }

    async fn one_pass(&mut self, cause: Cause, asked: &[Scope], running: &RunContext) -> End {
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
        self.pass.handover = running.handover.clone();
        let session = Session::begin(&self.app, &self.orders, cause, asked);
        session.equip(&mut self.pass);
        let done = match &lock {
            Ok(_) => self.look_and_run(running).await,
            Err(why) => Err(why.clone()),
        };
        self.background.keep(lock.ok(), &self.pass);
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
        &mut self,
        running: &RunContext,
    ) -> Result<(Arc<OrderSet>, Report), String> {
        let said = |error: &(dyn std::error::Error + 'static)| chain(error);
        let orders = self.app.orders(Some(&self.orders));
        let orders = orders.map_err(|error| said(&error))?;
        for problem in orders.problems() {
            tracing::error!("{}", problem.headline());
        }
        // Every run begins with an empty cache where the configuration says so; the one
        // before has taken its word.
        self.pass.policy.purge = self.app.settings().cache_policy.purge_before;
        self.pass.policy.verify = self.read_back.then(|| self.app.verify_policy());
        running.heartbeat.beat();
        let look = tokio::select! {
            look = self.pass.look(&orders, self.app.now()) => look.map_err(|error| said(&error))?,
            () = running.stop.cancelled() => return Err(STOPPED.to_owned()),
        };
        running.heartbeat.beat();
        tracing::info!("{}", crate::plan::render::headline(&look.plan));
        let (events, told) = mpsc::unbounded_channel();
        let teller = tokio::spawn(tell(told, self.app.state(), running.heartbeat.clone()));
        let report = self.pass.run(&orders, look, &events, &running.stop).await;
        drop(events);
        if let Err(error) = teller.await {
            tracing::warn!(reason = %error, "the teller of events failed");
        }
        let report = report.map_err(|error: PassError| said(&error))?;
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
    converged: bool,
    next: NextRun,
    line: String,
    status: Option<Status>,
}

impl End {
    fn of(verdict: &Verdict, status: Status, next: Option<Timestamp>, now: Timestamp) -> Self {
        let after = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        let next = match verdict {
            Verdict::Retry => NextRun::Retry { after },
            // A person has to act for something; the rest is tried again meanwhile.
            Verdict::Stalled if after.is_some() => NextRun::Retry { after },
            Verdict::Converged | Verdict::Stalled => NextRun::Scheduled,
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
            converged: *verdict == Verdict::Converged,
            next,
            status: Some(status),
        }
    }

    fn failed(why: String) -> Self {
        Self {
            converged: false,
            next: NextRun::Retry { after: None },
            line: why,
            status: None,
        }
    }
}

impl Work for Controller {
    async fn pass(&mut self, causes: WakeCauses, running: RunContext) -> PassEnd {
        let asking = self.queue.take();
        let asked: Vec<Scope> = asking.iter().map(|request| request.scope.clone()).collect();
        let end = self.one_pass(cause(causes), &asked, &running).await;
        for request in asking {
            request.answer(match &end.status {
                Some(status) => Ok(Box::new(Status {
                    next_pass: self.about_next(),
                    ..status.clone()
                })),
                None => Err(end.line.clone()),
            });
        }
        PassEnd {
            converged: end.converged,
            next: end.next,
            line: end.line,
        }
    }

    fn take_note(&mut self, request: LoopRequest) {
        match request {
            // Each pass asks for the versions, and is answered "not modified".
            LoopRequest::RefreshVersions => {}
            LoopRequest::DeepVerify => self.read_back = true,
        }
    }

    fn reload(&mut self) -> Result<(), String> {
        let reloaded = App::start(self.config.as_deref(), Mode::ReadWrite)
            .and_then(|app| app.pass(false).map(|pass| (app, pass)));
        match reloaded {
            Ok((app, pass)) => {
                self.background.renew(&pass);
                (self.app, self.pass) = (app, pass);
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
fn cause(causes: WakeCauses) -> Cause {
    use daemon::WakeCause as Called;
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
