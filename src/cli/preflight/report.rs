//! What was found at a cluster, at a node or at the store, for people and for programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bucket::BucketError;
use crate::cli::style;
use crate::error::chain;
use crate::proxmox::PveError;

/// What was found at a cluster.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct ClusterReport {
    /// Its name in the configuration.
    pub cluster: String,
    /// Each thing that was looked at.
    pub checks: Vec<PreflightCheck>,
}

/// What was found at a node that is a bucket.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct NodeReport {
    /// Its name in the configuration.
    pub node: String,
    /// The URL of the bucket.
    pub bucket: String,
    /// Each thing that was looked at.
    pub checks: Vec<PreflightCheck>,
}

/// What was found at the store.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct StoreReport {
    /// Its URL.
    pub store: String,
    /// Each thing that was looked at.
    pub checks: Vec<PreflightCheck>,
}

/// Everything that was asked.
#[derive(Debug, Default)]
pub(in crate::cli) struct OnlineReport {
    /// One for each cluster of the configuration.
    pub clusters: Vec<ClusterReport>,
    /// One for each node that is a bucket.
    pub nodes: Vec<NodeReport>,
    /// Where the configuration has a store.
    pub store: Option<StoreReport>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct PreflightCheck {
    /// How it is.
    pub level: CheckLevel,
    /// What was looked at: an endpoint, a node, a storage, the token; of a store, what it
    /// has to do; of a bucket, this or a directory.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// What helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The commands that help, for root on a node of the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum CheckLevel {
    Ok,
    Warning,
    Error,
}

impl PreflightCheck {
    fn new(level: CheckLevel, subject: &str, message: String) -> Self {
        Self {
            level,
            subject: subject.to_owned(),
            message,
            hint: None,
            commands: Vec::new(),
        }
    }

    /// The lines for people.
    fn text(&self) -> String {
        let word = match self.level {
            CheckLevel::Ok => "ok".to_owned(),
            CheckLevel::Warning => style::warning("warning"),
            CheckLevel::Error => style::error("error"),
        };
        let pad = match self.level {
            CheckLevel::Ok => "     ",
            CheckLevel::Warning => "",
            CheckLevel::Error => "  ",
        };
        let mut text = format!("  {word}{pad}  {}: {}\n", self.subject, self.message);
        if let Some(hint) = &self.hint {
            text += &format!("           hint: {hint}\n");
        }
        for command in &self.commands {
            text += &format!("           # {command}\n");
        }
        text
    }
}

/// Adds a check to those of a report.
fn add<'a>(
    checks: &'a mut Vec<PreflightCheck>,
    level: CheckLevel,
    subject: &str,
    message: String,
) -> &'a mut PreflightCheck {
    let at = checks.len();
    checks.push(PreflightCheck::new(level, subject, message));
    &mut checks[at]
}

impl ClusterReport {
    pub(super) fn add(
        &mut self,
        level: CheckLevel,
        subject: &str,
        message: String,
    ) -> &mut PreflightCheck {
        add(&mut self.checks, level, subject, message)
    }

    pub(super) fn failed(&mut self, subject: &str, error: &PveError) {
        let hint = error.hint();
        self.add(CheckLevel::Error, subject, chain(error)).hint = hint;
    }

    /// True if something is wrong.
    pub(in crate::cli) fn has_errors(&self) -> bool {
        has_errors(&self.checks)
    }

    fn text(&self) -> String {
        let checks = self.checks.iter().map(PreflightCheck::text);
        format!("cluster {}\n{}", self.cluster, checks.collect::<String>())
    }
}

impl NodeReport {
    pub(super) fn add(
        &mut self,
        level: CheckLevel,
        subject: &str,
        message: String,
    ) -> &mut PreflightCheck {
        add(&mut self.checks, level, subject, message)
    }

    pub(super) fn failed(&mut self, subject: &str, error: &BucketError) {
        let hint = error.hint().map(str::to_owned);
        self.add(CheckLevel::Error, subject, chain(error)).hint = hint;
    }

    /// True if something is wrong.
    pub(in crate::cli) fn has_errors(&self) -> bool {
        has_errors(&self.checks)
    }

    fn text(&self) -> String {
        let checks = self.checks.iter().map(PreflightCheck::text);
        let (node, bucket) = (&self.node, &self.bucket);
        format!("node {node}, {bucket}\n{}", checks.collect::<String>())
    }
}

impl StoreReport {
    pub(super) fn add(
        &mut self,
        level: CheckLevel,
        subject: &str,
        message: String,
    ) -> &mut PreflightCheck {
        add(&mut self.checks, level, subject, message)
    }

    pub(super) fn failed(&mut self, subject: &str, error: &BucketError) {
        let hint = error.hint().map(str::to_owned);
        self.add(CheckLevel::Error, subject, chain(error)).hint = hint;
    }

    fn text(&self) -> String {
        let checks = self.checks.iter().map(PreflightCheck::text);
        format!("store {}\n{}", self.store, checks.collect::<String>())
    }
}

impl OnlineReport {
    /// True if something is wrong.
    pub(in crate::cli) fn has_errors(&self) -> bool {
        self.checks()
            .any(|(_, check)| check.level == CheckLevel::Error)
    }

    /// Each check, and at what.
    pub(in crate::cli) fn checks(&self) -> impl Iterator<Item = (String, &PreflightCheck)> {
        let clusters = self.clusters.iter().flat_map(|report| {
            let at = format!("cluster {}", report.cluster);
            report.checks.iter().map(move |check| (at.clone(), check))
        });
        let nodes = self.nodes.iter().flat_map(|report| {
            let at = format!("node {}", report.node);
            report.checks.iter().map(move |check| (at.clone(), check))
        });
        let store = self.store.iter().flat_map(|report| {
            let at = format!("store {}", report.store);
            report.checks.iter().map(move |check| (at.clone(), check))
        });
        clusters.chain(nodes).chain(store)
    }

    /// The lines for people.
    pub(in crate::cli) fn text(&self) -> String {
        let clusters = self.clusters.iter().map(ClusterReport::text);
        clusters
            .chain(self.nodes.iter().map(NodeReport::text))
            .chain(self.store.iter().map(StoreReport::text))
            .collect()
    }
}

fn has_errors(checks: &[PreflightCheck]) -> bool {
    checks.iter().any(|check| check.level == CheckLevel::Error)
}
