//! Who is told of what.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::alert::{Alert, Severity};
use crate::model::{NamePattern, NodeId, SiteName};

/// A rule: which alerts go to which providers, and how often. An empty list means all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRule {
    /// The providers by their names.
    pub providers: Vec<String>,
    /// Orders; an alert without an order fits no list.
    pub orders: Vec<NamePattern>,
    /// Nodes; an alert without a node fits no list.
    pub nodes: Vec<NamePattern>,
    /// Sites of nodes; an alert without a site fits no list.
    pub sites: Vec<NamePattern>,
    /// How bad.
    pub severities: Vec<Severity>,
    /// Reasons.
    pub reasons: Vec<NamePattern>,
    /// How long after a message the same failure is told again; `None` for never.
    pub reminder: Option<SignedDuration>,
    /// How long a failure that is retried must last.
    pub after: SignedDuration,
}

impl AlertRule {
    fn fits(&self, alert: &Alert) -> bool {
        let any = |patterns: &[NamePattern], name: Option<&str>| {
            patterns.is_empty()
                || name.is_some_and(|name| patterns.iter().any(|one| one.fits(name)))
        };
        let has_order = self.orders.is_empty()
            || alert.has_order(|order| self.orders.iter().any(|one| one.fits(order)));
        has_order
            && any(&self.nodes, alert.node.as_ref().map(NodeId::as_str))
            && any(&self.sites, alert.site.as_ref().map(SiteName::as_str))
            && any(&self.reasons, Some(&alert.reason))
            && (self.severities.is_empty() || self.severities.contains(&alert.severity))
    }
}

/// All rules, and the providers that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// How each provider wants to be told, by its name.
    pub providers: BTreeMap<String, Habit>,
    /// The rules; the first that fits counts.
    pub rules: Vec<AlertRule>,
}

/// How a provider wants to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Habit {
    /// It forgets a failure that is not repeated: so often it has to hear of it, whatever
    /// the rule says.
    pub repeat: Option<SignedDuration>,
    /// So many events fit one message; `None` where a message sums up any number.
    pub most: Option<usize>,
}

impl Routes {
    /// How a provider is told of an alert; `None` if it is not.
    pub(super) fn of(&self, provider: &str, alert: &Alert) -> Option<&AlertRule> {
        let is_for = |rule: &&AlertRule| {
            rule.providers.is_empty() || rule.providers.iter().any(|name| name == provider)
        };
        let mut rules = self.rules.iter().filter(is_for);
        rules.find(|rule| rule.fits(alert))
    }

    pub(super) fn habit(&self, provider: &str) -> Habit {
        self.providers.get(provider).copied().unwrap_or_default()
    }
}
