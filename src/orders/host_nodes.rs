//! Which nodes an entry of `hosts` means: by address, by name, by label.

use std::borrow::Cow;

use super::file::HostShape;
use crate::model::{
    ClusterGroup, ClusterName, Inventory, InventoryNode, Login, Node, NodeId, Reach,
};
use crate::yaml::{At, NodeRef, ProblemReport, one_of, shown};

/// A node as the inventory has it, or one that only the order names.
type HostNode<'a> = Cow<'a, InventoryNode>;

/// The nodes that an entry means.
pub(super) enum MeantNodes<'a> {
    Known(Vec<HostNode<'a>>),
    /// Only one of these clusters can know them, and none was asked.
    Awaited {
        name: String,
        /// Where it is one and no group.
        node: Option<NodeId>,
        clusters: Vec<ClusterName>,
    },
}

/// The nodes that a host means.
pub(super) fn meant<'a>(
    inventory: &'a Inventory,
    place: NodeRef,
    shape: &HostShape,
    report: &mut ProblemReport<'_>,
) -> Option<MeantNodes<'a>> {
    let ways = [
        ("host", shape.host.as_ref()),
        ("local", shape.local.as_ref()),
        ("node", shape.node.as_ref()),
        ("group", shape.group.as_ref()),
    ];
    let mut given = ways
        .into_iter()
        .filter_map(|(key, text)| text.map(|text| (key, text)));
    let Some((way, text)) = given.next() else {
        report.missing(
            place,
            "host",
            "each entry needs one of host, local, node and group",
        );
        return None;
    };
    if let Some((other, text)) = given.next() {
        report.at(
            text.place,
            format!("`{other}` and `{way}` are mutually exclusive: an entry has one destination"),
        );
        return None;
    }
    if !report.fits_a_line(text) {
        return None;
    }
    if way != "host" && !refuse_login(shape, way, report) {
        return None;
    }
    let one = |node| MeantNodes::Known(vec![node]);
    match way {
        "host" => ssh(inventory, text, shape, report).map(one),
        "local" => local(inventory, text, report).map(one),
        "node" => named(inventory, text, report),
        _ => group(inventory, text, report),
    }
}

fn ssh<'a>(
    inventory: &'a Inventory,
    text: &At<String>,
    shape: &HostShape,
    report: &mut ProblemReport<'_>,
) -> Option<HostNode<'a>> {
    // A local node of the inventory may have a name that is no host.
    if let Ok(id) = text.value.parse::<NodeId>()
        && let Some(entry) = inventory.by_name(&id)
        && shape.user.is_none()
        && shape.port.is_none()
    {
        return Some(Cow::Borrowed(entry));
    }
    let login: Login = report.parse(text)?;
    let user = match (&login.user, &shape.user) {
        (first, None) => first.clone(),
        (None, Some(text)) => Some(text.value.parse().ok()?),
        (Some(first), Some(text)) => {
            if first.to_string() != text.value {
                report.at(
                    text.place,
                    format!(
                        "the host already sets the login {first}; here it is {:?}",
                        text.value
                    ),
                );
                return None;
            }
            Some(first.clone())
        }
    };
    let reach = Reach::Ssh {
        host: login.host.clone(),
        user,
        port: shape.port.as_ref().map(|at| at.value),
    };
    if let Some(entry) = inventory.by_address(&reach) {
        return Some(Cow::Borrowed(entry));
    }
    let named = login.host.as_str().parse::<NodeId>().ok();
    if let Some(entry) = named.and_then(|id| inventory.by_name(&id)) {
        if agrees(&entry.node.reach, &reach) {
            return Some(Cow::Borrowed(entry));
        }
        report.at_with_hint(
            text.place,
            format!(
                "the node {} is defined in the configuration as {}; here it is {}",
                entry.node.id,
                entry.node.reach.address(),
                reach.address()
            ),
            "leave out the login and the port, or change them there",
        );
        return None;
    }
    match reach.address().parse::<NodeId>() {
        Ok(id) => Some(bare(Node { id, reach })),
        Err(invalid) => {
            report.invalid(text.place, invalid);
            None
        }
    }
}

fn local<'a>(
    inventory: &'a Inventory,
    text: &At<String>,
    report: &mut ProblemReport<'_>,
) -> Option<HostNode<'a>> {
    let id: NodeId = report.parse(text)?;
    match inventory.by_name(&id) {
        Some(entry) if entry.node.reach == Reach::Local => Some(Cow::Borrowed(entry)),
        Some(entry) => {
            report.at_with_hint(
                text.place,
                format!(
                    "the node {id} of the configuration is not local, it is reached at {}",
                    entry.node.reach.address()
                ),
                "use `node:` for that node, or choose another name",
            );
            None
        }
        None => Some(bare(Node {
            id,
            reach: Reach::Local,
        })),
    }
}

fn named<'a>(
    inventory: &'a Inventory,
    text: &At<String>,
    report: &mut ProblemReport<'_>,
) -> Option<MeantNodes<'a>> {
    let id: NodeId = report.parse(text)?;
    if let Some(entry) = inventory.by_name(&id) {
        return Some(MeantNodes::Known(vec![Cow::Borrowed(entry)]));
    }
    if let Some(having) = inventory.clash(&id) {
        clashing(text, &id, having, report);
        return None;
    }
    let clusters = inventory.awaited();
    if !clusters.is_empty() {
        let name = format!("node {id}");
        let node = Some(id);
        return Some(MeantNodes::Awaited {
            name,
            node,
            clusters,
        });
    }
    let names = inventory.nodes.iter().map(|entry| entry.node.id.as_str());
    unknown("node", text, names, inventory, report);
    None
}

fn group<'a>(
    inventory: &'a Inventory,
    text: &At<String>,
    report: &mut ProblemReport<'_>,
) -> Option<MeantNodes<'a>> {
    // A label counts more than the name of a cluster: it may mean a part of it.
    let found: Vec<HostNode<'_>> = inventory.by_label(&text.value).map(Cow::Borrowed).collect();
    if !found.is_empty() {
        return Some(MeantNodes::Known(found));
    }
    match inventory.cluster_group(&text.value) {
        ClusterGroup::Nodes(nodes) if nodes.is_empty() => {
            let message = format!("the cluster {} has no nodes", shown(&text.value));
            report.at(text.place, message);
            None
        }
        ClusterGroup::Nodes(nodes) => {
            let nodes = nodes.into_iter().map(Cow::Borrowed);
            Some(MeantNodes::Known(nodes.collect()))
        }
        ClusterGroup::Awaited => Some(MeantNodes::Awaited {
            name: format!("group {}", text.value),
            node: None,
            clusters: text.value.parse().ok().into_iter().collect(),
        }),
        ClusterGroup::Clash(id, having) => {
            clashing(text, id, having, report);
            None
        }
        ClusterGroup::None => {
            let labels = inventory.nodes.iter().flat_map(|entry| &entry.labels);
            let of_nodes = inventory
                .nodes
                .iter()
                .filter_map(|entry| entry.cluster.as_ref());
            let clusters = inventory.discovered.keys().chain(of_nodes);
            let labels = labels.map(String::as_str);
            let mut known: Vec<&str> = labels.chain(clusters.map(ClusterName::as_str)).collect();
            known.sort_unstable();
            known.dedup();
            unknown("group", text, known.into_iter(), inventory, report);
            None
        }
    }
}

/// A name that is two nodes.
fn clashing(
    text: &At<String>,
    id: &NodeId,
    having: &[ClusterName],
    report: &mut ProblemReport<'_>,
) {
    let names: Vec<&str> = having.iter().map(ClusterName::as_str).collect();
    let (message, hint) = match names.as_slice() {
        [cluster] => (
            format!(
                "{id} is a node of the cluster {cluster}, and another one under `nodes:` in the \
                 configuration"
            ),
            format!("add `cluster: {cluster}` to it there if both are the same, or rename it"),
        ),
        names => (
            format!("{id} is a node of the clusters {}", names.join(" and ")),
            format!(
                "give each a name of its own under `nodes:` in the configuration, with `cluster` \
                 and `pve_name: {id}`"
            ),
        ),
    };
    report.at_with_hint(text.place, message, hint);
}

/// True if a login and port, as far as they are given, are those of a node.
fn agrees(node: &Reach, given: &Reach) -> bool {
    let (
        Reach::Ssh { user, port, .. },
        Reach::Ssh {
            user: given_user,
            port: given_port,
            ..
        },
    ) = (node, given)
    else {
        return false;
    };
    (given_user.is_none() || given_user == user) && (given_port.is_none() || given_port == port)
}

fn bare(node: Node) -> HostNode<'static> {
    Cow::Owned(InventoryNode::bare(node))
}

/// False, and reported, where a login or port stands beside something that is
/// not a host.
fn refuse_login(shape: &HostShape, way: &str, report: &mut ProblemReport<'_>) -> bool {
    let login = [
        ("user", shape.user.as_ref().map(|at| at.place)),
        ("port", shape.port.as_ref().map(|at| at.place)),
    ];
    let mut fits = true;
    for (key, place) in login {
        if let Some(place) = place {
            fits = false;
            report.at(
                place,
                format!("`{key}` cannot be combined with `{way}`, only with `host`"),
            );
        }
    }
    fits
}

fn unknown<'a>(
    what: &str,
    text: &At<String>,
    words: impl Iterator<Item = &'a str>,
    inventory: &Inventory,
    report: &mut ProblemReport<'_>,
) {
    let words: Vec<&str> = words.collect();
    let known = match words.len() {
        0 => "the configuration defines none".to_owned(),
        // A long inventory would drown the message.
        1..=12 => format!("known: {}", words.join(", ")),
        more => format!("known: {}, … ({more})", words[..12].join(", ")),
    };
    let hint = match one_of(&text.value, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None if what == "group" => {
            "a group is a label under `nodes:` in the configuration, or the name of a cluster"
                .to_owned()
        }
        None if !inventory.discovered.is_empty() => {
            "nodes are those of the clusters, and those under `nodes:` in the configuration"
                .to_owned()
        }
        None => "nodes are defined under `nodes:` in the configuration".to_owned(),
    };
    report.at_with_hint(
        text.place,
        format!("{what} {} is not known; {known}", shown(&text.value)),
        hint,
    );
}
