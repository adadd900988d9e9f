//! What every page has around its content.

use std::collections::BTreeSet;

use askama::filters::Safe;
use jiff::Timestamp;

use super::assets;
use super::text::{Moment, moment};
use crate::conclude::removals::WaitingRemovals;
use crate::facts::ApprovalId;
use crate::live::LiveView;
use crate::model::{Network, NodeId};

/// What a visitor may do besides reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nobody may do anything.
    ReadOnly,
    /// Who has the token may; this visitor has not shown it.
    LoggedOut,
    /// This visitor may.
    LoggedIn {
        /// The name beside the token.
        name: String,
        /// What a form has to carry.
        csrf: String,
    },
}

impl Access {
    /// What a form has to carry; `None` if there are to be no forms.
    pub(super) fn csrf(&self) -> Option<&str> {
        match self {
            Self::LoggedIn { csrf, .. } => Some(csrf),
            Self::ReadOnly | Self::LoggedOut => None,
        }
    }
}

/// One request for a page: what is known, who asks, and when.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    /// What the controller does and knows.
    pub view: &'a LiveView,
    /// Which nodes are near each other.
    pub network: &'a Network,
    /// Bytes that stay free on nodes.
    pub node_reserve: u64,
    /// What the visitor may do.
    pub access: &'a Access,
    /// The removals that an operator has approved.
    pub approved: &'a BTreeSet<ApprovalId>,
    /// The path and query of the page, to come back to.
    pub path: &'a str,
    /// When it is made.
    pub now: Timestamp,
}

impl<'a> Visit<'a> {
    /// The site of a node.
    pub(super) fn site(&self, node: &NodeId) -> Option<&'a str> {
        let site = self.network.site_of.get(node)?;
        Some(site.as_str())
    }
}

/// A page of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MenuItem {
    Overview,
    Plan,
    Removals,
    History,
    /// None of them.
    Below,
}

/// What a template needs for the frame.
pub(super) struct PageFrame<'a> {
    pub title: String,
    pub place: MenuItem,
    pub owner: &'a str,
    /// Rises with every change; `None` on a page that does not change.
    pub version: Option<u64>,
    pub is_running: bool,
    /// Removals that wait for approval.
    pub approvals: usize,
    pub can_log_in: bool,
    pub csrf: Option<&'a str>,
    pub user: &'a str,
    pub path: &'a str,
    pub started: Option<Safe<Moment>>,
    pub release: &'static str,
    pub edition: &'static str,
}

impl<'a> PageFrame<'a> {
    pub(super) fn new(visit: &Visit<'a>, place: MenuItem, title: impl Into<String>) -> Self {
        let view = visit.view;
        let approvals = view.last.as_ref().map_or(0, |last| {
            let memory = &last.memory;
            let found = WaitingRemovals::of(&last.report.look, memory, visit.approved);
            let open = found.approvals.iter();
            open.filter(|approval| !approval.is_approved).count()
        });
        Self {
            title: title.into(),
            place,
            owner: &view.status.owner,
            version: Some(view.version),
            is_running: view.running.is_some(),
            approvals,
            can_log_in: *visit.access == Access::LoggedOut,
            csrf: visit.access.csrf(),
            user: match visit.access {
                Access::LoggedIn { name, .. } => name,
                Access::ReadOnly | Access::LoggedOut => "",
            },
            path: visit.path,
            started: Some(moment(view.started, visit.now)),
            release: env!("CARGO_PKG_VERSION"),
            edition: assets::edition(),
        }
    }

    /// The frame of a page that tells nothing about the controller.
    pub(super) fn bare(title: &'a str) -> Self {
        Self {
            title: title.to_owned(),
            place: MenuItem::Below,
            owner: "",
            version: None,
            is_running: false,
            approvals: 0,
            can_log_in: false,
            csrf: None,
            user: "",
            path: "/",
            started: None,
            release: env!("CARGO_PKG_VERSION"),
            edition: assets::edition(),
        }
    }

    /// True on the page of the menu that has this word.
    pub(super) fn is_at(&self, word: &str) -> bool {
        let own = match self.place {
            MenuItem::Overview => "overview",
            MenuItem::Plan => "plan",
            MenuItem::Removals => "removals",
            MenuItem::History => "history",
            MenuItem::Below => return false,
        };
        own == word
    }
}
