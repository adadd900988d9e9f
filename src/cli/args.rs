//! The shape of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::filter::FilterArgs;

/// Keeps Talos Linux images on Proxmox VE nodes as the orders in git say.
///
/// Without a command it does one pass: load the orders, look at upstream, cache
/// and nodes, plan, do it, and write a manifest per order.
#[derive(Debug, Parser)]
#[command(
    name = "talos-order",
    version,
    max_term_width = 80,
    args_conflicts_with_subcommands = false,
    after_help = EXIT_CODES
)]
pub struct Cli {
    /// What to do; one pass if nothing is said.
    #[command(subcommand)]
    pub command: Option<Verb>,
    /// Where things are.
    #[command(flatten)]
    pub common: Common,
    /// How the pass is done.
    #[command(flatten)]
    pub pass: PassArgs,
    /// Do one pass and end (this is what happens without a command).
    #[arg(long)]
    pub once: bool,
    /// Show what a pass would do; change nothing anywhere.
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
configuration; 130 interrupted. With --detailed-exitcode a plan answers
0 nothing to do, 2 changes, 1 error.";

/// Where things are, and how much is said.
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
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter
    /// such as talos_order=debug [default: warn, of run: info]
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "TALOS_ORDER_LOG",
        value_parser = parse_filter
    )]
    pub log: Option<String>,
    /// How the log is written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORM"
    )]
    pub log_format: LogFormat,
}

/// How a pass is done.
#[derive(Debug, Clone, Args)]
pub struct PassArgs {
    /// Empty the cache of what is ours before the pass
    #[arg(long)]
    pub purge_cache: bool,
    /// How the result is written
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
    pub output: OutputForm,
    /// How long to wait for another run that holds the cache
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub lock_timeout: Duration,
    /// Show each step of the plan on a line of its own, with every detail
    #[arg(long, short)]
    pub verbose: bool,
}

impl Default for PassArgs {
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
    /// A flag of the pass without a command that was given together with one. To
    /// ignore it would be dangerous: `--dry-run apply` would change things.
    pub(super) fn misplaced(&self) -> Option<&'static str> {
        self.command.as_ref()?;
        let usual = PassArgs::default();
        [
            (self.dry_run, "--dry-run"),
            (self.once, "--once"),
            (self.yes, "--yes"),
            (self.pass.verbose, "--verbose"),
            (self.pass.purge_cache, "--purge-cache"),
            (self.pass.output != usual.output, "--output"),
            (
                self.pass.lock_timeout != usual.lock_timeout,
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

/// How the log is written.
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
    /// Show what a pass would do; change nothing anywhere
    Plan {
        /// How the pass is done.
        #[command(flatten)]
        pass: PassArgs,
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
    /// Do one pass: fetch, verify, unpack, push, clean up, record
    Apply {
        /// How the pass is done.
        #[command(flatten)]
        pass: PassArgs,
        /// Prune files from nodes without asking on a terminal
        #[arg(long, short)]
        yes: bool,
    },
    /// Watch the orders, and do a pass whenever one is due
    ///
    /// SIGHUP reads the configuration again, SIGUSR1 begins a pass, SIGTERM stops.
    Run {
        /// Do one pass and end
        #[arg(long)]
        once: bool,
    },
    /// Show how each order does on each node
    ///
    /// Reads what the controller wrote down, whether it runs or not. Exit code: 0
    /// everything that is shown is ready, 1 something is not.
    Status {
        /// What is shown.
        #[command(flatten)]
        filter: FilterArgs,
        /// How the result is written
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Show the last passes: when, why, what each did
    History {
        /// How many
        #[arg(long, short, value_name = "COUNT", default_value_t = 20)]
        number: usize,
        /// How the result is written
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Show the last steps as they ended, one a line
    Events {
        /// Go on showing them as they come
        #[arg(long, short)]
        watch: bool,
        /// How the result is written; JSON is one object a line
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Do nothing for an order, a node or everything until `resume`
    Suspend(WhatArgs),
    /// Take a suspension back
    Resume(WhatArgs),
    /// Let removals over the budget go
    Approve {
        /// What `status` says to approve
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Ask the running controller for a pass now, and wait for its result
    Reconcile {
        /// Look at this order's result; its failures are forgiven
        #[arg(long, value_name = "ID", conflicts_with = "node")]
        order: Option<crate::model::OrderId>,
        /// Look at this node's result; its failures are forgiven
        #[arg(long, value_name = "NAME")]
        node: Option<crate::model::NodeId>,
        /// How long to wait for it
        #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
        timeout: Duration,
        /// How the result is written
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Check configuration and orders without network or nodes
    Validate {
        /// How the result is written
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: ValidateForm,
    },
    /// Print id and canonical YAML of a factory schematic
    Schematic {
        /// The schematic's file, or - for standard input
        file: PathBuf,
        /// How the result is written
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
        /// How the result is written
        #[arg(long, short, value_enum, default_value = "text", value_name = "FORM")]
        output: OutputForm,
    },
    /// Print the JSON Schema of a file, for editors
    Schema {
        /// Which file
        #[arg(value_enum)]
        file: SchemaOf,
    },
    /// See it work: offline, in seconds, in a directory of its own
    Demo {
        /// Where to work [default: a new temporary directory]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Keep the factory stub running afterwards, to try things with
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
        .map_err(|_| format!("{text:?} is not a duration; accepted are such as 30s, 5m, 1h30m"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}
