//! `wait`: until orders and nodes are ready, as a step of a pipeline.
//!
//! Reads the files of the controller and follows their changes; asks nobody for a run.

pub(super) mod args;

use std::path::{Path, PathBuf};

use super::args::Common;
use super::exit::Exit;
use super::following::{Deadline, FileState, file_state};
use super::status::line;
use super::table::one_line;
use super::{filter, out, style};
use crate::app::App;
use crate::conclude::commit_prefix::{CommitPrefix, commit_of};
use crate::conclude::waiting::{WaitGoal, WaitResult, has_planned};
use crate::conclude::{Condition, Status, Verdict, WaitAnswer};
use crate::controller::http::client;
use crate::store::{self, StateDir};
use args::WaitArgs;

/// How many of several reasons are named.
const SHOWN: usize = 20;

/// After so many pauses git is asked again.
const ROUNDS: u32 = 10;

/// Waits, and says how it ended.
pub(super) async fn run(common: &Common, args: &WaitArgs) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let mut waiting = Waiting {
        state: app.readable_state()?,
        goal: args.goal(),
        reached: Reached::new(&app, common, args.revision.clone()),
        app,
    };
    let deadline = Deadline::after(args.timeout);
    let mut told = Told::new(args.quiet);
    loop {
        // Before the look: what changes after it is seen in the next round.
        let sources = waiting.sources();
        let found = waiting.look().await?;
        if let Some(result) = found.result {
            return show(args, result, &found);
        }
        told.tell(&found.message);
        if !found.is_running && !told.is_said {
            told.is_said = true;
            waiting.tell_of_nobody(args.quiet).await;
        }
        for rounds in 1.. {
            if !deadline.pause().await {
                return show(args, WaitResult::TimedOut, &found);
            }
            // What git has, and that a process is gone, changes none of these files.
            let is_due = rounds == ROUNDS && args.revision.is_some();
            if found.is_running || is_due || waiting.sources() != sources {
                break;
            }
        }
    }
}

/// What is waited for now.
struct WaitRound {
    /// How it ends; `None` where it goes on.
    result: Option<WaitResult>,
    /// What is waited for, or how it ended.
    message: String,
    revision: Option<String>,
    not_ready: Vec<Condition>,
    /// A run is going on.
    is_running: bool,
}

struct Waiting {
    app: App,
    state: StateDir,
    goal: WaitGoal,
    reached: Reached,
}

impl Waiting {
    fn sources(&self) -> [FileState; 2] {
        ["status.json", "suspended.json"].map(|name| file_state(&self.state.path().join(name)))
    }

    async fn look(&mut self) -> anyhow::Result<WaitRound> {
        let mut found = WaitRound {
            result: None,
            message: "the first run".to_owned(),
            revision: None,
            not_ready: Vec::new(),
            is_running: false,
        };
        let Some(mut status) = self.state.status() else {
            self.state.check_access()?;
            return Ok(found);
        };
        if status.running.is_some() && client::is_running(&self.state).await == Some(false) {
            status = status.without_controller(self.app.is_locked() != Some(false));
        }
        let status = status.with_suspended(self.state.suspended());
        found.revision.clone_from(&status.revision);
        found.is_running = status.running.is_some();
        let has_planned = has_planned(&status);
        let is_reached = has_planned && self.reached.by(&status, &self.state).await;
        if !is_reached
            && !found.is_running
            && let Some(why) = self.reached.refusal(&status).await
        {
            found.result = Some(WaitResult::Stalled);
            found.message = why;
            return Ok(found);
        }
        if !has_planned {
            let error = status.last_run.as_ref().and_then(|run| run.error.as_ref());
            if let Some(error) = error {
                let error = one_line(error);
                found.message = format!("a run; the last one failed before planning: {error}");
            }
            return Ok(found);
        }
        if !is_reached {
            found.message = self.reached.message(&status);
            return Ok(found);
        }
        // Not before: the order may be new in that revision.
        filter::check_status(&self.goal.selection, &self.app, &status)?;
        let look = self.goal.look(&status);
        found.not_ready = look.not_ready.into_iter().cloned().collect();
        // What needs an operator may have been corrected before the run that goes on.
        let is_final = |result| result == WaitResult::Ready || !found.is_running;
        found.result = look.result.filter(|result| is_final(*result));
        found.message = message(found.result, &found.not_ready, &status);
        Ok(found)
    }

    /// Without a process that runs, waiting may be in vain.
    async fn tell_of_nobody(&self, is_quiet: bool) {
        let is_gone = client::is_running(&self.state).await == Some(false);
        if is_gone && self.app.is_locked() == Some(false) && !is_quiet {
            out::note(&format!(
                "{} no controller is running here; nothing changes before the next run",
                style::warning("note:")
            ));
        }
    }
}

/// Whether a run had the revision that is asked for.
struct Reached {
    revision: Option<CommitPrefix>,
    orders: Option<PathBuf>,
    /// What the controller fetches orders into, where it does.
    repository: Option<PathBuf>,
}

impl Reached {
    fn new(app: &App, common: &Common, revision: Option<CommitPrefix>) -> Self {
        let orders = app.known_orders(common.orders.as_deref()).ok();
        let orders = orders.and_then(|at| at.local().map(Path::to_owned));
        Self {
            revision,
            orders,
            repository: app
                .git(common.orders.as_deref())
                .map(|git| git.repository()),
        }
    }

    async fn by(&self, status: &Status, state: &StateDir) -> bool {
        let (Some(wanted), Some(revision)) = (&self.revision, &status.revision) else {
            return self.revision.is_none();
        };
        if wanted.fits(revision) {
            return true;
        }
        match self.contains(wanted, revision).await {
            Some(true) => true,
            Some(false) => self.has_same_orders(wanted, revision).await == Some(true),
            // Without its objects git knows nothing of it. Then an earlier run may have
            // had it.
            None => {
                let mut runs = state.history().into_iter();
                runs.any(|run| {
                    let has = |revision: &String| wanted.fits(revision);
                    run.verdict != Verdict::Failed && run.revision.as_ref().is_some_and(has)
                })
            }
        }
    }

    /// Asks the work tree of the orders, then the controller's own repository.
    async fn contains(&self, wanted: &CommitPrefix, revision: &str) -> Option<bool> {
        let commit = commit_of(revision)?;
        for at in self.orders.iter().chain(&self.repository) {
            let answer = store::revision::contains(at, wanted.as_str(), commit).await;
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Why the commit never comes into effect. What was pushed after the last look at the
    /// git server is not what was refused then.
    async fn refusal(&self, status: &Status) -> Option<String> {
        let wanted = self.revision.as_ref()?;
        let source = status.source.as_ref()?;
        let refused = source.refused.as_deref()?;
        let is_it = refused.starts_with(wanted.as_str());
        let is_in_it = match &self.repository {
            Some(at) if !is_it => store::revision::contains(at, wanted.as_str(), refused).await,
            _ => Some(is_it),
        };
        let why = source
            .message
            .as_deref()
            .unwrap_or("the reason is not known");
        (is_in_it == Some(true)).then(|| format!("{wanted} is refused: {}", one_line(why)))
    }

    /// A commit that changes no orders starts no run.
    async fn has_same_orders(&self, wanted: &CommitPrefix, revision: &str) -> Option<bool> {
        let orders = self.orders.as_deref()?;
        let here = store::revision::of(orders).await?;
        if !self.contains(wanted, &here).await? {
            return Some(false);
        }
        store::revision::have_same(orders, commit_of(revision)?, commit_of(&here)?).await
    }

    fn message(&self, status: &Status) -> String {
        let wanted = self.revision.as_ref().map(ToString::to_string);
        let wanted = wanted.unwrap_or_default();
        let mut message = match &status.revision {
            Some(revision) => {
                let revision = one_line(revision);
                format!("a run with the orders of {wanted}; the last one had {revision}")
            }
            None => format!(
                "a run with the orders of {wanted}; those of the last one were in no git work tree"
            ),
        };
        // It may be what is waited for that is refused.
        let source = status.source.as_ref();
        if let Some((doubt, why)) = source.and_then(|line| Some((line.doubt()?, &line.message))) {
            message.push_str(&format!("; {doubt}"));
            let why = why.as_deref().map(|why| format!(": {}", one_line(why)));
            message.push_str(&why.unwrap_or_default());
        }
        message
    }
}

fn message(result: Option<WaitResult>, not_ready: &[Condition], status: &Status) -> String {
    let counted = |noun: &str| out::counted(not_ready.len(), noun);
    let first = || not_ready.first().map(line).unwrap_or_default();
    match result {
        None => match not_ready.len() {
            1 => first(),
            _ => format!("{}: {}", counted("line"), first()),
        },
        Some(WaitResult::Ready) => match &status.revision {
            Some(revision) => format!("ready, with the orders of {}", one_line(revision)),
            None => "ready".to_owned(),
        },
        Some(WaitResult::Missing) => {
            "no order that is selected has anything on a node that is selected".to_owned()
        }
        Some(WaitResult::Stalled) => "an operator has to act".to_owned(),
        Some(WaitResult::Suspended) => "suspended".to_owned(),
        Some(WaitResult::TimedOut) => "the time is over".to_owned(),
    }
}

fn show(args: &WaitArgs, result: WaitResult, found: &WaitRound) -> anyhow::Result<Exit> {
    let message = match result {
        WaitResult::TimedOut => format!("timed out waiting for {}", found.message),
        _ => found.message.clone(),
    };
    match args.output.data() {
        Some(form) => {
            let answer = WaitAnswer::new(result, &message, &found.revision, &found.not_ready);
            out::value(form, &answer)?;
        }
        None if result == WaitResult::Ready && !args.quiet => out::text(&format!("{message}\n"))?,
        None => {}
    }
    if result == WaitResult::Ready {
        return Ok(Exit::Done);
    }
    let error = style::error("error:");
    match (result, found.not_ready.as_slice()) {
        (WaitResult::TimedOut, [] | [_]) | (_, []) => out::note(&format!("{error} {message}")),
        (_, not_ready) => {
            if result == WaitResult::TimedOut {
                let count = out::counted(not_ready.len(), "line");
                out::note(&format!("{error} timed out waiting for {count}"));
            }
            for condition in not_ready.iter().take(SHOWN) {
                out::note(&format!("{error} {}", line(condition)));
            }
            let more = not_ready.len().saturating_sub(SHOWN);
            if more > 0 {
                out::note(&format!("{error} and {more} more"));
            }
        }
    }
    Ok(Exit::Failed)
}

/// What was told last.
struct Told {
    is_quiet: bool,
    last: Option<String>,
    /// That nobody runs.
    is_said: bool,
}

impl Told {
    fn new(is_quiet: bool) -> Self {
        Self {
            is_quiet,
            last: None,
            is_said: false,
        }
    }

    /// Only what is new: the status is written several times in a run.
    fn tell(&mut self, message: &str) {
        if !self.is_quiet && self.last.as_deref() != Some(message) {
            out::note(&format!("waiting for {message}"));
            self.last = Some(message.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::{SourceLine, SourceState};

    #[test]
    fn a_revision_that_is_refused_is_said_to_be() {
        let reached = Reached {
            revision: Some("cafebabe".parse().unwrap()),
            orders: None,
            repository: None,
        };
        let with = |state| Status {
            revision: Some("main@sha1:0123".to_owned()),
            source: Some(SourceLine {
                state,
                message: Some("branch main was rewound\n".to_owned()),
                ..SourceLine::default()
            }),
            ..Status::default()
        };
        let waits = "a run with the orders of cafebabe; the last one had main@sha1:0123";
        assert_eq!(reached.message(&with(SourceState::Ok)), waits);
        assert_eq!(
            reached.message(&with(SourceState::Rejected)),
            format!(
                "{waits}; the newest revision of the orders is refused: branch main was rewound"
            )
        );
    }
}
