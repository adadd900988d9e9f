//! The `nodes:` of the configuration: described once, referred to by orders.

use std::collections::HashMap;

use super::cluster_shape::ClusterShape;
use super::inventory_shape::NodeShape;
use super::{api_node, bucket_nodes, values};
use crate::model::{Inventory, InventoryNode, Login, Node, NodeId, Reach, SiteName, Storage, User};
use crate::yaml::{self, At, NodeRef, ProblemReport};

/// The usable nodes; what is wrong with the others is reported.
pub(super) fn inventory(
    shapes: &[At<NodeShape>],
    clusters: &[At<ClusterShape>],
    report: &mut ProblemReport<'_>,
) -> Inventory {
    let mut nodes: Vec<InventoryNode> = Vec::new();
    let mut names: HashMap<NodeId, NodeRef> = HashMap::new();
    let mut addresses: HashMap<String, NodeId> = HashMap::new();
    for shape in shapes {
        let Some(node) = node(shape, clusters, report) else {
            continue;
        };
        if let Some(first) = names.insert(node.node.id.clone(), shape.place) {
            let line = report.document().line(first);
            report.at(
                shape.place,
                format!(
                    "the node {} is already defined on line {line}",
                    node.node.id
                ),
            );
            continue;
        }
        if node.node.reach != Reach::Local {
            let address = node.node.reach.address();
            if let Some(other) = addresses.insert(address.clone(), node.node.id.clone()) {
                report.at_with_hint(
                    shape.place,
                    format!("{address} is already the address of the node {other}"),
                    "define each machine once and give it several labels",
                );
                continue;
            }
        }
        nodes.push(node);
    }
    Inventory::new(nodes)
}

fn node(
    shape: &At<NodeShape>,
    clusters: &[At<ClusterShape>],
    report: &mut ProblemReport<'_>,
) -> Option<InventoryNode> {
    let place = shape.place;
    let shape = &shape.value;
    let iso_dir = shape.iso_dir.as_ref().map(|text| report.image_dir(text));
    let import_dir = shape.import_dir.as_ref().map(|text| report.image_dir(text));
    let iso_storage = values::storage(
        shape.iso_storage.as_ref(),
        ("iso_dir", shape.iso_dir.as_ref()),
        report,
    );
    let import_storage = values::storage(
        shape.import_storage.as_ref(),
        ("import_dir", shape.import_dir.as_ref()),
        report,
    );
    let labels = labels(shape.labels.as_deref().unwrap_or_default(), report);
    let storage = storage(shape, report);
    let vm_configs = shape
        .vm_configs
        .as_ref()
        .map(|text| values::vm_configs(text, report));
    let pve_name = shape
        .pve_name
        .as_ref()
        .map(|name| api_node::pve_name(name, report));
    let push_method = values::method(shape.push_method.as_ref(), report);
    let bandwidth_limit = values::limit(shape.bandwidth_limit.as_ref(), report);
    let Some(name) = &shape.name else {
        report.missing(place, "name", "every node needs a unique name");
        return None;
    };
    let id = report.parse::<NodeId>(name);
    let reach = if let Some(s3) = &shape.s3 {
        if shape.local == Some(true) {
            report.at(
                s3.place,
                "`local: true` cannot be combined with `s3`, a bucket",
            );
        }
        bucket_nodes::reach(shape, report)
    } else if shape.local == Some(true) {
        local(shape, report)
    } else if api_node::is_api(shape, clusters, report) {
        let pve_name = pve_name.as_ref().and_then(Option::as_deref);
        api_node::reach(shape, place, pve_name, report)
    } else {
        ssh(shape, name, id.is_some(), report)
    };
    let usual_dir = shape.s3.as_ref().and_then(|_| bucket_nodes::usual_dir());
    Some(InventoryNode {
        node: Node {
            id: id?,
            reach: reach?,
        },
        labels,
        // A directory that is given and wrong is not the same as none.
        iso_dir: match iso_dir {
            Some(dir) => Some(dir?),
            None => usual_dir.clone(),
        },
        import_dir: match import_dir {
            Some(dir) => Some(dir?),
            None => usual_dir,
        },
        iso_storage: iso_storage?,
        import_storage: import_storage?,
        create: shape.create,
        prune: shape.prune,
        storage: storage?,
        vm_configs: match vm_configs {
            Some(configs) => Some(configs?),
            None => None,
        },
        push_method,
        bandwidth_limit,
        // Whether there is such a site is seen when all are known.
        site: site(shape, clusters),
        cluster: shape
            .cluster
            .as_ref()
            .and_then(|text| text.value.parse().ok()),
        pve_name: match pve_name {
            Some(name) => Some(name?),
            None => None,
        },
    })
}

/// The site that a node names, or else its cluster.
fn site(shape: &NodeShape, clusters: &[At<ClusterShape>]) -> Option<SiteName> {
    let of_cluster = || {
        let name = &shape.cluster.as_ref()?.value;
        let is_own = |cluster: &&At<ClusterShape>| {
            let own = cluster.value.name.as_ref();
            own.is_some_and(|own| own.value == *name)
        };
        clusters.iter().find(is_own)?.value.site.as_ref()
    };
    let text = shape.site.as_ref().or_else(of_cluster)?;
    text.value.parse().ok()
}

/// `None` if what is said of the storage is refused, `Some(None)` if nothing is.
fn storage(shape: &NodeShape, report: &mut ProblemReport<'_>) -> Option<Option<Storage>> {
    let Some(name) = &shape.storage else {
        return match &shape.shared {
            Some(shared) if shared.value => {
                report.at_with_hint(
                    shared.place,
                    "`shared: true` needs `storage`, the name of the shared storage",
                    "use the same name on every node that mounts the storage",
                );
                None
            }
            _ => Some(None),
        };
    };
    if !is_word(&name.value) {
        report.at(
            name.place,
            format!(
                "{} is not a name for a storage; {WORD}",
                yaml::shown(&name.value)
            ),
        );
        return None;
    }
    Some(Some(Storage {
        name: name.value.clone(),
        shared: shape.shared.as_ref().is_some_and(|at| at.value),
    }))
}

fn local(shape: &NodeShape, report: &mut ProblemReport<'_>) -> Option<Reach> {
    let place = |text: &Option<At<String>>| text.as_ref().map(|at| at.place);
    let given = [
        ("host", place(&shape.host)),
        ("user", place(&shape.user)),
        ("port", shape.port.as_ref().map(|at| at.place)),
        ("push_method", place(&shape.push_method)),
        ("bandwidth_limit", place(&shape.bandwidth_limit)),
        ("transport", place(&shape.transport)),
    ];
    let with = "`local: true`, a directory of this machine";
    values::none_given(&given, with, report).then_some(Reach::Local)
}

fn ssh(
    shape: &NodeShape,
    name: &At<String>,
    name_is_good: bool,
    report: &mut ProblemReport<'_>,
) -> Option<Reach> {
    let user = shape
        .user
        .as_ref()
        .map(|text| (text, report.parse::<User>(text)));
    let port = port(shape.port.as_ref(), report);
    // Without a host the name is one; a bad name is reported only once.
    let login: Login = match &shape.host {
        Some(host) => report.parse(host)?,
        None if name_is_good => report.parse(name)?,
        None => return None,
    };
    let user = match (login.user, user) {
        (user, None) => user,
        (None, Some((_, user))) => Some(user?),
        (Some(first), Some((at, second))) => {
            let second = second?;
            if first != second {
                report.at(
                    at.place,
                    format!("the host already sets the login {first}; here it is {second}"),
                );
                return None;
            }
            Some(first)
        }
    };
    Some(Reach::Ssh {
        host: login.host,
        user,
        port: port?,
    })
}

/// `None` if the port is wrong, `Some(None)` if there is none.
fn port(port: Option<&At<u16>>, report: &mut ProblemReport<'_>) -> Option<Option<u16>> {
    match port {
        Some(at) if at.value == 0 => {
            report.at(at.place, "0 is not a port; expected 1 to 65535");
            None
        }
        port => Some(port.map(|at| at.value)),
    }
}

fn labels(shapes: &[At<String>], report: &mut ProblemReport<'_>) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for label in shapes {
        let text = &label.value;
        if !is_word(text) {
            report.at(label.place, format!("{text:?} is not a label; {WORD}"));
        } else if !labels.contains(text) {
            labels.push(text.clone());
        }
    }
    labels
}

/// What is accepted as a label or as the name of a storage.
const WORD: &str = "expected 1 to 64 letters, digits and . _ -";

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
