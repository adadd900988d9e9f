//! Which orders and nodes an answer shows.

use clap::Args;

use crate::plan::{NamePattern, Selection};

/// What of an answer is shown.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Show only this order; * stands for any characters, and the option may be
    /// repeated. This filters the output: everything is planned as ever
    #[arg(long, value_name = "ID")]
    pub order: Vec<NamePattern>,
    /// Show only this node, likewise
    #[arg(long, value_name = "NAME")]
    pub node: Vec<NamePattern>,
}

impl From<FilterArgs> for Selection {
    fn from(args: FilterArgs) -> Self {
        Self {
            orders: args.order,
            nodes: args.node,
        }
    }
}
