//! The shape of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::control_args::{ControllerArgs, ReconcileArgs, WhatArgs};
use super::filter::{FilterArgs, SelectArgs};
use super::forms::{
    Color, LogFormat, ObjectKind, OutputForm, SchemaOf, ValidateForm, object_forms, status_forms,
    text_forms,
};
use super::help::{COMPLETIONS_HELP, EXIT_CODES};
use super::notify_args::NotifyArgs;
use super::outputs::args::OutputsArgs;
use super::pve_setup::PveSetupArgs;
use super::rollout_args::RolloutArgs;
use super::run_args::{MetricsArgs, RunArgs};
use super::values::parse_filter;
use super::wait::args::WaitArgs;

/// Keeps the Talos Linux images on Proxmox VE nodes in sync with orders in git.
///
/// Without a command it runs once: it loads the orders, observes upstream, the cache
/// and the nodes, plans, applies the plan, and writes a manifest per order.
#[derive(Debug, Parser)]
#[command(
    name = "talos-order",
    version,
    max_term_width = 80,
    args_conflicts_with_subcommands = false,
    after_help = EXIT_CODES
)]
pub struct Cli {
    /// What to do; one run by default.
    #[command(subcommand)]
    pub command: Option<Verb>,
    /// Paths of configuration and orders.
    #[command(flatten)]
    pub common: Common,
    /// Options of a run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Where the metrics go.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// Run once and exit (the default without a command).
    #[arg(long)]
    pub once: bool,
    /// Show what a run would do; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: exit code 0 nothing to do, 2 changes, 1 error.
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Prune files from nodes without asking on a terminal.
    #[arg(long, short)]
    pub yes: bool,
}

/// Where things are, and output options.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Configuration file [default: the first of
    /// $XDG_CONFIG_HOME/talos-order/config.yaml (not as root),
    /// /etc/talos-order/config.yaml and ./config.yaml]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "TALOS_ORDER_CONFIG"
    )]
    pub config: Option<PathBuf>,
    /// Orders: a file, or a directory of *.yaml and *.yml files [default: the key
    /// `orders` of the configuration]
    #[arg(long, global = true, value_name = "PATH", env = "TALOS_ORDER_ORDERS")]
    pub orders: Option<PathBuf>,
    /// Colours on the terminal
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN"
    )]
    pub color: Color,
    /// Log level for stderr: error, warn, info, debug, trace, or a filter
    /// such as talos_order=debug [default: warn; info for run]
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "TALOS_ORDER_LOG",
        value_parser = parse_filter
    )]
    pub log: Option<String>,
    /// Log format
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORM"
    )]
    pub log_format: LogFormat,
}

impl Cli {
    /// A flag of the run without a command that was given together with one. To
    /// ignore it would be dangerous: `--dry-run apply` would change things.
    pub(super) fn misplaced(&self) -> Option<&'static str> {
        self.command.as_ref()?;
        let usual = RunArgs::default();
        [
            (self.dry_run, "--dry-run"),
            (self.once, "--once"),
            (self.yes, "--yes"),
            (self.run.verbose, "--verbose"),
            (self.run.purge_cache, "--purge-cache"),
            (self.run.ignore_windows, "--ignore-windows"),
            (self.metrics.metrics_file.is_some(), "--metrics-file"),
            (self.run.output != usual.output, "--output"),
            (
                self.run.lock_timeout != usual.lock_timeout,
                "--lock-timeout",
            ),
        ]
        .into_iter()
        .find_map(|(given, flag)| given.then_some(flag))
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what a run would do; change nothing
    Plan {
        /// Options of a run.
        #[command(flatten)]
        run: RunArgs,
        /// What the run is for.
        #[command(flatten)]
        select: SelectArgs,
        /// Save the plan in this file, for apply
        #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
        out: Option<PathBuf>,
        /// Show the changes to the manifests
        #[arg(long)]
        manifests: bool,
        /// Exit code: 0 nothing to do, 2 changes, 1 error
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Show how cache, nodes and manifests differ from the orders
    ///
    /// A plan shows the steps of the next run; diff compares states, so a blocked or
    /// suspended file is also a difference. Exit code: 0 no differences, 1 error or
    /// unknown, 2 differences.
    Diff {
        /// What is shown.
        #[command(flatten)]
        filter: FilterArgs,
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Run once: fetch, verify, unpack, push, prune, record
    Apply {
        /// A plan saved with plan --out; applied without asking, and only if a
        /// run would still do exactly that
        #[arg(
            value_name = "FILE",
            value_hint = clap::ValueHint::FilePath,
            conflicts_with_all = ["order", "node", "purge_cache", "ignore_windows"]
        )]
        file: Option<PathBuf>,
        /// Options of a run.
        #[command(flatten)]
        run: RunArgs,
        /// Where the metrics go.
        #[command(flatten)]
        metrics: MetricsArgs,
        /// What the run is for.
        #[command(flatten)]
        select: SelectArgs,
        /// Prune files from nodes without asking on a terminal
        #[arg(long, short)]
        yes: bool,
    },
    /// Run the controller: watch the orders and reconcile them
    ///
    /// SIGHUP reloads the configuration, SIGUSR1 starts a run, SIGTERM stops.
    Run(ControllerArgs),
    /// Show the status of each order on each node
    ///
    /// Reads the controller's last status, whether it is running or not. Exit code: 0 if
    /// everything that is shown is Ready or Suspended, 1 otherwise.
    Status {
        /// Show all sites of the fleet instead; asks its store
        #[arg(long, conflicts_with_all = ["order", "node"])]
        fleet: bool,
        /// What is shown.
        #[command(flatten)]
        filter: FilterArgs,
        /// Output format
        #[arg(long, short, value_parser = status_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// List orders, nodes or images, one per line
    ///
    /// Reads the records on this machine; contacts no node and no upstream.
    Get {
        /// What to list
        #[arg(value_enum, value_name = "KIND")]
        kind: ObjectKind,
        /// Only these; * matches any characters
        #[arg(value_name = "NAME")]
        names: Vec<crate::plan::NamePattern>,
        /// Output format
        #[arg(long, short, value_parser = object_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Print the images and templates that the runs produced, for other tools
    ///
    /// Reads the manifests on this machine; contacts no node and no upstream.
    Outputs(OutputsArgs),
    /// Show the last runs: time, trigger and steps of each
    History {
        /// How many runs
        #[arg(long, short, value_name = "COUNT", default_value_t = 20)]
        number: usize,
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Show the last steps and what operators did, one per line
    Events {
        /// Follow new events
        #[arg(long, short)]
        watch: bool,
        /// Output format; JSON has one object per line, YAML one document per event
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Suspend reconciliation of an order, a node or everything
    Suspend(WhatArgs),
    /// Resume reconciliation
    Resume(WhatArgs),
    /// Approve a prune that exceeds the budget
    Approve {
        /// The approval ID that `status` shows
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show and control how new images go through the rings of their orders
    Rollout(RolloutArgs),
    /// Ask the running controller to reconcile now, and wait for the result
    Reconcile(ReconcileArgs),
    /// Try and list the providers of notifications
    Notify(NotifyArgs),
    /// Wait until orders are ready, as a step of a pipeline
    ///
    /// Reads the controller's last status and follows its changes. Exit code: 0 if
    /// everything that is selected is Ready; 1 if the time is over or if something is
    /// Stalled or Suspended, which waiting does not change.
    Wait(WaitArgs),
    /// Check configuration and orders; needs no network and no nodes
    Validate {
        /// Ask the clusters, the buckets and the store of the configuration, too: whether
        /// they answer, and have and allow what the orders need
        #[arg(long)]
        online: bool,
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: ValidateForm,
    },
    /// Print id and canonical YAML of a factory schematic
    Schematic {
        /// The schematic's file, or - for standard input
        file: PathBuf,
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// List the Talos versions that can be ordered
    Versions {
        /// Only this minor line, such as v1.11
        #[arg(long, value_name = "MINOR")]
        minor: Option<crate::model::Minor>,
        /// Include pre-releases
        #[arg(long)]
        all: bool,
        /// Output format
        #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Print the JSON Schema of a file, or of what -o json prints
    Schema {
        /// The file, or the command that prints it
        #[arg(value_enum, value_name = "NAME")]
        file: SchemaOf,
    },
    /// Print the commands that create a Proxmox VE API token
    ///
    /// They create roles, a user, its token, and ACL entries for both. Run them as root on
    /// one node of the cluster, or name it with --apply. Otherwise, nothing is changed.
    PveSetup(PveSetupArgs),
    /// Run an offline demo in a separate directory
    Demo {
        /// The working directory [default: a new temporary directory]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Show a Proxmox VE cluster with an API token, and templates
        #[arg(long)]
        pve: bool,
        /// Keep the stubs running after the demo
        #[arg(long)]
        serve: bool,
        /// Only remove the files of earlier demos, in DIR or in the temporary directory
        #[arg(long, conflicts_with = "serve")]
        clean: bool,
    },
    /// Print shell completions
    ///
    /// They complete commands, options, and the names of orders and nodes from the files
    /// on this machine. The Debian package installs them.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all pages into a directory
    Man {
        /// Where to write the pages
        #[arg(value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}
