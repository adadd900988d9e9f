//! The `clusters:` of the configuration: how the API of Proxmox VE is reached.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::cluster_shape::ClusterShape;
use super::file::FactoryShape;
use super::inventory_shape::NodeShape;
use super::secrets::Secrets;
use super::settings::{ClusterSettings, ClusterTrust};
use super::{trust, values};
use crate::model::{
    ApiTransport, ClusterName, DiscoveredCluster, Fingerprint, ImportFormat, LoadFrom,
    NodeTransport, TokenId, UploadUse,
};
use crate::yaml::{At, NodeRef, ProblemReport, one_of};

/// What an endpoint looks like, for messages.
const EXAMPLE: &str = "https://pve-01.lan:8006";

/// The clusters that can be used; what is wrong with the others is reported, and each
/// node that names a cluster that is not there.
pub(super) fn clusters(
    shapes: &[At<ClusterShape>],
    nodes: &[At<NodeShape>],
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> BTreeMap<ClusterName, ClusterSettings> {
    let mut clusters = BTreeMap::new();
    let mut places: BTreeMap<ClusterName, NodeRef> = BTreeMap::new();
    for shape in shapes {
        let is_described = is_described(&shape.value, nodes);
        let cluster = cluster(&shape.value, shape.place, is_described, secrets, report);
        let Some(name) = &shape.value.name else {
            report.missing(shape.place, "name", "nodes use `cluster: NAME`");
            continue;
        };
        let Some(name) = report.parse::<ClusterName>(name) else {
            continue;
        };
        if let Some(first) = places.insert(name.clone(), shape.place) {
            let line = report.document().line(first);
            report.at(
                shape.place,
                format!("the cluster {name} is already defined on line {line}"),
            );
            continue;
        }
        clusters.extend(cluster.map(|cluster| (name, cluster)));
    }
    for node in nodes {
        if let Some(text) = &node.value.cluster {
            check(text, shapes, report);
        }
        if let (Some(pve_name), None) = (&node.value.pve_name, &node.value.cluster) {
            report.at_with_hint(
                pve_name.place,
                "`pve_name` needs `cluster`",
                "it is the name of the node within its cluster",
            );
        }
    }
    clusters
}

/// Reports a node whose cluster is not there.
fn check(text: &At<String>, shapes: &[At<ClusterShape>], report: &mut ProblemReport<'_>) {
    let Some(wanted) = report.parse::<ClusterName>(text) else {
        return;
    };
    let names = shapes.iter().filter_map(|shape| shape.value.name.as_ref());
    let names: Vec<&str> = names.map(|name| name.value.as_str()).collect();
    if names.contains(&wanted.as_str()) {
        return;
    }
    let hint = match one_of(&text.value, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "clusters are defined under `clusters:`".to_owned(),
    };
    report.at_with_hint(text.place, format!("cluster {wanted} is not known"), hint);
}

/// True if a node of the cluster is described.
fn is_described(shape: &ClusterShape, nodes: &[At<NodeShape>]) -> bool {
    let name = shape.name.as_ref().map(|name| &name.value);
    let mut named = nodes.iter().filter_map(|node| node.value.cluster.as_ref());
    named.any(|cluster| Some(&cluster.value) == name)
}

/// The clusters that are asked for their nodes, for the inventory.
pub(super) fn discovered(
    clusters: &BTreeMap<ClusterName, ClusterSettings>,
) -> BTreeMap<ClusterName, DiscoveredCluster> {
    let asked = clusters.iter().filter(|(_, cluster)| cluster.discover);
    asked
        .map(|(name, cluster)| {
            let discovered = DiscoveredCluster {
                transport: cluster.transport,
                site: cluster.site.clone(),
                members: None,
            };
            (name.clone(), discovered)
        })
        .collect()
}

fn cluster(
    shape: &ClusterShape,
    place: NodeRef,
    is_described: bool,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<ClusterSettings> {
    let endpoints = endpoints(shape, place, report);
    let token_id = match &shape.token_id {
        // After `=` stands the secret, and an excerpt would show it.
        Some(text) if text.value.contains('=') => {
            if let Err(invalid) = text.value.parse::<TokenId>() {
                let problem = report.document().problem(text.place, invalid.message);
                let problem = problem.hint(invalid.hint.unwrap_or_default());
                report.push(problem.without_excerpt());
            }
            None
        }
        Some(text) => report.parse::<TokenId>(text),
        None => {
            report.missing(place, "token_id", "`talos-order pve-setup` makes a token");
            None
        }
    };
    let is_named = shape.token_env.is_some() || shape.token_file.is_some();
    if !is_named {
        report.missing(
            place,
            "token_file",
            "name the file that holds the token's secret, or the environment variable with \
             `token_env`",
        );
    }
    let token = secrets.token(&shape.token_env, &shape.token_file, report);
    let trust = trust_of(shape, secrets, report);
    let words = NodeTransport::ALL.iter().map(|word| word.as_str());
    let transport = shape.transport.as_ref();
    let transport = transport.and_then(|text| report.parse_among(text, words));
    let api = api_transport(shape, report);
    Some(ClusterSettings {
        endpoints: endpoints?,
        token_id: token_id?,
        token,
        trust: trust?,
        transport: transport.unwrap_or_default(),
        discover: shape.discover.unwrap_or(!is_described),
        // Whether there is such a site is seen when all are known.
        site: shape.site.as_ref().and_then(|text| text.value.parse().ok()),
        api: api?,
    })
}

/// How images reach the nodes through the API.
fn api_transport(shape: &ClusterShape, report: &mut ProblemReport<'_>) -> Option<ApiTransport> {
    let words = UploadUse::ALL.iter().map(|word| word.as_str());
    let upload = shape.upload.as_ref();
    let upload = upload.map(|text| report.parse_among(text, words));
    let words = LoadFrom::ALL.iter().map(|word| word.as_str());
    let load_from = shape.load_from.as_ref();
    let load_from = load_from.map(|text| report.parse_among(text, words));
    let words = ImportFormat::ALL.iter().map(|word| word.as_str());
    let import_format = shape.import_format.as_ref();
    let import_format = import_format.map(|text| report.parse_among(text, words));
    let api = ApiTransport {
        upload: upload.unwrap_or(Some(UploadUse::default()))?,
        load_from: load_from.unwrap_or(Some(LoadFrom::default()))?,
        import_format: import_format.unwrap_or(Some(ImportFormat::default()))?,
    };
    if let (LoadFrom::Factory, Some(text)) = (api.load_from, &shape.upload)
        && api.upload != UploadUse::Never
    {
        report.at_with_hint(
            text.place,
            format!(
                "`upload: {}` and `load_from: factory` are mutually exclusive",
                api.upload
            ),
            "an upload sends what this machine has",
        );
        return None;
    }
    Some(api)
}

/// The clusters whose nodes load images from the factory.
pub(super) fn loading_from_factory(
    clusters: &BTreeMap<ClusterName, ClusterSettings>,
) -> BTreeSet<ClusterName> {
    let loading = clusters
        .iter()
        .filter(|(_, cluster)| cluster.api.load_from == LoadFrom::Factory);
    loading.map(|(name, _)| name.clone()).collect()
}

/// Nodes cannot log in to a factory: what they load from stands in a log.
pub(super) fn refuse_logins(
    shapes: &[At<ClusterShape>],
    factory: &FactoryShape,
    report: &mut ProblemReport<'_>,
) {
    let logins = [&factory.username, &factory.token_env, &factory.token_file];
    if logins.into_iter().all(Option::is_none) {
        return;
    }
    let sources = shapes
        .iter()
        .filter_map(|shape| shape.value.load_from.as_ref());
    for text in sources.filter(|text| text.value.parse() == Ok(LoadFrom::Factory)) {
        report.at_with_hint(
            text.place,
            "nodes cannot log in to the factory",
            "the credentials would stand in the log of the node's task; use `load_from: \
             controller`",
        );
    }
}

fn endpoints(
    shape: &ClusterShape,
    place: NodeRef,
    report: &mut ProblemReport<'_>,
) -> Option<Vec<Url>> {
    let Some(list) = &shape.endpoints else {
        report.missing(
            place,
            "endpoints",
            format!("a list of URLs such as {EXAMPLE}"),
        );
        return None;
    };
    if list.value.is_empty() {
        report.at_with_hint(
            list.place,
            "the list is empty",
            format!("a URL such as {EXAMPLE}"),
        );
        return None;
    }
    let urls = list.value.iter().map(|text| endpoint(text, report));
    let urls: Vec<Option<Url>> = urls.collect();
    urls.into_iter().collect()
}

fn endpoint(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<Url> {
    let url = values::url(Some(text), EXAMPLE, report)?;
    if url.scheme() == "http" && !values::is_loopback(&url) {
        report.at_with_hint(
            text.place,
            "http would show the token to the network",
            format!("a URL such as {EXAMPLE}"),
        );
        return None;
    }
    if url.path() != "/" {
        report.at_with_hint(
            text.place,
            format!("{:?} has a path; expected https://HOST:8006", text.value),
            "leave out what follows the port",
        );
        return None;
    }
    Some(url)
}

fn trust_of(
    shape: &ClusterShape,
    secrets: &Secrets<'_>,
    report: &mut ProblemReport<'_>,
) -> Option<ClusterTrust> {
    match (&shape.ca_file, &shape.fingerprint) {
        (None, None) => Some(ClusterTrust::System),
        (Some(_), Some(text)) => {
            report.at_with_hint(
                text.place,
                "`fingerprint` and `ca_file` are mutually exclusive",
                "a fingerprint replaces the check of authority and host name",
            );
            None
        }
        (None, Some(text)) => report
            .parse::<Fingerprint>(text)
            .map(ClusterTrust::Fingerprint),
        (Some(file), None) => match trust::authorities(file, secrets, report) {
            Some((path, pem)) => Some(ClusterTrust::Authorities { path, pem }),
            // Where a configuration is only checked, nobody is spoken to.
            None => Some(ClusterTrust::System),
        },
    }
}
