//! The `notifications:` of the configuration: who is told of what.

use std::collections::BTreeMap;
use std::time::Duration;

use super::notifications_shape::{NotificationsShape, RuleShape, SEVERITIES};
use super::provider_form::unknown;
use super::providers::provider;
use super::secrets::Secrets;
use super::values::{self, DAY, MINUTE};
use crate::model::{NamePattern, Provider, ProviderName};
use crate::yaml::{At, NodeRef, ProblemReport};

const REMINDER: Duration = DAY;
/// A node that restarts, an upstream that is updated: nobody has to know.
const AFTER: Duration = Duration::from_secs(15 * 60);

/// The reasons that an alert can have; a test compares them with those of the status.
pub const REASONS: [&str; 19] = [
    "InvalidOrder",
    "SourceRejected",
    "Conflict",
    "NoSuchVersion",
    "DigestMismatch",
    "InsufficientSpace",
    "NotMounted",
    "StorageUnusable",
    "DirectoryMissing",
    "PermissionDenied",
    "PruneBlocked",
    "Failed",
    "TargetUnreachable",
    "SourceUnavailable",
    "UpstreamRateLimited",
    "UpstreamUnavailable",
    "RunFailed",
    "Instructions",
    "Notice",
];

/// Who is told of what.
#[derive(Debug, Clone, Default)]
pub struct NotificationSettings {
    /// Where messages are sent.
    pub providers: Vec<Provider>,
    /// What is sent where; the first that fits counts.
    pub rules: Vec<RuleSettings>,
}

/// What is sent where. An empty list fits everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSettings {
    /// The providers; each is there.
    pub providers: Vec<ProviderName>,
    /// Orders.
    pub orders: Vec<NamePattern>,
    /// Nodes.
    pub nodes: Vec<NamePattern>,
    /// Sites.
    pub sites: Vec<NamePattern>,
    /// `error`, `warning`.
    pub severities: Vec<String>,
    /// Reasons.
    pub reasons: Vec<NamePattern>,
    /// When a failure that lasts is told again; `None` for never.
    pub reminder: Option<Duration>,
    /// How long a failure that is retried lasts before it is told.
    pub after: Duration,
}

/// Who is told of what; what is wrong is reported.
pub(super) fn notifications(
    shape: Option<&NotificationsShape>,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> NotificationSettings {
    let none = NotificationsShape::default();
    let shape = shape.unwrap_or(&none);
    let mut providers = Vec::new();
    let mut places: BTreeMap<ProviderName, NodeRef> = BTreeMap::new();
    let shapes = shape.providers.as_deref().unwrap_or_default();
    for shape in shapes {
        let one = provider(shape, secrets, report);
        let Some(name) = &shape.value.name else {
            report.missing(shape.place, "name", "rules and `notify test` use it");
            continue;
        };
        let Some(name) = report.parse::<ProviderName>(name) else {
            continue;
        };
        if let Some(first) = places.insert(name.clone(), shape.place) {
            let line = report.document().line(first);
            report.at(
                shape.place,
                format!("the provider {name} is already defined on line {line}"),
            );
            continue;
        }
        providers.extend(one.map(|one| Provider { name, ..one }));
    }
    let names = shapes.iter().filter_map(|shape| shape.value.name.as_ref());
    let names: Vec<&str> = names.map(|name| name.value.as_str()).collect();
    let rules = shape.rules.as_deref().unwrap_or_default();
    let mut rules: Vec<RuleSettings> = rules
        .iter()
        .map(|shape| rule(&shape.value, &names, report))
        .collect();
    if shape.rules.is_none() {
        rules.push(rule(&RuleShape::default(), &names, report));
    }
    NotificationSettings { providers, rules }
}

fn rule(shape: &RuleShape, names: &[&str], report: &mut ProblemReport<'_>) -> RuleSettings {
    let mut providers = Vec::new();
    for text in shape.providers.iter().flatten() {
        if !names.contains(&text.value.as_str()) {
            unknown("provider", text, names.iter().copied(), report);
        } else if let Some(name) = report.parse(text) {
            providers.push(name);
        }
    }
    let mut severities = Vec::new();
    for text in shape.severities.iter().flatten() {
        match SEVERITIES.contains(&text.value.as_str()) {
            true => severities.push(text.value.clone()),
            false => unknown("severity", text, SEVERITIES, report),
        }
    }
    for text in shape.reasons.iter().flatten() {
        let is_known = text.value.contains('*') || REASONS.contains(&text.value.as_str());
        if !is_known {
            unknown("reason", text, REASONS, report);
        }
    }
    RuleSettings {
        providers,
        orders: patterns(shape.orders.as_ref(), report),
        nodes: patterns(shape.nodes.as_ref(), report),
        sites: patterns(shape.sites.as_ref(), report),
        severities,
        reasons: patterns(shape.reasons.as_ref(), report),
        reminder: values::duration_or_off(
            shape.reminder.as_ref(),
            Some(REMINDER),
            MINUTE..=365 * DAY,
            report,
        ),
        after: values::duration(
            shape.after.as_ref(),
            AFTER,
            Duration::ZERO..=30 * DAY,
            report,
        ),
    }
}

fn patterns(texts: Option<&Vec<At<String>>>, report: &mut ProblemReport<'_>) -> Vec<NamePattern> {
    let mut patterns = Vec::new();
    for text in texts.into_iter().flatten() {
        if text.value.is_empty() {
            report.at(
                text.place,
                "the name is empty; expected a name, or * for any",
            );
        } else if report.fits_a_line(text) {
            patterns.extend(text.value.parse::<NamePattern>());
        }
    }
    patterns
}
