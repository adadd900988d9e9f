//! What `wait` accepts.

use std::time::Duration;

use clap::Args;

use crate::cli::forms::{OutputForm, text_forms};
use crate::cli::values::parse_duration;
use crate::conclude::commit_prefix::CommitPrefix;
use crate::conclude::waiting::WaitGoal;
use crate::plan::{NamePattern, Selection};

/// What is waited for, and for how long.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Only this order; * matches any characters; repeatable
    #[arg(long, value_name = "ID")]
    pub order: Vec<NamePattern>,
    /// Only this node; * matches any characters; repeatable
    #[arg(long, value_name = "NAME")]
    pub node: Vec<NamePattern>,
    /// First wait for a run with the orders of this commit or of a later one, such as
    /// $(git rev-parse HEAD) after a push
    #[arg(long, value_name = "COMMIT")]
    pub revision: Option<CommitPrefix>,
    /// Leave out what is suspended; otherwise, it ends the waiting with exit code 1
    #[arg(long)]
    pub skip_suspended: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Print only errors
    #[arg(long, short)]
    pub quiet: bool,
    /// Output format
    #[arg(long, short, value_parser = text_forms(), default_value = "text", value_name = "FORM")]
    pub output: OutputForm,
}

impl WaitArgs {
    pub(super) fn goal(&self) -> WaitGoal {
        WaitGoal {
            selection: Selection {
                orders: self.order.clone(),
                nodes: self.node.clone(),
            },
            skip_suspended: self.skip_suspended,
            skip_source: self.revision.is_some(),
        }
    }
}
