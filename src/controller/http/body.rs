//! The bodies of requests and answers.

use serde::{Deserialize, Serialize};

use crate::conclude::Scope;
use crate::fleet::OutrankedSites;
use crate::model::{NodeId, OrderId, visible};

/// A request is a name and a number.
pub(super) const REQUEST_MAX: usize = 4096;

/// A status of ten thousand nodes.
pub(super) const ANSWER_MAX: usize = 64 << 20;

/// Who asks where a request does not say: only the controller's user and root can.
const UNNAMED: &str = "somebody";

/// What `POST /v1/reconcile` takes; an empty body is one without keys.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReconcileBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeId>,
    /// How long the answer may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
    /// Closed windows do not count for what is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ignore_windows: bool,
    /// Who asks; told only where the events say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl ReconcileBody {
    pub(super) fn new(scope: Scope, ignoring: Option<String>, wait_seconds: u64) -> Self {
        let (order, node) = match scope {
            Scope::All => (None, None),
            Scope::Order(id) => (Some(id), None),
            Scope::Node(id) => (None, Some(id)),
        };
        Self {
            order,
            node,
            wait_seconds: Some(wait_seconds),
            ignore_windows: ignoring.is_some(),
            by: ignoring,
        }
    }

    /// Who says that closed windows do not count, where they do not.
    pub(super) fn ignoring(&self) -> Option<String> {
        let by = || match &self.by {
            Some(by) => visible(by).into_owned(),
            None => UNNAMED.to_owned(),
        };
        self.ignore_windows.then(by)
    }

    /// Reads one; of what is none, why not.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let body: Self = serde_json::from_slice(bytes).map_err(|error| invalid(&error))?;
        if body.order.is_some() && body.node.is_some() {
            return Err(
                "the request names an order and a node; only one of them is accepted".to_owned(),
            );
        }
        Ok(body)
    }

    pub(super) fn scope(self) -> Scope {
        match (self.order, self.node) {
            (Some(id), _) => Scope::Order(id),
            (None, Some(id)) => Scope::Node(id),
            (None, None) => Scope::All,
        }
    }
}

/// What `POST /v1/leaderships` takes.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutrankedBody {
    /// The higher epochs that nodes know, by site.
    pub outranked: OutrankedSites,
}

impl OutrankedBody {
    /// Reads one; of what is none, why not.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| invalid(&error))
    }
}

fn invalid(error: &serde_json::Error) -> String {
    let why = visible(&error.to_string()).into_owned();
    format!("invalid request: {why}")
}

/// Every answer that is no status.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MessageBody {
    pub message: String,
}
