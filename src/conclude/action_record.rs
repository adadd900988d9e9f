//! What an operator did, as it is kept and told: a line of the events beside those of the
//! steps.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::step_record::StepRecord;

/// A line of the events. Version 0.1.0 skips those that are not of steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EventRecord {
    /// A step ended.
    Step(StepRecord),
    /// An operator did something.
    Action(ActionRecord),
}

/// What an operator can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorAction {
    /// Reconciliation of something is suspended.
    Suspend,
    /// It is resumed.
    Resume,
    /// A run is started.
    Reconcile,
    /// Removals are approved.
    Approve,
    /// Rollouts are paused.
    Pause,
    /// A release is promoted.
    Promote,
    /// A release is stopped.
    Rollback,
}

impl fmt::Display for OperatorAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Reconcile => "reconcile",
            Self::Approve => "approve",
            Self::Pause => "pause",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        })
    }
}

/// What an operator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionRecord {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: OperatorAction,
    /// To what: `order web`, `node pve-01`, `everything`, the id of an approval, or the
    /// release of an order.
    pub what: String,
    /// Who: the name beside their token, or their user name on the machine.
    pub by: String,
    /// By which way: `status page, 192.0.2.7`, or `command line`.
    pub from: String,
}

/// `suspend order web: by alice (status page, 192.0.2.7)`
impl fmt::Display for ActionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            what,
            by,
            from,
            at: _,
        } = self;
        write!(f, "{action} {what}: by {by} ({from})")
    }
}
