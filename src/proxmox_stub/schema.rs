//! The calls that the stub knows, with their parameters, and how these are read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::answer::Denied;

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Version,
    Nodes,
    NodeVersion,
    NodeStatus,
    Certificates,
    UrlMetadata,
    ClusterStatus,
    Resources,
    Permissions,
    Storages,
    NodeStorages,
    StorageStatus,
    Content,
    Volume,
    RemoveVolume,
    Fetch,
    Upload,
    TaskStatus,
    TaskLog,
    StopTask,
    VmPending,
    VmSnapshots,
    VmConfig,
    NodeVms,
    NextId,
    CreateVm,
    StartChange,
    Change,
    Convert,
    Destroy,
}

/// The options of a virtual machine that are known here; `#` stands for a number.
macro_rules! options {
    ($more:literal) => {
        concat!(
            $more,
            " name description tags memory balloon cores sockets cpu machine bios scsihw agent \
             serial# vga net# scsi# virtio# sata# ide# efidisk# tpmstate# rng# boot ostype onboot \
             protection template numa hotplug tablet smbios# ciuser ipconfig# args"
        )
    };
}

/// Method, path with `*` for what varies, call, and parameters: `!` behind a name says
/// that it is required.
const ROUTES: &[(&str, &str, Op, &str)] = &[
    ("GET", "version", Op::Version, ""),
    ("GET", "nodes", Op::Nodes, ""),
    ("GET", "nodes/*/version", Op::NodeVersion, ""),
    ("GET", "nodes/*/status", Op::NodeStatus, ""),
    ("GET", "nodes/*/certificates/info", Op::Certificates, ""),
    (
        "GET",
        "nodes/*/query-url-metadata",
        Op::UrlMetadata,
        "url! verify-certificates",
    ),
    ("GET", "cluster/status", Op::ClusterStatus, ""),
    ("GET", "cluster/resources", Op::Resources, "type"),
    ("GET", "access/permissions", Op::Permissions, "path userid"),
    ("GET", "storage", Op::Storages, "type"),
    (
        "GET",
        "nodes/*/storage",
        Op::NodeStorages,
        "content enabled format storage target",
    ),
    ("GET", "nodes/*/storage/*/status", Op::StorageStatus, ""),
    (
        "GET",
        "nodes/*/storage/*/content",
        Op::Content,
        "content vmid",
    ),
    ("GET", "nodes/*/storage/*/content/*", Op::Volume, ""),
    (
        "DELETE",
        "nodes/*/storage/*/content/*",
        Op::RemoveVolume,
        "delay",
    ),
    (
        "POST",
        "nodes/*/storage/*/download-url",
        Op::Fetch,
        "url! content! filename! checksum checksum-algorithm compression verify-certificates",
    ),
    (
        "POST",
        "nodes/*/storage/*/upload",
        Op::Upload,
        "content! filename! checksum checksum-algorithm",
    ),
    ("GET", "nodes/*/tasks/*/status", Op::TaskStatus, ""),
    (
        "GET",
        "nodes/*/tasks/*/log",
        Op::TaskLog,
        "start limit download",
    ),
    ("DELETE", "nodes/*/tasks/*", Op::StopTask, ""),
    ("GET", "nodes/*/qemu/*/pending", Op::VmPending, ""),
    ("GET", "nodes/*/qemu/*/snapshot", Op::VmSnapshots, ""),
    (
        "GET",
        "nodes/*/qemu/*/config",
        Op::VmConfig,
        "snapshot current",
    ),
    ("GET", "nodes/*/qemu", Op::NodeVms, "full"),
    ("GET", "cluster/nextid", Op::NextId, "vmid"),
    (
        "POST",
        "nodes/*/qemu",
        Op::CreateVm,
        options!("vmid! start pool"),
    ),
    (
        "POST",
        "nodes/*/qemu/*/config",
        Op::StartChange,
        options!("digest delete"),
    ),
    (
        "PUT",
        "nodes/*/qemu/*/config",
        Op::Change,
        options!("digest delete"),
    ),
    ("POST", "nodes/*/qemu/*/template", Op::Convert, "disk"),
    (
        "DELETE",
        "nodes/*/qemu/*",
        Op::Destroy,
        "purge destroy-unreferenced-disks",
    ),
];

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub op: Op,
    /// What stands in the path for each `*`.
    pub named: Vec<String>,
    pub parameters: BTreeMap<String, String>,
    allowed: &'static str,
}

impl Asked {
    /// The call of a method and path; 501 where there is none.
    pub(super) fn find(method: &str, path: &str) -> Result<Self, Denied> {
        let unknown = || Denied::Told(501, format!("Method '{method} {path}' not implemented"));
        // With another base, a node sees a request of its web server.
        let below = path.strip_prefix("/api2/json/").ok_or_else(unknown)?;
        let segments: Vec<&str> = below.split('/').collect();
        for (route_method, pattern, op, allowed) in ROUTES {
            let wanted: Vec<&str> = pattern.split('/').collect();
            let is_same = wanted.len() == segments.len()
                && wanted
                    .iter()
                    .zip(&segments)
                    .all(|(want, found)| *want == "*" || want == found);
            if *route_method == method && is_same {
                let named = wanted.iter().zip(&segments);
                let named = named.filter(|(want, _)| **want == "*").map(|(_, found)| {
                    percent_encoding::percent_decode_str(found)
                        .decode_utf8_lossy()
                        .into_owned()
                });
                return Ok(Self {
                    op: *op,
                    named: named.collect(),
                    parameters: BTreeMap::new(),
                    allowed,
                });
            }
        }
        Err(unknown())
    }

    /// The node that the call is about.
    pub(super) fn node(&self) -> Option<&str> {
        match self.op {
            Op::Version
            | Op::Nodes
            | Op::ClusterStatus
            | Op::Resources
            | Op::Permissions
            | Op::NextId
            | Op::Storages => None,
            _ => self.named.first().map(String::as_str),
        }
    }

    /// What stands in the path at the second `*`: a storage, task or machine.
    pub(super) fn second(&self) -> &str {
        self.named.get(1).map_or("", String::as_str)
    }

    pub(super) fn third(&self) -> &str {
        self.named.get(2).map_or("", String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn add_form(&mut self, text: &[u8]) {
        let pairs = url::form_urlencoded::parse(text);
        for (name, value) in pairs {
            self.parameters
                .insert(name.into_owned(), value.into_owned());
        }
    }

    pub(super) fn add_json(&mut self, text: &[u8]) -> Result<(), Denied> {
        let read: BTreeMap<String, Value> = serde_json::from_slice(text)
            .map_err(|why| Denied::Told(400, format!("malformed JSON string: {why}")))?;
        for (name, value) in read {
            let text = match value {
                Value::String(text) => text,
                Value::Bool(switch) => u8::from(switch).to_string(),
                other => other.to_string(),
            };
            self.parameters.insert(name, text);
        }
        Ok(())
    }

    /// Refuses parameters that nobody knows, and misses those that are required.
    pub(super) fn check(&self) -> Result<(), Denied> {
        let mut errors = BTreeMap::new();
        let known = self.allowed.split_whitespace();
        let known: BTreeMap<&str, bool> = known
            .map(|name| (name.trim_end_matches('!'), name.ends_with('!')))
            .collect();
        for name in self.parameters.keys() {
            let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
            let is_numbered = kind.len() < name.len() && known.contains_key(&*format!("{kind}#"));
            if !known.contains_key(name.as_str()) && !is_numbered {
                errors.insert(
                    name.clone(),
                    "property is not defined in schema and the schema does not allow additional \
                     properties"
                        .to_owned(),
                );
            }
        }
        for (name, _) in known.iter().filter(|(_, required)| **required) {
            if !self.parameters.contains_key(*name) {
                errors.insert(
                    (*name).to_owned(),
                    "property is missing and it is not optional".to_owned(),
                );
            }
        }
        let algorithms = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];
        let (sum, algorithm) = (self.get("checksum"), self.get("checksum-algorithm"));
        match (sum, algorithm) {
            (Some(_), None) => {
                let text = "missing property - required by 'checksum'";
                errors.insert("checksum-algorithm".to_owned(), text.to_owned());
            }
            (None, Some(_)) => {
                let text = "missing property - required by 'checksum-algorithm'";
                errors.insert("checksum".to_owned(), text.to_owned());
            }
            (_, Some(name)) if !algorithms.contains(&name) => {
                let text = format!("value '{name}' does not have a value in the enumeration");
                errors.insert("checksum-algorithm".to_owned(), text);
            }
            _ => {}
        }
        match errors.is_empty() {
            true => Ok(()),
            false => Err(Denied::Parameters(errors)),
        }
    }
}
