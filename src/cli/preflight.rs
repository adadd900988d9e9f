//! `validate --online`: asks each cluster of the configuration whether it has and allows
//! what the orders need, each bucket whether it takes deliveries, and the store whether a
//! fleet can use it. Nothing is changed at clusters; buckets and a store get small objects
//! that are removed again.

mod node;
mod report;
mod store;

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::out;
pub(super) use report::{CheckLevel, ClusterReport, NodeReport, OnlineReport, StoreReport};

use crate::app::{App, CERTIFICATE_DAYS, ClusterUse, StorageUse};
use crate::config::{ClusterSettings, ClusterTrust};
use crate::error::chain;
use crate::model::{ImageContent, OrderSet, StorageName};
use crate::proxmox::rights::{FetchRight, MissingRight, NeededRights};
use crate::proxmox::{
    ApiToken, CallLimits, Fingerprint, NodeHealth, PveApi, PveConfig, PveError, PveFeature,
    PveNode, PveStorage, PveTrust, PveVersion, ServedCertificate,
};

/// Asks everybody, one after the other.
pub(super) async fn check(app: &App, orders: &OrderSet) -> OnlineReport {
    OnlineReport {
        clusters: check_clusters(app, orders).await,
        nodes: node::check_all(app, orders).await,
        store: match &app.settings().store {
            Some(settings) => Some(store::check(settings).await),
            None => None,
        },
    }
}

/// Orders were read with what the clusters said of their nodes.
async fn check_clusters(app: &App, orders: &OrderSet) -> Vec<ClusterReport> {
    let mut reports = Vec::new();
    for (name, cluster) in &app.settings().clusters {
        let used = app.cluster_use(orders, Some(name));
        let mut report = ClusterReport {
            cluster: name.to_string(),
            checks: Vec::new(),
        };
        if let Some((api, oldest)) = endpoints(cluster, &mut report).await {
            nodes(&api, &used, &mut report).await;
            storages(&api, oldest, &used, &mut report).await;
            rights(&api, oldest, &used, &mut report).await;
        }
        reports.push(report);
    }
    reports
}

/// Asks each endpoint by itself. The first that answers is asked for everything else;
/// with it comes the oldest version. Where a certificate is pinned, the first one that is
/// trusted tells of those of the others.
async fn endpoints(
    cluster: &ClusterSettings,
    report: &mut ClusterReport,
) -> Option<(PveApi, PveVersion)> {
    let mut first: Option<(PveApi, PveVersion)> = None;
    let learned = learned(cluster).await;
    for url in &cluster.endpoints {
        let subject = url.as_str().trim_end_matches('/');
        let api = match api(cluster, vec![url.clone()], &learned) {
            Ok(api) => api,
            Err(message) => {
                report.add(CheckLevel::Error, subject, message);
                continue;
            }
        };
        match api.version().await {
            Ok(version) => {
                report.add(CheckLevel::Ok, subject, format!("Proxmox VE {version}"));
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

/// The certificates that one trusted endpoint tells of; none where none is pinned.
async fn learned(cluster: &ClusterSettings) -> BTreeSet<Fingerprint> {
    if !matches!(cluster.trust, ClusterTrust::Fingerprint(_)) || cluster.endpoints.len() < 2 {
        return BTreeSet::new();
    }
    let Ok(api) = api(cluster, cluster.endpoints.clone(), &BTreeSet::new()) else {
        return BTreeSet::new();
    };
    // Each endpoint says for itself what is wrong.
    let learned = api.learn_pins().await.unwrap_or_default();
    learned
        .into_iter()
        .map(|served| served.fingerprint)
        .collect()
}

/// A client, or why there is none.
fn api(
    cluster: &ClusterSettings,
    endpoints: Vec<url::Url>,
    learned: &BTreeSet<Fingerprint>,
) -> Result<PveApi, String> {
    let secret = cluster.token.clone().unwrap_or_default();
    let token = ApiToken::new(cluster.token_id.as_str(), &secret);
    let config = PveConfig {
        endpoints,
        token: token.map_err(|invalid| invalid.message)?,
        trust: match &cluster.trust {
            ClusterTrust::System => PveTrust::System,
            ClusterTrust::Authorities { path, pem } => PveTrust::Authorities {
                path: path.clone(),
                pem: pem.clone(),
            },
            ClusterTrust::Fingerprint(pin) => {
                PveTrust::Pins(learned.iter().copied().chain([*pin]).collect())
            }
        },
        limits: CallLimits::default(),
    };
    PveApi::new(&config).map_err(|error| chain(&error))
}

/// The nodes that are described or that orders name, and the certificates of all that are
/// online.
async fn nodes(api: &PveApi, used: &ClusterUse, report: &mut ClusterReport) {
    let known = match api.nodes().await {
        Ok(known) => known,
        Err(error) => return report.failed("nodes", &error),
    };
    let served = api.certificates(&known).await;
    for name in &used.nodes {
        let subject = format!("node {name}");
        let found = known.iter().find(|node| node.name == *name);
        match found.map(|node| node.health) {
            Some(NodeHealth::Online) => {
                let of_node = served.iter().find(|served| served.node == *name);
                certificate(&subject, of_node, report);
            }
            Some(NodeHealth::Offline) => {
                let message = "offline in its cluster".to_owned();
                report.add(CheckLevel::Warning, &subject, message);
            }
            Some(NodeHealth::Unknown) => {
                let message = "its cluster does not know whether it is online".to_owned();
                report.add(CheckLevel::Warning, &subject, message);
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

/// How long the certificate of a node that is online is valid.
fn certificate(subject: &str, served: Option<&ServedCertificate>, report: &mut ClusterReport) {
    let Some(end) = served.and_then(|served| served.not_after) else {
        let message = "online, certificate unknown".to_owned();
        report.add(CheckLevel::Ok, subject, message);
        return;
    };
    let days = (end.as_second() - Timestamp::now().as_second()).div_euclid(86_400);
    let level = match days {
        ..0 => CheckLevel::Error,
        0..CERTIFICATE_DAYS => CheckLevel::Warning,
        _ => CheckLevel::Ok,
    };
    let valid = match usize::try_from(days) {
        Ok(days) => format!("certificate is valid for {}", out::counted(days, "day")),
        Err(_) => "certificate has expired".to_owned(),
    };
    let check = report.add(level, subject, format!("online, {valid}"));
    if level != CheckLevel::Ok {
        check.hint = Some(
            "`pvecm updatecerts --force` on the node renews the cluster's own; a `fingerprint` \
             in the configuration changes with it"
                .to_owned(),
        );
    }
}

async fn storages(api: &PveApi, oldest: PveVersion, used: &ClusterUse, report: &mut ClusterReport) {
    if used.storages.is_empty() && used.templates.is_empty() {
        return;
    }
    let known = match api.storages().await {
        Ok(known) => known,
        Err(error) => return report.failed("storages", &error),
    };
    for (name, wanted) in &used.storages {
        let subject = format!("storage {name}");
        let has_disks = wanted.is_api && wanted.contents.contains(&ImageContent::Import);
        if has_disks && !oldest.has(PveFeature::DiskImages) {
            let message = format!(
                "Proxmox VE {oldest} takes no disk images through the API, {} does",
                PveFeature::DiskImages.since()
            );
            report.add(CheckLevel::Error, &subject, message);
        }
        let Some(found) = known.iter().find(|one| one.name == name.as_str()) else {
            absent(&subject, &known, report);
            continue;
        };
        if is_fit(name, found, wanted, &subject, report) {
            active(api, name, wanted, &subject, report).await;
        }
    }
    for name in used.templates.keys() {
        for_disks(name, &known, report);
    }
}

fn absent(subject: &str, known: &[PveStorage], report: &mut ClusterReport) {
    let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
    let sees = match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let message = format!("it does not exist, or the token may not see it; it sees {sees}");
    report.add(CheckLevel::Error, subject, message).hint =
        Some("`pvesm status` on a node lists all storages".to_owned());
}

/// Whether a storage takes the disks of templates.
fn for_disks(name: &StorageName, known: &[PveStorage], report: &mut ClusterReport) {
    let subject = format!("storage {name}");
    let Some(found) = known.iter().find(|one| one.name == name.as_str()) else {
        return absent(&subject, known, report);
    };
    let takes_disks = found.content.iter().any(|one| one == "images");
    if found.disabled {
        let check = report.add(CheckLevel::Error, &subject, "it is disabled".to_owned());
        check.commands = vec![format!("pvesm set {name} --disable 0")];
    } else if !takes_disks {
        let message = format!(
            "it does not have the content type images, which disks of templates need; \
             enabled: {}",
            found.content.join(", ")
        );
        report.add(CheckLevel::Error, &subject, message).hint =
            Some("set another `target_storage` in the order".to_owned());
    } else {
        let message = "takes disks of templates".to_owned();
        report.add(CheckLevel::Ok, &subject, message);
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
    let subject = format!("token {}", api.token());
    if used.storages.is_empty() {
        return;
    }
    let missing = match missing(api, oldest, used).await {
        Ok(missing) => missing,
        Err(error) => return report.failed(&subject, &error),
    };
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

/// What the token lacks. Where it lacks something on all nodes together, it may have it on
/// each that is used.
async fn missing(
    api: &PveApi,
    oldest: PveVersion,
    used: &ClusterUse,
) -> Result<Vec<MissingRight>, PveError> {
    let mut need = used.need(FetchRight::of(oldest));
    let mut needed = NeededRights::of(&need);
    let granted = api.granted(&needed.paths()).await?;
    let missing = granted.missing(&needed, api.token());
    if used.api_nodes.is_empty() || !missing.iter().any(|one| one.path == "/nodes") {
        return Ok(missing);
    }
    need.nodes = used.api_nodes.iter().cloned().collect();
    needed = NeededRights::of(&need);
    let granted = api.granted(&needed.paths()).await?;
    let missing = granted.missing(&needed, api.token());
    Ok(MissingRight::over_nodes(
        missing,
        need.nodes.len(),
        api.token(),
    ))
}
