//! The options of the commands that run or control the controller.

use std::time::Duration;

use clap::Args;

use super::forms::{OutputForm, ScopeKind, text_forms};
use super::run_args::MetricsArgs;
use super::values::parse_duration;
use crate::model::ListenAddress;

/// How the controller runs.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// Run once and exit
    #[arg(long)]
    pub once: bool,
    /// With --once: push and prune now what waits for its window
    #[arg(long, requires = "once")]
    pub ignore_windows: bool,
    /// Serve the status page, hooks and metrics here: ADDRESS:PORT or unix:/PATH
    /// [default: the key `listen` of the configuration]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
    pub listen: Option<ListenAddress>,
    /// Where the metrics go.
    #[command(flatten)]
    pub metrics: MetricsArgs,
}

/// What is suspended or resumed.
#[derive(Debug, Clone, Args)]
pub struct WhatArgs {
    /// An order or a node
    #[arg(
        value_enum,
        value_name = "KIND",
        requires = "name",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub kind: Option<ScopeKind>,
    /// Which one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Everything
    #[arg(long)]
    pub all: bool,
}

/// What the running controller is asked for.
#[derive(Debug, Clone, Args)]
pub struct ReconcileArgs {
    /// Show only this order's result; resets its back-off
    #[arg(long, value_name = "ID", conflicts_with = "node")]
    pub order: Option<crate::model::OrderId>,
    /// Show only this node's result; resets its back-off
    #[arg(long, value_name = "NAME")]
    pub node: Option<crate::model::NodeId>,
    /// Push and prune now what waits for its window: what --order or --node
    /// names, otherwise everything
    #[arg(long)]
    pub ignore_windows: bool,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
    /// Output format
    #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
    pub output: OutputForm,
}
