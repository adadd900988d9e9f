//! What `outputs` accepts.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::values::parse_duration;
use crate::plan::{NamePattern, Selection};

/// What is printed, and how.
#[derive(Debug, Clone, Args)]
pub struct OutputsArgs {
    /// Only this order; * matches any characters; repeatable
    #[arg(long, value_name = "ID")]
    pub order: Vec<NamePattern>,
    /// Only this position; * matches any characters; repeatable
    #[arg(long, value_name = "NAME")]
    pub position: Vec<NamePattern>,
    /// Only this node; * matches any characters; repeatable
    #[arg(long, value_name = "NAME")]
    pub node: Vec<NamePattern>,
    /// Output format
    #[arg(long, short, value_enum, default_value = "table", value_name = "FORM")]
    pub output: OutputsForm,
    /// Wait until everything that is selected is ready
    #[arg(long)]
    pub wait: bool,
    /// With --wait: for how long
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10m",
        requires = "wait",
        value_parser = parse_duration
    )]
    pub timeout: Duration,
}

impl OutputsArgs {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            orders: self.order.clone(),
            nodes: self.node.clone(),
        }
    }
}

/// The forms of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputsForm {
    /// For people
    #[value(alias = "text")]
    Table,
    /// For people, with all columns
    Wide,
    /// For machines; `schema outputs` describes it
    Json,
    /// For machines
    Yaml,
    /// Variables for Terraform
    Tfvars,
    /// One position on one node, for Terraform's data source external
    External,
    /// Variables for Ansible, by node
    Ansible,
    /// One position on one node, as KEY=value lines for a shell
    Env,
    /// Parts of ProxmoxMachineTemplates, for the Cluster API
    Capmox,
}
