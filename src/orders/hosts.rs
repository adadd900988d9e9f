//! Where a position is delivered: nodes, groups of them, directories on them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::collect::Nodes;
use super::file::HostShape;
use crate::model::{Dir, Format, InventoryNode, Login, Node, NodeId, OrderDefaults, Reach, User};
use crate::yaml::{At, NodeRef, Report, TextOr, one_of};

/// A node and the directory on it that a position goes to.
pub(super) type Destination = (Node, Dir);

/// A node as the inventory has it, or one that only the order names.
type Entry<'a> = Cow<'a, InventoryNode>;

/// Everything that naming destinations depends on.
pub(super) struct Hosts<'a> {
    pub defaults: &'a OrderDefaults,
    /// The nodes that earlier positions named.
    pub nodes: &'a Nodes,
    /// What is delivered; it decides between the directories.
    pub delivered: Format,
}

/// The directories of a node as far as they are given.
#[derive(Clone, Default)]
struct Dirs {
    iso: Option<Dir>,
    import: Option<Dir>,
}

/// The destinations of a position so far; a group may be the whole fleet.
#[derive(Default)]
struct Here {
    all: Vec<Destination>,
    /// Where those of a name stand.
    by_name: BTreeMap<NodeId, Vec<usize>>,
}

impl Here {
    fn named(&self, id: &NodeId) -> impl Iterator<Item = &Destination> {
        let named = self.by_name.get(id).into_iter().flatten();
        named.map(|&at| &self.all[at])
    }

    /// Adds a destination that is not there yet.
    fn add(&mut self, destination: Destination) {
        let id = &destination.0.id;
        if !self.named(id).any(|known| *known == destination) {
            let named = self.by_name.entry(id.clone()).or_default();
            named.push(self.all.len());
            self.all.push(destination);
        }
    }
}

impl Hosts<'_> {
    /// The destinations of a list of hosts, each once, in the order written.
    pub fn destinations(
        &self,
        hosts: &[At<TextOr<HostShape>>],
        report: &mut Report<'_>,
    ) -> Vec<Destination> {
        let mut here = Here::default();
        for host in hosts {
            for destination in self.host(host, report).unwrap_or_default() {
                self.check_name(&destination.0, &here, host.place, report);
                here.add(destination);
            }
        }
        here.all
    }

    /// `None` where the host is refused.
    fn host(
        &self,
        at: &At<TextOr<HostShape>>,
        report: &mut Report<'_>,
    ) -> Option<Vec<Destination>> {
        let short;
        let shape = match &at.value {
            TextOr::Map(shape) => shape,
            TextOr::Text(text) => {
                short = HostShape {
                    host: Some(At {
                        place: at.place,
                        value: text.clone(),
                    }),
                    ..HostShape::default()
                };
                &short
            }
        };
        let dirs = dirs(shape, report);
        let user = shape.user.as_ref().map(|text| report.parse::<User>(text));
        let port_is_good = shape.port.as_ref().is_none_or(|port| {
            if port.value == 0 {
                report.at(port.place, "0 is not a port; accepted are 1 to 65535");
            }
            port.value != 0
        });
        let entries = self.entries(at.place, shape, report)?;
        if matches!(user, Some(None)) || !port_is_good {
            return None;
        }
        let dirs = dirs?;
        Some(
            entries
                .into_iter()
                .map(|entry| {
                    let dir = self.dir(&dirs, &entry);
                    match entry {
                        Cow::Borrowed(entry) => (entry.node.clone(), dir),
                        Cow::Owned(entry) => (entry.node, dir),
                    }
                })
                .collect(),
        )
    }

    /// The nodes that a host means.
    fn entries(
        &self,
        place: NodeRef,
        shape: &HostShape,
        report: &mut Report<'_>,
    ) -> Option<Vec<Entry<'_>>> {
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
                "each entry names one of host, local, node and group",
            );
            return None;
        };
        if let Some((other, text)) = given.next() {
            report.at(
                text.place,
                format!("`{other}` and `{way}` exclude each other: an entry names one destination"),
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
            "host" => self.ssh(text, shape, report).map(|node| vec![node]),
            "local" => self.local(text, report).map(|node| vec![node]),
            "node" => self.named(text, report).map(|node| vec![node]),
            _ => self.group(text, report),
        }
    }

    fn ssh(
        &self,
        text: &At<String>,
        shape: &HostShape,
        report: &mut Report<'_>,
    ) -> Option<Entry<'_>> {
        let inventory = &self.defaults.inventory;
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
                            "the host already names the login {first}; here it is {:?}",
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
                    "the node {} is described in the configuration as {}; here it is {}",
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

    fn local(&self, text: &At<String>, report: &mut Report<'_>) -> Option<Entry<'_>> {
        let id: NodeId = report.parse(text)?;
        match self.defaults.inventory.by_name(&id) {
            Some(entry) if entry.node.reach == Reach::Local => Some(Cow::Borrowed(entry)),
            Some(entry) => {
                report.at_with_hint(
                    text.place,
                    format!(
                        "the node {id} of the configuration is not local, it is reached at {}",
                        entry.node.reach.address()
                    ),
                    "write `node:` for that one, or choose another name",
                );
                None
            }
            None => Some(bare(Node {
                id,
                reach: Reach::Local,
            })),
        }
    }

    fn named(&self, text: &At<String>, report: &mut Report<'_>) -> Option<Entry<'_>> {
        let id: NodeId = report.parse(text)?;
        let inventory = &self.defaults.inventory;
        let found = inventory.by_name(&id);
        if found.is_none() {
            let names = inventory.nodes.iter().map(|entry| entry.node.id.as_str());
            unknown("node", text, names, report);
        }
        found.map(Cow::Borrowed)
    }

    fn group(&self, text: &At<String>, report: &mut Report<'_>) -> Option<Vec<Entry<'_>>> {
        let inventory = &self.defaults.inventory;
        let found = inventory.by_label(&text.value).map(Cow::Borrowed);
        let found: Vec<Entry<'_>> = found.collect();
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

    /// The directory for what is delivered: what the order says, then the node's
    /// own, then the default.
    fn dir(&self, given: &Dirs, entry: &InventoryNode) -> Dir {
        let first = |given: &Option<Dir>, own: &Option<Dir>| given.clone().or_else(|| own.clone());
        let iso =
            || first(&given.iso, &entry.iso_dir).unwrap_or_else(|| self.defaults.iso_dir.clone());
        match self.delivered {
            Format::Raw | Format::Qcow2 => first(&given.import, &entry.import_dir)
                .or_else(|| self.defaults.import_dir.clone())
                .unwrap_or_else(iso),
            Format::Iso | Format::RawXz | Format::RawZst | Format::RawGz => iso(),
        }
    }

    /// One name means one node, over all orders.
    fn check_name(&self, node: &Node, here: &Here, place: NodeRef, report: &mut Report<'_>) {
        let earlier = self.nodes.get(&node.id);
        let clash = match earlier {
            Some((other, source)) if other.reach != node.reach => {
                Some((other, format!("{}:{}", source.file, source.line)))
            }
            _ => here
                .named(&node.id)
                .find(|(other, _)| other.reach != node.reach)
                .map(|(other, _)| (other, "this position".to_owned())),
        };
        if let Some((other, by)) = clash {
            report.at_with_hint(
                place,
                format!(
                    "the name {} stands for {} here and for {} in {by}",
                    node.id,
                    address(node),
                    address(other)
                ),
                "one name means one node; choose another",
            );
        }
    }
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

fn address(node: &Node) -> String {
    match &node.reach {
        Reach::Local => "a directory of this machine".to_owned(),
        reach @ Reach::Ssh { .. } => format!("the ssh host {}", reach.address()),
    }
}

fn bare(node: Node) -> Entry<'static> {
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

/// The directories that an entry gives; `None` if one is wrong.
fn dirs(shape: &HostShape, report: &mut Report<'_>) -> Option<Dirs> {
    let mut parse = |text: Option<&At<String>>| match text {
        Some(text) => report.image_dir(text).map(Some),
        None => Some(None),
    };
    let iso = parse(shape.iso_dir.as_ref());
    let import = parse(shape.import_dir.as_ref());
    Some(Dirs {
        iso: iso?,
        import: import?,
    })
}

/// False, and reported, where a login or port stands beside something that is
/// not a host.
fn refuse_login(shape: &HostShape, way: &str, report: &mut Report<'_>) -> bool {
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
                format!("`{key}` does not go with `{way}`, only with `host`"),
            );
        }
    }
    fits
}

fn unknown<'a>(
    what: &str,
    text: &At<String>,
    words: impl Iterator<Item = &'a str>,
    report: &mut Report<'_>,
) {
    let words: Vec<&str> = words.collect();
    let known = match words.len() {
        0 => "the configuration names none".to_owned(),
        // A long inventory would drown the message.
        1..=12 => format!("known are {}", words.join(", ")),
        more => format!("known are {}, … ({more})", words[..12].join(", ")),
    };
    let hint = match one_of(&text.value, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None if what == "group" => {
            "a group is a label under `nodes:` in the configuration".to_owned()
        }
        None => "nodes are described under `nodes:` in the configuration".to_owned(),
    };
    report.at_with_hint(
        text.place,
        format!(
            "{what} {} is not known; {known}",
            crate::yaml::shown(&text.value)
        ),
        hint,
    );
}
