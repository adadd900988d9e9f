//! The options of `rollout`.

use clap::{Args, Subcommand};

use super::forms::{OutputForm, text_forms};
use crate::model::{OrderId, RingName};

/// What is asked of the rollouts.
#[derive(Debug, Clone, Args)]
pub struct RolloutArgs {
    /// What to do; `list` by default.
    #[command(subcommand)]
    pub verb: Option<RolloutVerb>,
}

/// What can be done with rollouts.
#[derive(Debug, Clone, Subcommand)]
pub enum RolloutVerb {
    /// List the rings of all orders with their state
    ///
    /// Reads the controller's last status and what operators said since.
    List {
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Show the rings of an order in detail
    Show {
        /// The order
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Begin further rings at once with the order's current images
    ///
    /// They begin whether the rings before them are in sync and have soaked or not. What
    /// was stopped by rollback goes on.
    Promote {
        /// The order
        #[arg(value_name = "ORDER")]
        order: OrderId,
        /// Only this ring and those before it [default: all rings]
        #[arg(long, value_name = "RING")]
        to: Option<RingName>,
    },
    /// Begin no further ring; rings that have begun continue
    Pause(RolloutWhat),
    /// End a pause
    Resume(RolloutWhat),
    /// Stop the delivery of the order's current images in all rings
    ///
    /// Nodes keep what they have. To go back to the former image, revert the commit of the
    /// orders. To continue, promote the image to a ring.
    Rollback {
        /// The order
        #[arg(value_name = "ORDER")]
        order: OrderId,
    },
}

/// Whose rollouts are paused or resumed.
#[derive(Debug, Clone, Args)]
pub struct RolloutWhat {
    /// The order
    #[arg(
        value_name = "ORDER",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub order: Option<OrderId>,
    /// Every order that has a rollout
    #[arg(long)]
    pub all: bool,
}
