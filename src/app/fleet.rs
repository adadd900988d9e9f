//! The clusters of the configuration, as they are asked before the orders are read: which
//! nodes they have, what the API token may do there, and whose certificates end.
//!
//! What changes seldom is asked for seldom: versions once an hour, certificates once a day.
//! Each run asks for the nodes and, where orders use the API, for the privileges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout};

use super::cluster_use::ClusterUse;
use crate::config::{ClusterSettings, ClusterTrust, Settings};
use crate::error::chain;
use crate::facts::{
    ClusterLook, Clusters, EndingCertificate, KnownCertificates, Memory, MissingPrivilege,
    StoppedWork,
};
use crate::model::{ClusterName, OrderDefaults, StorageName, UploadUse};
use crate::proxmox::rights::{FetchRight, MissingRight, NeededRights};
use crate::proxmox::{
    ApiToken, CallLimits, PveApi, PveConfig, PveError, PveFeature, PveNode, PveTrust, PveVersion,
    ServedCertificate,
};

/// How long versions are believed.
const SELDOM: Duration = Duration::from_secs(3600);

/// How long, in seconds, it is believed when certificates end.
const CERTIFICATE_AGE: i64 = 24 * 3600;

/// From how many days of validity on a certificate is nothing to speak of.
pub(crate) const CERTIFICATE_DAYS: i64 = 30;

/// The clusters that can be asked.
pub(super) struct Fleet {
    clients: BTreeMap<ClusterName, PveApi>,
    seldom: Mutex<BTreeMap<ClusterName, SeldomFacts>>,
    members: Mutex<KnownMembers>,
}

/// What clusters call their nodes, and what orders fall back on with those.
#[derive(Default)]
struct KnownMembers {
    of_clusters: BTreeMap<ClusterName, BTreeSet<String>>,
    completed: Option<Arc<OrderDefaults>>,
}

/// What changes seldom.
#[derive(Debug, Clone)]
struct SeldomFacts {
    at: Instant,
    version: PveVersion,
    certificates: KnownCertificates,
}

impl Fleet {
    /// # Errors
    /// When the client of a cluster cannot be made.
    pub(super) fn new(settings: &Settings) -> Result<Self, (ClusterName, Box<PveError>)> {
        let mut clients = BTreeMap::new();
        let is_served = |cluster: &ClusterSettings| match (&settings.fleet, &cluster.site) {
            (Some(fleet), Some(site)) => fleet.sites.contains(site),
            _ => true,
        };
        let served = settings.clusters.iter();
        for (name, cluster) in served.filter(|(_, cluster)| is_served(cluster)) {
            if let Some(client) = client(settings, cluster) {
                let client = client.map_err(|error| (name.clone(), Box::new(error)))?;
                clients.insert(name.clone(), client);
            }
        }
        Ok(Self {
            clients,
            seldom: Mutex::default(),
            members: Mutex::default(),
        })
    }

    /// The client of a cluster.
    pub(super) fn client(&self, name: &ClusterName) -> Option<&PveApi> {
        self.clients.get(name)
    }

    /// What orders fall back on, with the nodes of clusters as far as they are known.
    pub(super) fn defaults(&self, settings: &Settings) -> Arc<OrderDefaults> {
        let mut known = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let KnownMembers {
            of_clusters,
            completed,
        } = &mut *known;
        let made = || {
            Arc::new(OrderDefaults {
                inventory: settings.orders.inventory.discovering(of_clusters),
                ..settings.orders.clone()
            })
        };
        Arc::clone(completed.get_or_insert_with(made))
    }

    /// Notes what clusters call their nodes.
    pub(super) fn note(&self, told: &BTreeMap<ClusterName, BTreeSet<String>>) {
        let mut known = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, own) in told {
            if known.of_clusters.get(name) != Some(own) {
                known.of_clusters.insert(name.clone(), own.clone());
                known.completed = None;
            }
        }
    }

    /// Asks all clusters for their nodes, at once. One that does not answer keeps those of
    /// its last answer.
    pub(super) async fn survey(
        &self,
        settings: &Settings,
        memory: &Memory,
        now: Timestamp,
    ) -> Clusters {
        self.note(&memory.members);
        let asked = self.clients.iter().map(|(name, api)| async move {
            let limit = settings.limits.look;
            let (look, members) = match timeout(limit, api.nodes()).await {
                // The one that answers is always among them.
                Ok(Ok(nodes)) if nodes.is_empty() => (
                    failed("it answered with a list of no nodes".to_owned()),
                    None,
                ),
                Ok(Ok(nodes)) => {
                    let fresh = memory.certificates.get(name).filter(|known| {
                        let age = now.as_second() - known.asked_at.as_second();
                        (0..CERTIFICATE_AGE).contains(&age) && !learns_pins(settings, name)
                    });
                    let seldom = self.seldom(name, settings, api, (&nodes, fresh, now));
                    // Less is known without it, and that is all.
                    let seldom = timeout(limit, seldom).await.ok().flatten();
                    let names = nodes.into_iter().map(|node| node.name);
                    let version = seldom.as_ref().map(|seldom| seldom.version);
                    let is_old = |version: &PveVersion| !version.has(PveFeature::DiskImages);
                    let look = ClusterLook {
                        no_disks: version.filter(is_old).map(|version| version.to_string()),
                        ending: ending(seldom.as_ref(), now),
                        certificates: seldom.map(|seldom| seldom.certificates),
                        ..ClusterLook::default()
                    };
                    (look, Some(names.collect::<BTreeSet<_>>()))
                }
                Ok(Err(error)) => (failed(said(&error)), None),
                Err(_) => (
                    failed(format!("no answer within {} s", limit.as_secs())),
                    None,
                ),
            };
            (name.clone(), look, members)
        });
        let mut clusters = Clusters::new();
        let mut told = BTreeMap::new();
        for (name, look, members) in join_all(asked).await {
            told.extend(members.map(|members| (name.clone(), members)));
            clusters.insert(name, look);
        }
        self.note(&told);
        let known = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, look) in &mut clusters {
            look.members = known.of_clusters.get(name).cloned();
        }
        clusters
    }

    /// Versions and certificates; the latter are trusted from now on where certificates are
    /// pinned.
    async fn seldom(
        &self,
        name: &ClusterName,
        settings: &Settings,
        api: &PveApi,
        (nodes, fresh, now): (&[PveNode], Option<&KnownCertificates>, Timestamp),
    ) -> Option<SeldomFacts> {
        {
            let known = self.seldom.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(name).filter(|known| known.at.elapsed() < SELDOM) {
                return Some(known.clone());
            }
        }
        let certificates = async {
            match fresh {
                Some(known) => known.clone(),
                None => ends(&api.certificates(nodes).await, settings, name, now),
            }
        };
        let (version, certificates) = tokio::join!(api.version(), certificates);
        let found = SeldomFacts {
            at: Instant::now(),
            version: version.ok()?,
            certificates,
        };
        let mut known = self.seldom.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.clone(), found.clone());
        Some(found)
    }

    /// Adds what the token lacks for the orders: one request to each cluster that is used.
    pub(super) async fn add_rights(
        &self,
        clusters: &mut Clusters,
        settings: &Settings,
        used: impl Fn(&ClusterName) -> ClusterUse,
    ) {
        let asked = clusters.iter_mut().map(|(name, look)| {
            let used = used(name);
            look.is_named = used.is_named;
            async move {
                if look.failure.is_some() || used.storages.is_empty() {
                    return;
                }
                let Some(api) = self.clients.get(name) else {
                    return;
                };
                let asked = api.granted_everywhere();
                let granted = match timeout(settings.limits.look, asked).await {
                    Ok(Ok(granted)) => granted,
                    Ok(Err(error)) => {
                        look.rights_unknown = Some(said(&error));
                        return;
                    }
                    Err(_) => {
                        look.rights_unknown = Some("no answer in time".to_owned());
                        return;
                    }
                };
                let version = {
                    let known = self.seldom.lock().unwrap_or_else(PoisonError::into_inner);
                    known.get(name).map(|known| known.version)
                };
                let mut need = used.need(version.map_or(FetchRight::default(), FetchRight::of));
                need.nodes = used.api_nodes.iter().cloned().collect();
                let missing = granted.missing(&NeededRights::of(&need), api.token());
                let missing = MissingRight::over_nodes(missing, need.nodes.len(), api.token());
                let cluster = settings.clusters.get(name);
                let upload = cluster
                    .map(|cluster| cluster.api.upload)
                    .unwrap_or_default();
                look.missing = missing
                    .into_iter()
                    .map(|missing| missing_privilege(missing, api.token(), upload))
                    .collect();
            }
        });
        join_all(asked.collect::<Vec<_>>()).await;
    }
}

/// The client of a cluster; `None` where its secret was not read, since nobody is asked then.
fn client(settings: &Settings, cluster: &ClusterSettings) -> Option<Result<PveApi, PveError>> {
    let secret = cluster.token.as_ref()?;
    // Of characters that no header takes: refused when it was read.
    let token = ApiToken::new(cluster.token_id.as_str(), secret).ok()?;
    Some(PveApi::new(&PveConfig {
        endpoints: cluster.endpoints.clone(),
        token,
        trust: match &cluster.trust {
            ClusterTrust::System => PveTrust::System,
            ClusterTrust::Authorities { path, pem } => PveTrust::Authorities {
                path: path.clone(),
                pem: pem.clone(),
            },
            ClusterTrust::Fingerprint(pin) => PveTrust::Pins([*pin].into()),
        },
        limits: CallLimits {
            connect: settings.limits.connect,
            ..CallLimits::default()
        },
    }))
}

fn failed(why: String) -> ClusterLook {
    ClusterLook {
        failure: Some(why),
        ..ClusterLook::default()
    }
}

fn said(error: &PveError) -> String {
    match error.hint() {
        Some(hint) => format!("{}; hint: {hint}", chain(error)),
        None => chain(error),
    }
}

/// The pins of other endpoints are learned in each process: a file is not asked whom to
/// trust.
fn learns_pins(settings: &Settings, name: &ClusterName) -> bool {
    settings.clusters.get(name).is_some_and(|cluster| {
        matches!(cluster.trust, ClusterTrust::Fingerprint(_)) && cluster.endpoints.len() > 1
    })
}

/// When certificates end.
fn ends(
    served: &[ServedCertificate],
    settings: &Settings,
    name: &ClusterName,
    now: Timestamp,
) -> KnownCertificates {
    let trust = settings.clusters.get(name).map(|cluster| &cluster.trust);
    let is_pinned =
        |served: &&ServedCertificate| trust == Some(&ClusterTrust::Fingerprint(served.fingerprint));
    let until = served.iter();
    let until = until.filter_map(|served| Some((served.node.clone(), served.not_after?)));
    let pinned = served.iter().filter(is_pinned);
    KnownCertificates {
        asked_at: now,
        until: until.collect(),
        pinned: pinned.map(|served| served.node.clone()).collect(),
    }
}

/// The certificates that end soon or have ended.
fn ending(seldom: Option<&SeldomFacts>, now: Timestamp) -> Vec<EndingCertificate> {
    let soon = now + SignedDuration::from_hours(24 * CERTIFICATE_DAYS);
    let Some(known) = seldom.map(|seldom| &seldom.certificates) else {
        return Vec::new();
    };
    let ending = known.until.iter().filter(|(_, until)| **until < soon);
    ending
        .map(|(node, until)| EndingCertificate {
            node: node.clone(),
            until: *until,
            is_pinned: known.pinned.contains(node),
        })
        .collect()
}

fn missing_privilege(missing: MissingRight, token: &str, upload: UploadUse) -> MissingPrivilege {
    let stops = stopped(&missing, upload);
    MissingPrivilege {
        token: token.to_owned(),
        command: missing.commands.last().cloned().unwrap_or_default(),
        role: missing.role.name.to_owned(),
        privileges: missing
            .privileges
            .iter()
            .map(|&one| one.to_owned())
            .collect(),
        path: missing.path,
        stops,
    }
}

/// What cannot be done without a privilege. With two ways for images, neither has to work.
fn stopped(missing: &MissingRight, upload: UploadUse) -> StoppedWork {
    let has = |privilege| missing.privileges.contains(&privilege);
    let is_of_templates =
        |privilege: &&str| privilege.starts_with("VM.") && *privilege != "VM.Audit";
    let is_for_templates = has("Datastore.AllocateSpace")
        || has("SDN.Use")
        || missing.privileges.iter().any(is_of_templates);
    // Each role has its own uses, so what is missing for templates is all for them.
    if is_for_templates {
        return StoppedWork::Templates;
    }
    if let Some(storage) = missing.path.strip_prefix("/storage/") {
        let Ok(storage) = storage.parse::<StorageName>() else {
            return StoppedWork::Nothing;
        };
        return match has("Datastore.Allocate") {
            true => StoppedWork::PruningFrom(storage),
            false => StoppedWork::DeliveriesTo(storage),
        };
    }
    if missing.path == "/vms" {
        return StoppedWork::Pruning;
    }
    let is_for_fetch = has("Sys.AccessNetwork") || has("Sys.Modify");
    match (upload, is_for_fetch) {
        (UploadUse::Never, true) | (UploadUse::Always, false) => {
            let node = missing.path.strip_prefix("/nodes/");
            StoppedWork::Deliveries(node.map(str::to_owned))
        }
        _ => StoppedWork::Nothing,
    }
}
