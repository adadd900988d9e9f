//! The options of a run.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::forms::{OutputForm, text_forms};
use super::values::parse_duration;

/// How long another run is waited for, unless something else is said.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Options of a run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Delete all managed images from the cache before the run
    #[arg(long)]
    pub purge_cache: bool,
    /// Push and prune now what waits for its window
    #[arg(long)]
    pub ignore_windows: bool,
    /// Output format
    #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
    pub output: OutputForm,
    /// How long to wait for another run to release the cache
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub lock_timeout: Duration,
    /// Show each step of the plan on its own line, with all details
    #[arg(long, short)]
    pub verbose: bool,
}

/// Where the metrics of a run go.
#[derive(Debug, Clone, Default, Args)]
pub struct MetricsArgs {
    /// Write metrics to this file after the run, for node_exporter
    ///
    /// The file is for its textfile collector, so its name should end in .prom. It is
    /// replaced as a whole, also when the run has failed.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub metrics_file: Option<PathBuf>,
}

impl Default for RunArgs {
    fn default() -> Self {
        Self {
            purge_cache: false,
            ignore_windows: false,
            output: OutputForm::Text,
            lock_timeout: LOCK_TIMEOUT,
            verbose: false,
        }
    }
}
