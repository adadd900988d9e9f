//! Nodes that are reached through the API of their cluster, and where they load images from.

use std::net::IpAddr;

use super::cluster_shape::{ClusterShape, FileServerShape};
use super::inventory_shape::NodeShape;
use super::settings::FileServerSettings;
use super::values;
use crate::model::{Invalid, NodeTransport, Reach};
use crate::yaml::{self, At, NodeRef, ProblemReport};

/// True if a node is reached through the API: as it says, or else as its cluster does.
pub(super) fn is_api(
    shape: &NodeShape,
    clusters: &[At<ClusterShape>],
    report: &mut ProblemReport<'_>,
) -> bool {
    if let Some(text) = &shape.transport {
        let words = NodeTransport::ALL.iter().map(|word| word.as_str());
        return report.parse_among(text, words) == Some(NodeTransport::Api);
    }
    let named = |name: &Option<At<String>>| name.as_ref().map(|text| text.value.clone());
    let Some(name) = named(&shape.cluster) else {
        return false;
    };
    let cluster = clusters
        .iter()
        .find(|cluster| named(&cluster.value.name).as_ref() == Some(&name));
    let transport = cluster.and_then(|cluster| named(&cluster.value.transport));
    transport.is_some_and(|text| text.parse() == Ok(NodeTransport::Api))
}

/// How such a node is reached; what it cannot have is reported.
pub(super) fn reach(
    shape: &NodeShape,
    place: NodeRef,
    own_name: Option<&str>,
    report: &mut ProblemReport<'_>,
) -> Option<Reach> {
    let at = |text: &Option<At<String>>| text.as_ref().map(|at| at.place);
    let given = [
        ("host", at(&shape.host), SSH),
        ("user", at(&shape.user), SSH),
        ("port", shape.port.as_ref().map(|at| at.place), SSH),
        ("push_method", at(&shape.push_method), SSH),
        ("bandwidth_limit", at(&shape.bandwidth_limit), SSH),
        ("site", at(&shape.site), SSH),
        ("vm_configs", at(&shape.vm_configs), VMS),
        ("iso_dir", at(&shape.iso_dir), DIRS),
        ("import_dir", at(&shape.import_dir), DIRS),
        ("storage", at(&shape.storage), DIRS),
        ("create", shape.create.map(|_| place), CREATE),
    ];
    let mut fits = true;
    for (key, place, hint) in given {
        if let Some(place) = place {
            fits = false;
            let message = format!("`{key}` cannot be combined with `transport: api`");
            report.at_with_hint(place, message, hint);
        }
    }
    let Some(cluster) = &shape.cluster else {
        let place = shape.transport.as_ref().map_or(place, |text| text.place);
        report.at_with_hint(
            place,
            "`transport: api` needs `cluster`",
            "describe the cluster under `clusters:`, and add `cluster: NAME` to the node",
        );
        return None;
    };
    let node = match own_name {
        Some(name) => name.to_owned(),
        None => {
            // A bad `pve_name` is reported where it is read.
            let name = shape.name.as_ref().filter(|_| shape.pve_name.is_none())?;
            pve_name(name, report)?
        }
    };
    let cluster = cluster.value.parse().ok()?;
    fits.then_some(Reach::Api { cluster, node })
}

const SSH: &str = "that is for ssh; remove it, or set `transport: ssh` on the node";
const DIRS: &str = "the API knows storages only: use `iso_storage` and `import_storage`, such as \
                    `iso_storage: local`";
const VMS: &str = "the API tells which virtual machines use an image; remove it";
const CREATE: &str = "Proxmox VE makes the directories of a storage; remove it";

/// The name of a node in its cluster, which is that of its machine.
pub(super) fn pve_name(name: &At<String>, report: &mut ProblemReport<'_>) -> Option<String> {
    let text = &name.value;
    let fits = (1..=63).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !fits {
        report.at_with_hint(
            name.place,
            format!(
                "{} is not the name of a Proxmox VE node; expected 1 to 63 letters, digits \
                 and -",
                yaml::shown(text)
            ),
            "`pvecm nodes` on a node lists the names",
        );
    }
    fits.then(|| text.clone())
}

/// Where nodes load images from.
pub(super) fn file_server(
    shape: Option<&FileServerShape>,
    report: &mut ProblemReport<'_>,
) -> FileServerSettings {
    let Some(shape) = shape else {
        return FileServerSettings::default();
    };
    let url = match &shape.url {
        Some(text) => values::url(Some(text), "http://controller.lan:8080", report),
        None => None,
    };
    FileServerSettings {
        address: shape
            .address
            .as_ref()
            .and_then(|text| address(text, report)),
        port: shape.port.as_ref().map_or(0, |at| at.value),
        url,
    }
}

fn address(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<IpAddr> {
    let address = text.value.parse();
    if address.is_err() {
        let message = format!("{:?} is not an IP address", text.value);
        let hint = "an address of this machine such as 10.0.0.5, or 0.0.0.0 for all together with \
                    `url`";
        report.invalid(text.place, Invalid::new(message).hint(hint));
    }
    address.ok()
}
