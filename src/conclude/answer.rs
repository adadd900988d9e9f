//! A status as data for a user. Its files say `Stalled` of what is suspended, for the sake
//! of version 0.1.0; here `state` is what it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::condition::Condition;
use super::images::ImageCondition;
use super::known::{ImageLine, NodeLine, OrderLine};
use super::reason::Reason;
use super::record::Totals;
use super::rollouts::RolloutLine;
use super::site_line::SiteLine;
use super::source_line::SourceLine;
use super::state::ConditionState;
use super::status::{BlockedLine, LastRun, Running, Status};
use super::waiting::WaitResult;
use super::words::Words;
use crate::facts::{Backoff, Suspended};
use crate::model::{FileName, NodeId, OrderId, SiteName};

/// A status as data for a user, with the keys of its file in their order.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusAnswer<'a> {
    /// The controller's name.
    owner: &'a str,
    /// The revision of the orders of the last run, where they are under git.
    revision: &'a Option<String>,
    /// Where the orders come from, where the program fetches them.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: &'a Option<SourceLine>,
    /// The sites that this controller serves in a fleet, with who leads them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sites: &'a BTreeMap<SiteName, SiteLine>,
    /// Why the configuration of the last reload was refused, if it was: the one before it is in
    /// effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_config: &'a Option<String>,
    /// The current run.
    running: &'a Option<Running>,
    /// The last run that is over.
    #[serde(rename = "last_pass")]
    last_run: &'a Option<LastRun>,
    /// When the next one begins; null where no controller runs.
    #[serde(rename = "next_pass")]
    next_run: Option<Timestamp>,
    /// When the first window opens that something waited for in the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_window: Option<Timestamp>,
    /// When the first ring has soaked that another one waited for in the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_ring: Option<Timestamp>,
    /// What all runs found and did since the file was begun.
    totals: Totals,
    /// The status of each order, and of each order on each node.
    conditions: Vec<ConditionAnswer<'a>>,
    /// What is blocked.
    #[serde(rename = "held")]
    blocked: &'a [BlockedLine],
    /// How many more things are blocked.
    #[serde(rename = "more_held")]
    more_blocked: usize,
    /// The nodes that do not answer, with when they are asked again.
    circuits: &'a BTreeMap<NodeId, Backoff>,
    /// What an operator has suspended.
    suspended: &'a Suspended,
    /// How far new images are in the rings of their orders.
    #[serde(skip_serializing_if = "is_empty")]
    rollouts: &'a [RolloutLine],
    /// What else the user should know.
    notes: &'a [String],
    /// The orders of the last run that could be read.
    orders: &'a BTreeMap<OrderId, OrderLine>,
    /// The nodes that it observed.
    nodes: &'a BTreeMap<NodeId, NodeLine>,
    /// The images that the orders want, by their file in the cache.
    images: &'a BTreeMap<FileName, ImageLine>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ConditionAnswer<'a> {
    /// The order's id; the file where no id could be read; null for what belongs to no
    /// order.
    order: &'a Option<String>,
    /// The node; null for the order as a whole.
    node: &'a Option<NodeId>,
    /// How it does.
    state: ConditionState,
    #[serde(flatten, serialize_with = "super::words::serialize")]
    #[schemars(with = "Words")]
    reason: Option<Reason>,
    /// One sentence for the user.
    message: &'a str,
    /// Since when state and reason are these.
    since: Timestamp,
    /// The images that the order wants there.
    images: &'a [ImageCondition],
}

impl<'a> From<&'a Status> for StatusAnswer<'a> {
    fn from(status: &'a Status) -> Self {
        let Status {
            owner,
            revision,
            source,
            sites,
            refused_config,
            running,
            last_run,
            next_run,
            next_window,
            next_ring,
            totals,
            // For metrics.
            counters: _,
            looked_at: _,
            conditions,
            blocked,
            more_blocked,
            circuits,
            suspended,
            rollouts,
            notes,
            orders,
            nodes,
            images,
        } = status;
        Self {
            owner,
            revision,
            source,
            sites,
            refused_config,
            running,
            last_run,
            next_run: *next_run,
            next_window: *next_window,
            next_ring: *next_ring,
            totals: *totals,
            conditions: conditions.iter().map(ConditionAnswer::from).collect(),
            blocked,
            more_blocked: *more_blocked,
            circuits,
            suspended,
            rollouts,
            notes,
            orders,
            nodes,
            images,
        }
    }
}

fn is_empty(rollouts: &&[RolloutLine]) -> bool {
    rollouts.is_empty()
}

/// How waiting ended, as data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WaitAnswer<'a> {
    /// How it ended.
    result: WaitResult,
    /// The same as a sentence for the user.
    message: &'a str,
    /// The revision of the orders of the last run, where they are under git.
    revision: &'a Option<String>,
    /// What is not ready; what needs an operator first.
    not_ready: Vec<ConditionAnswer<'a>>,
}

impl<'a> WaitAnswer<'a> {
    /// `message` is a sentence for the user; `revision` is that of the last run.
    pub fn new(
        result: WaitResult,
        message: &'a str,
        revision: &'a Option<String>,
        not_ready: &'a [Condition],
    ) -> Self {
        Self {
            result,
            message,
            revision,
            not_ready: not_ready.iter().map(ConditionAnswer::from).collect(),
        }
    }
}

impl<'a> From<&'a Condition> for ConditionAnswer<'a> {
    fn from(condition: &'a Condition) -> Self {
        let Condition {
            order,
            node,
            state,
            reason,
            message,
            since,
            last_ready: _,
            images,
        } = condition;
        Self {
            order,
            node,
            state: *state,
            reason: *reason,
            message,
            since: *since,
            images,
        }
    }
}
