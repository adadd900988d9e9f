//! `validate --online`: asks each cluster of the configuration whether it has and allows
//! what the orders need. Nothing is changed there.

use jiff::Timestamp;
use serde::Serialize;

use super::pve_use::{ClusterUse, StorageUse};
use super::{out, style};
use crate::config::{ClusterSettings, ClusterTrust, Settings};
use crate::error::chain;
use crate::model::{ImageContent, OrderSet, StorageName};
use crate::proxmox::rights::{FetchRight, Need, NeededRights};
use crate::proxmox::{
    ApiToken, CallLimits, NodeHealth, PveApi, PveConfig, PveError, PveNode, PveStorage, PveTrust,
    PveVersion,
};

/// From how many days of validity on a certificate is no reason to warn.
const CERTIFICATE_DAYS: i64 = 30;

/// What was found at a cluster.
#[derive(Debug, Serialize)]
pub(super) struct ClusterReport {
    /// Its name in the configuration.
    pub cluster: String,
    /// Each thing that was looked at.
    pub checks: Vec<PreflightCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct PreflightCheck {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CheckLevel {
    Ok,
    Warning,
    Error,
}

impl ClusterReport {
    fn add(&mut self, level: CheckLevel, subject: &str, message: String) -> &mut PreflightCheck {
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

    fn failed(&mut self, subject: &str, error: &PveError) {
        let hint = error.hint();
        self.add(CheckLevel::Error, subject, chain(error)).hint = hint;
    }

    /// True if something is wrong.
    pub(super) fn has_errors(&self) -> bool {
        let mut checks = self.checks.iter();
        checks.any(|check| check.level == CheckLevel::Error)
    }

    /// The lines for people.
    pub(super) fn text(&self) -> String {
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

/// Asks all clusters, one after the other.
pub(super) async fn check(settings: &Settings, orders: &OrderSet) -> Vec<ClusterReport> {
    let mut reports = Vec::new();
    for (name, cluster) in &settings.clusters {
        let used = ClusterUse::of(settings, orders, Some(name));
        let mut report = ClusterReport {
            cluster: name.to_string(),
            checks: Vec::new(),
        };
        if let Some((api, oldest)) = endpoints(cluster, &mut report).await {
            nodes(&api, &used, &mut report).await;
            storages(&api, &used, &mut report).await;
            rights(&api, oldest, &used, &mut report).await;
        }
        reports.push(report);
    }
    reports
}

/// Asks each endpoint by itself. The first that answers is asked for everything else;
/// with it comes the oldest version.
async fn endpoints(
    cluster: &ClusterSettings,
    report: &mut ClusterReport,
) -> Option<(PveApi, PveVersion)> {
    let mut first: Option<(PveApi, PveVersion)> = None;
    for url in &cluster.endpoints {
        let subject = url.as_str().trim_end_matches('/');
        let api = match api(cluster, url.clone()) {
            Ok(api) => api,
            Err(message) => {
                report.add(CheckLevel::Error, subject, message);
                continue;
            }
        };
        match api.version().await {
            Ok(version) => {
                certificate(&api, subject, version, report).await;
                first = match first {
                    Some((first, oldest)) => Some((first, oldest.min(version))),
                    None => Some((api, version)),
                };
            }
            Err(error) => report.failed(subject, &error),
        }
    }
    first
}

/// A client of one endpoint, or why there is none.
fn api(cluster: &ClusterSettings, url: url::Url) -> Result<PveApi, String> {
    let secret = cluster.token.clone().unwrap_or_default();
    let token = ApiToken::new(cluster.token_id.as_str(), &secret);
    let config = PveConfig {
        endpoints: vec![url],
        token: token.map_err(|invalid| invalid.message)?,
        trust: match &cluster.trust {
            ClusterTrust::System => PveTrust::System,
            ClusterTrust::Authorities { path, pem } => PveTrust::Authorities {
                path: path.clone(),
                pem: pem.clone(),
            },
            ClusterTrust::Fingerprint(pin) => PveTrust::Pins([*pin].into()),
        },
        limits: CallLimits::default(),
    };
    PveApi::new(&config).map_err(|error| chain(&error))
}

/// How long the certificate of the node that answers is valid.
async fn certificate(api: &PveApi, subject: &str, version: PveVersion, report: &mut ClusterReport) {
    let served = match api.cluster_state().await {
        Ok(state) => match state.local {
            Some(node) => api.served_certificate(&node).await.map(Some),
            None => Ok(None),
        },
        Err(error) => Err(error),
    };
    let known = served.map(|served| served.and_then(|served| served.not_after));
    let mut is_ending = false;
    let (level, message) = match known {
        Ok(Some(end)) => {
            let days = (end.as_second() - Timestamp::now().as_second()).div_euclid(86_400);
            let level = match days {
                ..0 => CheckLevel::Error,
                0..CERTIFICATE_DAYS => CheckLevel::Warning,
                _ => CheckLevel::Ok,
            };
            is_ending = level != CheckLevel::Ok;
            let valid = match u64::try_from(days) {
                Ok(days) => {
                    let days = usize::try_from(days).unwrap_or(usize::MAX);
                    format!("certificate is valid for {}", out::counted(days, "day"))
                }
                Err(_) => "certificate has expired".to_owned(),
            };
            (level, valid)
        }
        Ok(None) => (CheckLevel::Ok, "certificate unknown".to_owned()),
        Err(error) => (
            CheckLevel::Warning,
            format!("certificate unknown: {}", chain(&error)),
        ),
    };
    let check = report.add(level, subject, format!("Proxmox VE {version}, {message}"));
    if is_ending {
        check.hint = Some(
            "`pvecm updatecerts --force` on the node renews the cluster's own; a `fingerprint` \
             in the configuration changes with it"
                .to_owned(),
        );
    }
}

async fn nodes(api: &PveApi, used: &ClusterUse, report: &mut ClusterReport) {
    let known = match api.nodes().await {
        Ok(known) => known,
        Err(error) => return report.failed("nodes", &error),
    };
    for name in &used.nodes {
        let subject = format!("node {name}");
        let found = known.iter().find(|node| node.name == *name);
        match found.map(|node| node.health) {
            Some(NodeHealth::Online) => {
                report.add(CheckLevel::Ok, &subject, "online".to_owned());
            }
            Some(NodeHealth::Offline | NodeHealth::Unknown) => {
                report.add(CheckLevel::Warning, &subject, "not online".to_owned());
            }
            None => {
                let names: Vec<&str> = known.iter().map(|node: &PveNode| &*node.name).collect();
                let names = names.join(", ");
                let message = format!("not in the cluster; its nodes are {names}");
                report.add(CheckLevel::Error, &subject, message).hint = Some(
                    "set `pve_name` to its name there, or `cluster` to another one".to_owned(),
                );
            }
        }
    }
}

async fn storages(api: &PveApi, used: &ClusterUse, report: &mut ClusterReport) {
    if used.storages.is_empty() {
        return;
    }
    let known = match api.storages().await {
        Ok(known) => known,
        Err(error) => return report.failed("storages", &error),
    };
    for (name, wanted) in &used.storages {
        let subject = format!("storage {name}");
        let Some(found) = known.iter().find(|one| one.name == name.as_str()) else {
            let message = "it does not exist, or the token may not see it";
            report
                .add(CheckLevel::Error, &subject, message.to_owned())
                .hint = Some("`pvesm status` on a node lists all storages".to_owned());
            continue;
        };
        if is_fit(name, found, wanted, &subject, report) {
            active(api, name, wanted, &subject, report).await;
        }
    }
}

/// Whether a storage is configured for what it is used for.
fn is_fit(
    name: &StorageName,
    found: &PveStorage,
    wanted: &StorageUse,
    subject: &str,
    report: &mut ClusterReport,
) -> bool {
    let before = report.checks.len();
    if found.disabled {
        let check = report.add(CheckLevel::Error, subject, "it is disabled".to_owned());
        check.commands = vec![format!("pvesm set {name} --disable 0")];
    }
    let contents = wanted.contents.iter().map(|content| content.name());
    let missing: Vec<&str> = contents
        .filter(|content| !found.content.iter().any(|one| one == content))
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "it does not have the content type {}; enabled: {}",
            missing.join(", "),
            found.content.join(", ")
        );
        let all: Vec<&str> = found.content.iter().map(String::as_str).collect();
        let all = [all, missing].concat().join(",");
        let check = report.add(CheckLevel::Error, subject, message);
        check.commands = vec![format!("pvesm set {name} --content {all}")];
    }
    let is_left_out = |node: &&String| !found.nodes.is_empty() && !found.nodes.contains(node);
    let left_out: Vec<&str> = wanted
        .nodes
        .iter()
        .filter(is_left_out)
        .map(|node| &**node)
        .collect();
    if !left_out.is_empty() {
        let message = format!("it is not for {}", left_out.join(", "));
        let own = found.nodes.iter().map(String::as_str);
        let all: Vec<&str> = own.chain(left_out).collect();
        let check = report.add(CheckLevel::Error, subject, message);
        check.commands = vec![format!("pvesm set {name} --nodes {}", all.join(","))];
    }
    report.checks.len() == before
}

/// Whether a storage can be used now on each node that it is used on.
async fn active(
    api: &PveApi,
    name: &StorageName,
    wanted: &StorageUse,
    subject: &str,
    report: &mut ClusterReport,
) {
    let contents: Vec<&str> = wanted
        .contents
        .iter()
        .map(|one: &ImageContent| one.name())
        .collect();
    let contents = contents.join(" and ");
    let mut active = Vec::new();
    for node in &wanted.nodes {
        match api.storage_status(node, name.as_str()).await {
            Ok(status) if status.active => active.push(node.as_str()),
            Ok(_) => {
                let message = format!("it is not active on {node}; it may not be mounted");
                report.add(CheckLevel::Warning, subject, message);
            }
            Err(error) => {
                let message = format!("its status on {node} is unknown: {}", chain(&error));
                report.add(CheckLevel::Warning, subject, message);
            }
        }
    }
    if !active.is_empty() {
        let message = format!("active on {}, takes {contents}", active.join(", "));
        report.add(CheckLevel::Ok, subject, message);
    }
}

async fn rights(api: &PveApi, oldest: PveVersion, used: &ClusterUse, report: &mut ClusterReport) {
    let storages = used.needs();
    let needed = NeededRights::of(&Need {
        usage: storages.iter().any(|storage| storage.prune),
        storages,
        discovery: true,
        nodes: Vec::new(),
        fetch_right: FetchRight::of(oldest),
        templates: used.template_needs(),
    });
    let subject = format!("token {}", api.token());
    let granted = match api.granted(&needed.paths()).await {
        Ok(granted) => granted,
        Err(error) => return report.failed(&subject, &error),
    };
    let missing = granted.missing(&needed, api.token());
    if missing.is_empty() {
        let message = "it has all privileges that are needed".to_owned();
        report.add(CheckLevel::Ok, &subject, message);
    }
    for right in missing {
        let privileges = right.privileges.join(", ");
        let message = format!("missing on {}: {privileges}", right.path);
        report.add(CheckLevel::Error, &subject, message).commands = right.commands;
    }
}
