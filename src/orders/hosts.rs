//! Where a position is delivered: which nodes, and which directory or storage of each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::file::HostShape;
use super::host_api::ApiHost;
use super::host_nodes::{self, MeantNodes};
use super::reading::NamedNodes;
use crate::model::{
    AwaitedNodes, ClusterName, DeliveryPlace, Dir, Format, ImageContent, InventoryNode, Node,
    NodeId, NodeTransport, OrderDefaults, Reach, SourceRef, StorageName, User,
};
use crate::yaml::{At, NodeRef, ProblemReport, TextOr};

/// A node and the place on it that a position goes to.
pub(super) type Destination = (Node, DeliveryPlace);

/// Where a position goes.
#[derive(Default)]
pub(super) struct Destinations {
    pub known: Vec<Destination>,
    /// The nodes that only a cluster knows, which was never asked.
    pub awaited: Vec<AwaitedNodes>,
}

/// Everything that naming destinations depends on.
pub(super) struct Hosts<'a> {
    pub defaults: &'a OrderDefaults,
    /// The nodes that earlier positions named.
    pub nodes: &'a NamedNodes,
    /// What is delivered; it decides between the directories.
    pub delivered: Format,
}

/// The places of a node as far as they are given.
#[derive(Clone, Default)]
struct GivenPlaces {
    iso: Option<DeliveryPlace>,
    import: Option<DeliveryPlace>,
}

impl GivenPlaces {
    fn new(dirs: [Option<&Dir>; 2], storages: [Option<&StorageName>; 2]) -> Self {
        let place = |at: usize, content| {
            let dir = dirs[at].map(|dir| DeliveryPlace::Dir(dir.clone()));
            let storage = || Some(DeliveryPlace::Storage(storages[at]?.clone(), content));
            dir.or_else(storage)
        };
        Self {
            iso: place(0, ImageContent::Iso),
            import: place(1, ImageContent::Import),
        }
    }
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
    pub(super) fn destinations(
        &self,
        hosts: &[At<TextOr<HostShape>>],
        report: &mut ProblemReport<'_>,
    ) -> Destinations {
        let mut here = Here::default();
        let mut awaited = Vec::new();
        for host in hosts {
            let meant = self.host(host, report).unwrap_or_default();
            awaited.extend(meant.awaited);
            for destination in meant.known {
                self.check_name(&destination.0, &here, host.place, report);
                here.add(destination);
            }
        }
        Destinations {
            known: here.all,
            awaited,
        }
    }

    /// `None` where the host is refused.
    fn host(
        &self,
        at: &At<TextOr<HostShape>>,
        report: &mut ProblemReport<'_>,
    ) -> Option<Destinations> {
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
        let places = places(shape, report);
        let user = shape.user.as_ref().map(|text| report.parse::<User>(text));
        let port_is_good = shape.port.as_ref().is_none_or(|port| {
            if port.value == 0 {
                report.at(port.place, "0 is not a port; expected 1 to 65535");
            }
            port.value != 0
        });
        let inventory = &self.defaults.inventory;
        let entries = host_nodes::meant(inventory, at.place, shape, report)?;
        if matches!(user, Some(None)) || !port_is_good {
            return None;
        }
        let places = places?;
        let api = ApiHost {
            shape,
            place: at.place,
            defaults: self.defaults,
            delivered: self.delivered,
        };
        Some(match entries {
            MeantNodes::Known(entries) => {
                let mut known = Vec::new();
                for entry in entries {
                    let place = self.place(&places, &entry);
                    // A group is told of its first node.
                    if self.defaults.in_fleet && entry.site.is_none() {
                        report.at_with_hint(
                            at.place,
                            format!("{} has no site; expected one in a fleet", entry.node.id),
                            "describe the node under `nodes` in the configuration, with `site`",
                        );
                        return None;
                    }
                    if api.refuse(&entry, &place, report) {
                        return None;
                    }
                    known.push(match entry {
                        Cow::Borrowed(entry) => (entry.node.clone(), place),
                        Cow::Owned(entry) => (entry.node, place),
                    });
                }
                Destinations {
                    known,
                    awaited: Vec::new(),
                }
            }
            MeantNodes::Awaited {
                name,
                node,
                clusters,
            } => Destinations {
                known: Vec::new(),
                awaited: vec![AwaitedNodes {
                    place: self.place_in(&places, &clusters),
                    name,
                    node,
                    clusters,
                    source: SourceRef {
                        file: report.document().source.file.to_string(),
                        line: report.document().line(at.place),
                    },
                }],
            },
        })
    }

    /// The place on a node that one of these clusters may have.
    fn place_in(&self, given: &GivenPlaces, clusters: &[ClusterName]) -> DeliveryPlace {
        let discovered = &self.defaults.inventory.discovered;
        let mut transports = clusters
            .iter()
            .filter_map(|name| discovered.get(name).map(|known| known.transport));
        let is_api = transports.next() == Some(NodeTransport::Api);
        self.place_of(given, &GivenPlaces::default(), is_api)
    }

    /// The place for what is delivered: what the order says, then the node's own, then
    /// the default. A storage for ISO files takes other images as well, as another
    /// content type.
    fn place(&self, given: &GivenPlaces, entry: &InventoryNode) -> DeliveryPlace {
        let own = GivenPlaces::new(
            [entry.iso_dir.as_ref(), entry.import_dir.as_ref()],
            [entry.iso_storage.as_ref(), entry.import_storage.as_ref()],
        );
        let is_api = matches!(entry.node.reach, Reach::Api { .. });
        self.place_of(given, &own, is_api)
    }

    fn place_of(&self, given: &GivenPlaces, own: &GivenPlaces, is_api: bool) -> DeliveryPlace {
        let defaults = self.defaults;
        let default = GivenPlaces::new(
            [None, defaults.import_dir.as_ref()],
            [
                defaults.iso_storage.as_ref(),
                defaults.import_storage.as_ref(),
            ],
        );
        let first = |of: fn(&GivenPlaces) -> &Option<DeliveryPlace>| {
            let levels = [given, own, &default];
            levels.into_iter().find_map(|level| of(level).clone())
        };
        let iso = || {
            let default = || match usual_storage(&defaults.iso_dir).filter(|_| is_api) {
                Some(storage) => DeliveryPlace::Storage(storage, ImageContent::Iso),
                None => DeliveryPlace::Dir(defaults.iso_dir.clone()),
            };
            first(|level| &level.iso).unwrap_or_else(default)
        };
        match self.delivered {
            Format::Iso | Format::RawXz | Format::RawZst | Format::RawGz => iso(),
            Format::Raw | Format::Qcow2 => {
                first(|level| &level.import).unwrap_or_else(|| match iso() {
                    DeliveryPlace::Storage(name, _) => {
                        DeliveryPlace::Storage(name, ImageContent::Import)
                    }
                    dir @ DeliveryPlace::Dir(_) => dir,
                })
            }
        }
    }

    /// One name means one node, over all orders.
    fn check_name(&self, node: &Node, here: &Here, place: NodeRef, report: &mut ProblemReport<'_>) {
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
                    "the name {} is {} here and {} in {by}",
                    node.id,
                    address(node),
                    address(other)
                ),
                "node names are unique; choose another",
            );
        }
    }
}

/// The storage that has the default directory on every node: the API knows storages only.
fn usual_storage(dir: &Dir) -> Option<StorageName> {
    let name = (dir.as_str() == "/var/lib/vz/template/iso").then_some("local")?;
    name.parse().ok()
}

fn address(node: &Node) -> String {
    match &node.reach {
        Reach::Local => "a directory of this machine".to_owned(),
        reach @ Reach::Bucket { .. } => format!("the bucket {}", reach.address()),
        reach @ Reach::Api { .. } => format!("{} through the Proxmox VE API", reach.address()),
        reach @ Reach::Ssh { .. } => format!("the ssh host {}", reach.address()),
    }
}

/// The places that an entry gives; `None` if one is wrong.
fn places(shape: &HostShape, report: &mut ProblemReport<'_>) -> Option<GivenPlaces> {
    let mut parse = |text: Option<&At<String>>| match text {
        Some(text) => report.image_dir(text).map(Some),
        None => Some(None),
    };
    let iso = parse(shape.iso_dir.as_ref());
    let import = parse(shape.import_dir.as_ref());
    let Some(storage) = &shape.storage else {
        return Some(GivenPlaces::new(
            [iso?.as_ref(), import?.as_ref()],
            [None, None],
        ));
    };
    let dirs = [
        ("iso_dir", shape.iso_dir.as_ref()),
        ("import_dir", shape.import_dir.as_ref()),
    ];
    let mut fits = true;
    for (key, text) in dirs {
        if let Some(text) = text {
            fits = false;
            report.at(
                text.place,
                format!("`{key}` and `storage` are mutually exclusive: a storage has directories"),
            );
        }
    }
    let name = report.parse::<StorageName>(storage);
    let name = name.filter(|_| fits)?;
    Some(GivenPlaces::new([None, None], [Some(&name), Some(&name)]))
}
