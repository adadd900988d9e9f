//! The commands that control the controller: `suspend`, `resume`,
//! `approve`, `reconcile`.
//!
//! The first three change small files that the next run reads, so they work
//! whether a controller runs or not; the last one talks to a running one.

#![expect(
    clippy::disallowed_methods,
    reason = "reads who the user is from the environment"
)]

use anyhow::{Context, bail};

use super::args::Common;
use super::control_args::{ReconcileArgs, WhatArgs};
use super::exit::Exit;
use super::forms::ScopeKind;
use super::{status, style};
use crate::app::App;
use crate::conclude::{ActionRecord, EventRecord, OperatorAction, Scope};
use crate::controller::http::client;
use crate::error::chain;
use crate::facts::ApprovalId;
use crate::store::StateDir;

/// How to apply it at once.
const LATER: &str = "takes effect with the next run; `talos-order reconcile` starts one now";

/// What is to be suspended or resumed.
fn scope(args: WhatArgs) -> anyhow::Result<Scope> {
    let name = args.name.unwrap_or_default();
    Ok(match args.kind {
        None => Scope::All,
        Some(ScopeKind::Order) => Scope::Order(name.parse()?),
        Some(ScopeKind::Node) => Scope::Node(name.parse()?),
    })
}

/// Adds to the events what was done. That it is done counts more than that it is noted.
pub(super) fn note(app: &App, state: &StateDir, action: OperatorAction, what: String) {
    let record = ActionRecord {
        at: app.now(),
        action,
        what,
        by: user(),
        from: "command line".to_owned(),
    };
    if let Err(error) = state.add_events(&[EventRecord::Action(record)]) {
        let warning = style::warning("warning:");
        anstream::eprintln!("{warning} {}", chain(&error));
    }
}

/// Who runs this: through `sudo`, whoever called it.
fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter();
    let mut named = named.filter_map(|name| std::env::var(name).ok());
    named
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

/// Suspends reconciliation.
pub(super) async fn suspend(common: &Common, args: WhatArgs) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let (state, what) = (app.readable_state()?, scope(args)?);
    if state.status().is_some_and(|status| !status.knows(&what)) {
        let warning = style::warning("warning:");
        anstream::eprintln!("{warning} the last run had no {what}; check the spelling");
    }
    if state.suspend(&what).await? {
        note(&app, &state, OperatorAction::Suspend, what.to_string());
        anstream::println!("{what} is suspended; {LATER}");
    } else {
        anstream::println!("{what} was already suspended");
    }
    Ok(Exit::Done)
}

/// Resumes reconciliation.
pub(super) async fn resume(common: &Common, args: WhatArgs) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let (state, what) = (app.readable_state()?, scope(args)?);
    let resumed = state.resume(&what).await?;
    if let Some(aside) = resumed.aside {
        let warning = style::warning("warning:");
        anstream::eprintln!(
            "{warning} the list of suspensions could not be read; it is kept as {}",
            aside.display()
        );
    }
    if resumed.changed {
        note(&app, &state, OperatorAction::Resume, what.to_string());
    }
    match (resumed.changed, resumed.all_left) {
        (false, _) => anstream::println!("{what} was not suspended"),
        (true, true) => anstream::println!("{what} is resumed, but everything is still suspended"),
        (true, false) => anstream::println!("{what} is resumed; {LATER}"),
    }
    Ok(Exit::Done)
}

/// Approves a list of removals, which must be waiting.
pub(super) async fn approve(common: &Common, id: String) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let state = app.readable_state()?;
    let status = state
        .status()
        .context("no run has asked for approval yet")?;
    let id = ApprovalId(id);
    let waiting = status
        .blocked
        .iter()
        .filter_map(|blocked| Some((blocked.approval.as_ref()?, &blocked.step)));
    let steps: Vec<_> = waiting
        .clone()
        .filter(|(approval, _)| **approval == id)
        .map(|(_, step)| step)
        .collect();
    if steps.is_empty() {
        let ids: std::collections::BTreeSet<&str> =
            waiting.map(|(approval, _)| approval.0.as_str()).collect();
        let ids = match ids.is_empty() {
            true => "nothing is waiting for approval".to_owned(),
            false => format!("waiting: {}", Vec::from_iter(ids).join(", ")),
        };
        bail!("{:?} is not waiting for approval; {ids}", id.0);
    }
    state.approve(id.clone()).await?;
    note(&app, &state, OperatorAction::Approve, id.0.clone());
    anstream::println!("approved {}; {LATER}", id.0);
    for step in steps {
        anstream::println!("  {}", step.text());
    }
    Ok(Exit::Done)
}

/// Requests a run and shows what it came to.
pub(super) async fn reconcile(common: &Common, args: ReconcileArgs) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let scope = match (args.order, args.node) {
        (Some(order), _) => Scope::Order(order),
        (None, Some(node)) => Scope::Node(node),
        (None, None) => Scope::All,
    };
    let (state, ignore) = (app.state(), args.ignore_windows);
    let status = client::reconcile(&state, scope.clone(), ignore, args.timeout).await?;
    match args.quiet && args.output.data().is_none() {
        true => Ok(status::show_errors(&status, &scope)),
        false => status::show(&status, &scope, args.output, app.now()),
    }
}
