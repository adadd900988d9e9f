//! `rollout`: how far new images are in the rings of their orders, and what an operator
//! says of that.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Common;
use super::exit::Exit;
use super::forms::OutputForm;
use super::rollout_args::{RolloutArgs, RolloutVerb};
use super::{control, out, rings, style};
use crate::app::{App, Instructions, Mode};
use crate::conclude::{RolloutAsked, RolloutLine, RolloutRefused, Status, rollouts};
use crate::controller::http::{ControlError, client};
use crate::error::chain;
use crate::facts::{KnownInstructions, RolloutInstruction};
use crate::model::OrderId;
use crate::store::StateDir;

/// How far new images are, as data.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RolloutsAnswer {
    /// The images of the last run, or of the one in progress, that go through rings.
    rollouts: Vec<RolloutLine>,
    /// This controller is a standby: these are the images that the leaders of the sites
    /// report, as far as they do.
    is_reported: bool,
    /// What operators said, by order.
    instructions: BTreeMap<OrderId, RolloutInstruction>,
    /// Why that cannot be read now; all rollouts count as paused then.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    /// The orders whose own instruction cannot be read now; their rollouts count as paused.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    unreadable_orders: BTreeSet<OrderId>,
    /// The same, for the user.
    #[serde(skip)]
    troubles: Vec<String>,
}

/// What the files of the controller say.
struct RolloutCommand {
    app: App,
    state: StateDir,
    instructions: Instructions,
    /// What operators said as of the last run.
    before: BTreeMap<OrderId, RolloutInstruction>,
    status: Status,
}

/// Answers `rollout`.
pub(super) async fn run(common: &Common, args: &RolloutArgs) -> anyhow::Result<Exit> {
    let rollouts = RolloutCommand::read(common)?;
    match &args.verb {
        None => rollouts.list(OutputForm::Text).await,
        Some(RolloutVerb::List { output }) => rollouts.list(*output).await,
        Some(RolloutVerb::Show { order, output }) => rollouts.show(order, *output).await,
        Some(RolloutVerb::Promote { order, to }) => {
            let asked = RolloutAsked::Promote(to.clone());
            rollouts
                .change(BTreeSet::from([order.clone()]), &asked)
                .await
        }
        Some(RolloutVerb::Rollback { order }) => {
            let orders = BTreeSet::from([order.clone()]);
            rollouts.change(orders, &RolloutAsked::Rollback).await
        }
        Some(RolloutVerb::Pause(what)) => match &what.order {
            Some(order) => rollouts.pause(order, &RolloutAsked::Pause).await,
            None => rollouts.pause_all().await,
        },
        Some(RolloutVerb::Resume(what)) => match &what.order {
            Some(order) => rollouts.pause(order, &RolloutAsked::Resume).await,
            None => rollouts.resume_all().await,
        },
    }
}

impl RolloutCommand {
    fn read(common: &Common) -> anyhow::Result<Self> {
        let config = common.config.as_deref();
        let app = App::offline(config)?;
        // The store of a fleet is asked, which takes secrets.
        let app = match app.settings().fleet {
            Some(_) => App::start(config, Mode::ReadOnly)?,
            None => app,
        };
        let state = app.readable_state()?;
        Ok(Self {
            instructions: app.instructions()?,
            before: state.memory().instructed,
            status: state.status().unwrap_or_default(),
            state,
            app,
        })
    }

    /// How things are with what operators say now.
    async fn answer(&self) -> anyhow::Result<RolloutsAnswer> {
        let known = self.instructions.known(&self.before).await;
        let (mut rollouts, is_reported) = self.shown().await?;
        let orders: Vec<&OrderId> = rollouts.iter().map(|line| &line.planned.order).collect();
        let said = known.over(orders);
        for line in &mut rollouts {
            line.keep_to(said.get(&line.planned.order));
        }
        let troubles = known.troubles();
        let KnownInstructions {
            orders,
            unreadable,
            unreadable_orders,
            read: _,
        } = known;
        Ok(RolloutsAnswer {
            rollouts,
            is_reported,
            instructions: orders,
            unreadable,
            unreadable_orders,
            troubles,
        })
    }

    /// The images to show, and whether they are only those that the leaders of the sites
    /// report.
    async fn shown(&self) -> anyhow::Result<(Vec<RolloutLine>, bool)> {
        let (own, leads) = (&self.status.rollouts, self.status.leads());
        let view = match self.app.settings().fleet {
            Some(_) => self.app.whole_fleet().await?,
            None => None,
        };
        let Some(view) = view else {
            return Ok((own.clone(), false));
        };
        if let Some(trouble) = view.trouble.as_ref().filter(|_| !leads) {
            let warning = style::warning("warning:");
            out::note(&format!(
                "{warning} the store does not tell what the leaders report: {trouble}; this is \
                 the last run of this controller, a standby"
            ));
            return Ok((own.clone(), false));
        }
        let sites = self.app.fleet_sites();
        Ok((rollouts::in_fleet(own, &view, leads, &sites), !leads))
    }

    async fn list(&self, output: OutputForm) -> anyhow::Result<Exit> {
        let answer = self.answer().await?;
        answer.warn();
        match output.data() {
            Some(form) => out::value(form, &answer)?,
            None => out::text(&rings::list(&answer.rollouts, self.app.now()))?,
        }
        Ok(Exit::Done)
    }

    async fn show(&self, order: &OrderId, output: OutputForm) -> anyhow::Result<Exit> {
        let mut answer = self.answer().await?;
        answer.warn();
        // Where there is none, in the same words as for a promotion.
        RolloutAsked::Rollback.change(order, &answer.rollouts)?;
        answer.rollouts.retain(|line| line.planned.order == *order);
        answer.instructions.retain(|of, _| of == order);
        match output.data() {
            Some(form) => out::value(form, &answer)?,
            None => out::text(&rings::details(&answer.rollouts, self.app.now()))?,
        }
        Ok(Exit::Done)
    }

    /// Pauses or resumes the rollouts of an order, also of one that has none yet.
    async fn pause(&self, order: &OrderId, asked: &RolloutAsked) -> anyhow::Result<Exit> {
        if !self.has(order) {
            let warning = style::warning("warning:");
            anstream::eprintln!(
                "{warning} the last run had no rollout of order {order}; check the spelling"
            );
        }
        let orders = BTreeSet::from([order.clone()]);
        self.change(orders, asked).await
    }

    async fn pause_all(&self) -> anyhow::Result<Exit> {
        let lines = self.current().await?;
        let orders: BTreeSet<OrderId> = lines
            .iter()
            .map(|line| line.planned.order.clone())
            .collect();
        if orders.is_empty() {
            anyhow::bail!("the last run had no rollout of any order");
        }
        self.change(orders, &RolloutAsked::Pause).await
    }

    async fn resume_all(&self) -> anyhow::Result<Exit> {
        let resumed = self.instructions.resume_all(&self.before).await?;
        if let Some(aside) = &resumed.aside {
            let warning = style::warning("warning:");
            anstream::eprintln!(
                "{warning} the instructions for rollouts could not be read; they are kept as {}, \
                 and the stops and promotions of the last run are in effect",
                aside.display()
            );
        }
        for order in &resumed.orders {
            self.note(order, &RolloutAsked::Resume, &self.status.rollouts);
            anstream::println!("rollouts of order {order} are resumed");
        }
        if resumed.orders.is_empty() && resumed.aside.is_none() {
            anstream::println!("no rollout was paused");
        } else {
            self.start_run().await;
        }
        Ok(Exit::Done)
    }

    async fn change(
        &self,
        orders: BTreeSet<OrderId>,
        asked: &RolloutAsked,
    ) -> anyhow::Result<Exit> {
        let lines = &self.current().await?;
        if self.app.settings().fleet.is_some() {
            // What this controller knew counts where the store has something else now.
            self.instructions.known(&self.before).await;
        }
        let mut is_any_new = false;
        for order in &orders {
            let change = asked.change(order, lines)?;
            let (is_new, said) = self.instructions.instruct(order, &change).await?;
            let object = asked.object(order, lines);
            let text = match (asked, is_new) {
                (RolloutAsked::Pause, true) => format!("{object} are paused"),
                (RolloutAsked::Pause, false) => format!("{object} were already paused"),
                (RolloutAsked::Resume, true) => format!("{object} are resumed"),
                (RolloutAsked::Resume, false) => format!("{object} were not paused"),
                (RolloutAsked::Promote(_), true) => format!("promoted {object}"),
                (RolloutAsked::Promote(_), false) => format!("already promoted {object}"),
                (RolloutAsked::Rollback, true) => format!("stopped {object}"),
                (RolloutAsked::Rollback, false) => format!("already stopped {object}"),
            };
            anstream::println!("{text}");
            if is_new {
                self.note(order, asked, lines);
                is_any_new = true;
            }
            if let Some(hint) = rings::hint(order, asked, &said, lines) {
                anstream::println!("  {hint}");
            }
        }
        if is_any_new {
            self.start_run().await;
        }
        Ok(Exit::Done)
    }

    /// The images that are in rings at the moment. In a fleet it is others that know, where
    /// this controller stands by.
    async fn current(&self) -> anyhow::Result<Vec<RolloutLine>> {
        let (lines, leads) = (&self.status.rollouts, self.status.leads());
        let fleet = match self.app.settings().fleet {
            Some(_) => self.app.whole_fleet().await?,
            None => None,
        };
        Ok(match fleet {
            Some(view) => rollouts::in_fleet(lines, &view, leads, &self.app.fleet_sites()),
            None => lines.clone(),
        })
    }

    fn has(&self, order: &OrderId) -> bool {
        let mut lines = self.status.rollouts.iter();
        lines.any(|line| line.planned.order == *order) || self.status.last_run.is_none()
    }

    /// Keeps it among the events.
    fn note(&self, order: &OrderId, asked: &RolloutAsked, lines: &[RolloutLine]) {
        let object = asked.object(order, lines);
        control::note(&self.app, &self.state, asked.action(), object);
    }

    /// Lets a controller that runs here keep to it at once.
    async fn start_run(&self) {
        match client::start_run(&self.state).await {
            Ok(()) => {
                anstream::println!("the controller begins a run with it");
                anstream::println!(
                    "  a run in progress begins no further step, and ends the push of an image \
                     that is stopped"
                );
            }
            Err(ControlError::NotRunning { .. }) => {
                anstream::println!("takes effect with the next run, or the one in progress");
            }
            Err(error) => {
                let warning = style::warning("warning:");
                anstream::eprintln!(
                    "{warning} it takes effect with the next run: {}",
                    chain(&error)
                );
            }
        }
    }
}

impl RolloutsAnswer {
    /// Tells where something is not as the operator thinks.
    fn warn(&self) {
        for trouble in &self.troubles {
            let warning = style::warning("warning:");
            out::note(&format!("{warning} {trouble}"));
        }
        if self.is_reported {
            let note = style::warning("note:");
            out::note(&format!(
                "{note} this controller is a standby. These are the images that the leaders of \
                 the sites report; what a ring waits for, `talos-order rollout` on the machine of \
                 a leader shows"
            ));
        }
    }
}

/// A hint on why something cannot be promoted or stopped.
pub(super) fn hint(refused: &RolloutRefused) -> Option<String> {
    match refused {
        RolloutRefused::NoRollout { known, .. } if known.is_empty() => Some(
            "give the order rings with the key `rollout`, then run `talos-order apply`".to_owned(),
        ),
        RolloutRefused::NoRollout { .. } | RolloutRefused::NoRing { .. } => {
            Some("`talos-order rollout list` shows the rings of all orders".to_owned())
        }
    }
}
