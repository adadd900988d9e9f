//! The shape of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::filter::FilterArgs;

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
    /// Run once and exit (the default without a command).
    #[arg(long)]
    pub once: bool,
    /// Show what a run would do; change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: 0 nothing to do, 2 changes, 1 error.
    #[arg(long, requires = "dry_run")]
    pub detailed_exitcode: bool,
    /// Prune files from nodes without asking on a terminal.
    #[arg(long, short)]
    pub yes: bool,
}

/// How long another run is waited for, unless something else is said.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 something failed or was rejected; 2 bad usage or
configuration, 130 interrupted. With --detailed-exitcode: 0 nothing to do,
2 changes, 1 error.";

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

/// Options of a run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Delete all managed images from the cache before the run
    #[arg(long)]
    pub purge_cache: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
    pub output: OutputForm,
    /// How long to wait for another run that holds the cache
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub lock_timeout: Duration,
    /// Show each step of the plan on a line of its own, with every detail
    #[arg(long, short)]
    pub verbose: bool,
}

impl Default for RunArgs {
    fn default() -> Self {
        Self {
            purge_cache: false,
            output: OutputForm::Text,
            lock_timeout: LOCK_TIMEOUT,
            verbose: false,
        }
    }
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

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// How the result of `validate` is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ValidateForm {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// Annotations of a GitHub workflow.
    Github,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what a run would do; change nothing
    Plan {
        /// Options of a run.
        #[command(flatten)]
        run: RunArgs,
        /// What is shown.
        #[command(flatten)]
        filter: FilterArgs,
        /// Show what the manifests would change
        #[arg(long)]
        manifests: bool,
        /// 0 nothing to do, 2 changes, 1 error
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Run once: fetch, verify, unpack, push, prune, record
    Apply {
        /// Options of a run.
        #[command(flatten)]
        run: RunArgs,
        /// Prune files from nodes without asking on a terminal
        #[arg(long, short)]
        yes: bool,
    },
    /// Run the controller: watch the orders and reconcile them
    ///
    /// SIGHUP reloads the configuration, SIGUSR1 starts a run, SIGTERM stops.
    Run {
        /// Run once and exit
        #[arg(long)]
        once: bool,
    },
    /// Show the status of each order on each node
    ///
    /// Reads the controller's last status, whether it is running or not. Exit code: 0
    /// everything that is shown is ready, 1 something is not.
    Status {
        /// What is shown.
        #[command(flatten)]
        filter: FilterArgs,
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Show the last runs: time, trigger and steps of each
    History {
        /// How many
        #[arg(long, short, value_name = "COUNT", default_value_t = 20)]
        number: usize,
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Show the last steps with their results, one per line
    Events {
        /// Follow new events
        #[arg(long, short)]
        watch: bool,
        /// Output format; JSON is one object a line
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
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
    /// Ask the running controller to reconcile now, and wait for the result
    Reconcile {
        /// Show only this order's result; resets its back-off
        #[arg(long, value_name = "ID", conflicts_with = "node")]
        order: Option<crate::model::OrderId>,
        /// Show only this node's result; resets its back-off
        #[arg(long, value_name = "NAME")]
        node: Option<crate::model::NodeId>,
        /// How long to wait for it
        #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
        timeout: Duration,
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Check configuration and orders; needs no network and no nodes
    Validate {
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: ValidateForm,
    },
    /// Print id and canonical YAML of a factory schematic
    Schematic {
        /// The schematic's file, or - for standard input
        file: PathBuf,
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// List the Talos versions that can be ordered
    Versions {
        /// Only this minor line, such as v1.11
        #[arg(long, value_name = "MINOR")]
        minor: Option<crate::model::Minor>,
        /// Pre-releases too
        #[arg(long)]
        all: bool,
        /// Output format
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Print the JSON Schema of a file, for editors
    Schema {
        /// Which file
        #[arg(value_enum)]
        file: SchemaOf,
    },
    /// Try it offline, in seconds, in a separate directory
    Demo {
        /// Where to work [default: a new temporary directory]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Keep the factory stub running afterwards
        #[arg(long)]
        serve: bool,
        /// Only remove what earlier demos made: in DIR, or in the temporary directory
        #[arg(long, conflicts_with = "serve")]
        clean: bool,
    },
    /// Print a shell's completions
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

/// What can be suspended on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeKind {
    /// An order, by its id.
    Order,
    /// A node, by its name.
    Node,
}

/// A file with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// config.yaml
    Config,
    /// orders
    Orders,
}

fn parse_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is not a duration; examples: 30s, 5m, 1h30m"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}
