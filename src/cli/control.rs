//! The commands that control the controller: `suspend`, `resume`,
//! `approve`, `reconcile`.
//!
//! The first three change small files that the next run reads, so they work
//! whether a controller runs or not; the last one talks to a running one.

use anyhow::{Context, bail};

use super::args::Common;
use super::control_args::{ReconcileArgs, WhatArgs};
use super::exit::Exit;
use super::forms::ScopeKind;
use super::{status, style};
use crate::app::App;
use crate::conclude::Scope;
use crate::conclude::Status;
use crate::controller::http::client;
use crate::facts::ApprovalId;
use crate::model::{NodeId, OrderId};

/// How to apply it at once.
const LATER: &str = "takes effect with the next run; `talos-order reconcile` starts one now";

/// Something that can be suspended.
enum What {
    All,
    Order(OrderId),
    Node(NodeId),
}

impl What {
    fn read(args: WhatArgs) -> anyhow::Result<Self> {
        let name = args.name.unwrap_or_default();
        Ok(match args.kind {
            None => Self::All,
            Some(ScopeKind::Order) => Self::Order(name.parse()?),
            Some(ScopeKind::Node) => Self::Node(name.parse()?),
        })
    }

    fn is_known(&self, status: &Status) -> bool {
        let mut conditions = status.conditions.iter();
        match self {
            Self::All => true,
            Self::Order(id) => conditions.any(|c| c.order.as_deref() == Some(id.as_str())),
            Self::Node(id) => conditions.any(|c| c.node.as_ref() == Some(id)),
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Order(id) => write!(f, "order {id}"),
            Self::Node(id) => write!(f, "node {id}"),
        }
    }
}

pub(super) async fn suspend(common: &Common, args: WhatArgs) -> anyhow::Result<Exit> {
    let state = App::offline(common.config.as_deref())?.readable_state()?;
    let what = What::read(args)?;
    if state.status().is_some_and(|status| !what.is_known(&status)) {
        let warning = style::warning("warning:");
        anstream::eprintln!("{warning} the last run had no {what}; check the spelling");
    }
    let mut changed = false;
    state
        .change_suspended(|suspended| {
            changed = match &what {
                What::All => !std::mem::replace(&mut suspended.all, true),
                What::Order(id) => suspended.orders.insert(id.clone()),
                What::Node(id) => suspended.nodes.insert(id.clone()),
            };
        })
        .await?;
    if changed {
        anstream::println!("{what} is suspended; {LATER}");
    } else {
        anstream::println!("{what} was already suspended");
    }
    Ok(Exit::Done)
}

/// Resumes reconciliation.
pub(super) async fn resume(common: &Common, args: WhatArgs) -> anyhow::Result<Exit> {
    let state = App::offline(common.config.as_deref())?.readable_state()?;
    let what = What::read(args)?;
    if let What::All = what {
        let resumed = state.resume_all().await?;
        if let Some(aside) = resumed.aside {
            let warning = style::warning("warning:");
            anstream::eprintln!(
                "{warning} the list of suspensions could not be read; it is kept as {}",
                aside.display()
            );
        }
        match resumed.changed {
            true => anstream::println!("{what} is resumed; {LATER}"),
            false => anstream::println!("{what} was not suspended"),
        }
        return Ok(Exit::Done);
    }
    let mut changed = false;
    let left = state
        .change_suspended(|suspended| {
            changed = match &what {
                What::All => std::mem::take(suspended).is_everything(),
                What::Order(id) => suspended.orders.remove(id),
                What::Node(id) => suspended.nodes.remove(id),
            };
        })
        .await?;
    if !changed {
        anstream::println!("{what} was not suspended");
    } else if left.all {
        anstream::println!("{what} is resumed, but everything is still suspended");
    } else {
        anstream::println!("{what} is resumed; {LATER}");
    }
    Ok(Exit::Done)
}

/// Approves a list of removals, which must be waiting.
pub(super) async fn approve(common: &Common, id: String) -> anyhow::Result<Exit> {
    let state = App::offline(common.config.as_deref())?.readable_state()?;
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
    let status = client::reconcile(&app.state(), scope.clone(), args.timeout).await?;
    match args.quiet && args.output.data().is_none() {
        true => Ok(status::show_errors(&status, &scope)),
        false => status::show(&status, &scope, args.output, app.now()),
    }
}
