//! A status as data for a user. Its files say `Stalled` of what is suspended, for the sake
//! of version 0.1.0; here `state` is what it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::condition::Condition;
use super::images::ImageCondition;
use super::known::{ImageLine, NodeLine, OrderLine};
use super::reason::Reason;
use super::record::Totals;
use super::source_line::SourceLine;
use super::state::ConditionState;
use super::status::{BlockedLine, LastRun, Running, Status};
use crate::facts::{Backoff, Suspended};
use crate::model::{FileName, NodeId, OrderId};

/// A status as data for a user, with the keys of its file in their order.
#[derive(Debug, Serialize)]
pub struct StatusAnswer<'a> {
    owner: &'a str,
    revision: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: &'a Option<SourceLine>,
    running: &'a Option<Running>,
    #[serde(rename = "last_pass")]
    last_run: &'a Option<LastRun>,
    #[serde(rename = "next_pass")]
    next_run: Option<Timestamp>,
    totals: Totals,
    conditions: Vec<ConditionAnswer<'a>>,
    #[serde(rename = "held")]
    blocked: &'a [BlockedLine],
    #[serde(rename = "more_held")]
    more_blocked: usize,
    circuits: &'a BTreeMap<NodeId, Backoff>,
    suspended: &'a Suspended,
    notes: &'a [String],
    orders: &'a BTreeMap<OrderId, OrderLine>,
    nodes: &'a BTreeMap<NodeId, NodeLine>,
    images: &'a BTreeMap<FileName, ImageLine>,
}

#[derive(Debug, Serialize)]
struct ConditionAnswer<'a> {
    order: &'a Option<String>,
    node: &'a Option<NodeId>,
    state: ConditionState,
    #[serde(flatten, serialize_with = "super::words::serialize")]
    reason: Option<Reason>,
    message: &'a str,
    since: Timestamp,
    images: &'a [ImageCondition],
}

impl<'a> From<&'a Status> for StatusAnswer<'a> {
    fn from(status: &'a Status) -> Self {
        let Status {
            owner,
            revision,
            source,
            running,
            last_run,
            next_run,
            totals,
            conditions,
            blocked,
            more_blocked,
            circuits,
            suspended,
            notes,
            orders,
            nodes,
            images,
        } = status;
        Self {
            owner,
            revision,
            source,
            running,
            last_run,
            next_run: *next_run,
            totals: *totals,
            conditions: conditions.iter().map(ConditionAnswer::from).collect(),
            blocked,
            more_blocked: *more_blocked,
            circuits,
            suspended,
            notes,
            orders,
            nodes,
            images,
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
