//! Which nodes an entry of `hosts` means: by address, by name, by label.

use std::borrow::Cow;

use super::file::HostShape;
use crate::model::{Inventory, InventoryNode, Login, Node, NodeId, Reach};
use crate::yaml::{At, NodeRef, ProblemReport, one_of, shown};

/// A node as the inventory has it, or one that only the order names.
type HostNode<'a> = Cow<'a, InventoryNode>;

/// The nodes that a host means.
pub(super) fn meant<'a>(
    inventory: &'a Inventory,
    place: NodeRef,
    shape: &HostShape,
    report: &mut ProblemReport<'_>,
) -> Option<Vec<HostNode<'a>>> {
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
    match way {
        "host" => ssh(inventory, text, shape, report).map(|node| vec![node]),
        "local" => local(inventory, text, report).map(|node| vec![node]),
        "node" => named(inventory, text, report).map(|node| vec![node]),
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
) -> Option<HostNode<'a>> {
    let id: NodeId = report.parse(text)?;
    let found = inventory.by_name(&id);
    if found.is_none() {
        let names = inventory.nodes.iter().map(|entry| entry.node.id.as_str());
        unknown("node", text, names, report);
    }
    found.map(Cow::Borrowed)
}

fn group<'a>(
    inventory: &'a Inventory,
    text: &At<String>,
    report: &mut ProblemReport<'_>,
) -> Option<Vec<HostNode<'a>>> {
    let found = inventory.by_label(&text.value).map(Cow::Borrowed);
    let found: Vec<HostNode<'_>> = found.collect();
    if found.is_empty() {
        let mut labels: Vec<&str> = inventory
            .nodes
            .iter()
            .flat_map(|entry| entry.labels.iter().map(String::as_str))
            .collect();
        labels.sort_unstable();
        labels.dedup();
        unknown("group", text, labels.into_iter(), report);
        return None;
    }
    Some(found)
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
    Cow::Owned(InventoryNode {
        node,
        labels: Vec::new(),
        iso_dir: None,
        import_dir: None,
        create: None,
        prune: None,
        storage: None,
        vm_configs: None,
        push_method: None,
        bandwidth_limit: None,
        site: None,
    })
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
            "a group is a label under `nodes:` in the configuration".to_owned()
        }
        None => "nodes are defined under `nodes:` in the configuration".to_owned(),
    };
    report.at_with_hint(
        text.place,
        format!("{what} {} is not known; {known}", shown(&text.value)),
        hint,
    );
}
