//! What was found at a cluster, for people and for programs.

use schemars::JsonSchema;
use serde::Serialize;

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

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct PreflightCheck {
    /// How it is.
    pub level: CheckLevel,
    /// What was looked at: an endpoint, a node, a storage, the token.
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

impl ClusterReport {
    pub(super) fn add(
        &mut self,
        level: CheckLevel,
        subject: &str,
        message: String,
    ) -> &mut PreflightCheck {
        let at = self.checks.len();
        self.checks.push(PreflightCheck {
            level,
            subject: subject.to_owned(),
            message,
            hint: None,
            commands: Vec::new(),
        });
        &mut self.checks[at]
    }

    pub(super) fn failed(&mut self, subject: &str, error: &PveError) {
        let hint = error.hint();
        self.add(CheckLevel::Error, subject, chain(error)).hint = hint;
    }

    /// True if something is wrong.
    pub(in crate::cli) fn has_errors(&self) -> bool {
        let mut checks = self.checks.iter();
        checks.any(|check| check.level == CheckLevel::Error)
    }

    /// The lines for people.
    pub(in crate::cli) fn text(&self) -> String {
        let mut text = format!("cluster {}\n", self.cluster);
        for check in &self.checks {
            let word = match check.level {
                CheckLevel::Ok => "ok".to_owned(),
                CheckLevel::Warning => style::warning("warning"),
                CheckLevel::Error => style::error("error"),
            };
            let pad = match check.level {
                CheckLevel::Ok => "     ",
                CheckLevel::Warning => "",
                CheckLevel::Error => "  ",
            };
            text += &format!("  {word}{pad}  {}: {}\n", check.subject, check.message);
            if let Some(hint) = &check.hint {
                text += &format!("           hint: {hint}\n");
            }
            for command in &check.commands {
                text += &format!("           # {command}\n");
            }
        }
        text
    }
}
