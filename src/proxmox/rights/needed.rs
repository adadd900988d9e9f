//! From what is to be done to the privileges that it needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::proxmox::features::{PveFeature, PveVersion};

/// How images reach a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryWay {
    /// The node loads a URL.
    Fetch,
    /// The controller sends the file.
    Upload,
    /// The node loads a URL, or the controller sends the file where that fails.
    FetchOrUpload,
}

/// What is done with one storage. Its content is always looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageNeed {
    /// Its name.
    pub storage: String,
    /// How images get there; `None` where they are only looked at.
    pub delivery: Option<DeliveryWay>,
    /// Images are removed, too.
    pub prune: bool,
}

/// A kind of template that is made, changed and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateNeed {
    /// The storage for its disks.
    pub storage: String,
    /// The storages of the images that its disks are made from.
    pub images: Vec<String>,
    /// The bridges of its network interfaces, with the VLAN where there is one:
    /// `vmbr0/20`.
    pub bridges: Vec<String>,
}

/// Everything that is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// The storages.
    pub storages: Vec<StorageNeed>,
    /// Look whether a virtual machine uses an image, which pruning requires.
    pub usage: bool,
    /// Files are read back, for which a node is told to load them.
    pub read_back: bool,
    /// The nodes that this is done on; none stands for all, also for those to come.
    pub nodes: Vec<String>,
    /// The privilege for loading a URL.
    pub fetch_right: FetchRight,
    /// The templates.
    pub templates: Vec<TemplateNeed>,
}

/// What is done with virtual machines. All of it on `/vms`: Proxmox VE removes the
/// entries for one VMID together with its virtual machine, so a token that had them only
/// there could not make the next one.
pub(super) const TEMPLATE: [&str; 9] = [
    "VM.Allocate",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
];

/// What allows a node to load a URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FetchRight {
    /// Sys.AccessNetwork on the nodes.
    #[default]
    AccessNetwork,
    /// Sys.Audit and Sys.Modify on `/`: before Proxmox VE 8.2.
    AuditAndModify,
}

impl FetchRight {
    /// The one of a version.
    pub fn of(version: PveVersion) -> Self {
        match version.has(PveFeature::AccessNetwork) {
            true => Self::AccessNetwork,
            false => Self::AuditAndModify,
        }
    }
}

/// Privileges by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededRights {
    by_path: BTreeMap<String, BTreeSet<&'static str>>,
}

impl NeededRights {
    /// The privileges that a use needs.
    pub fn of(need: &Need) -> Self {
        let mut rights = Self::default();
        for storage in &need.storages {
            let path = format!("/storage/{}", storage.storage);
            rights.add(&path, &["Datastore.Audit"]);
            if let Some(way) = storage.delivery {
                rights.add(&path, &["Datastore.AllocateTemplate"]);
                if way != DeliveryWay::Upload || need.read_back {
                    rights.add_fetch(need);
                }
                if way != DeliveryWay::Fetch {
                    // For the space on the root file system. On both: an entry for /nodes
                    // replaces what would be inherited there.
                    rights.add("/", &["Sys.Audit"]);
                    rights.add_nodes(need, "Sys.Audit");
                }
            }
            if storage.prune {
                rights.add(&path, &["Datastore.Allocate"]);
            }
        }
        // Nobody else checks it before a file is removed.
        if need.usage || need.storages.iter().any(|storage| storage.prune) {
            rights.add("/vms", &["VM.Audit"]);
        }
        for template in &need.templates {
            rights.add_template("/vms", template);
        }
        rights
    }

    /// The privileges that making one template needs. Those on virtual machines are asked
    /// for where they count, which is at its VMID.
    pub fn of_template(vmid: u32, template: &TemplateNeed) -> Self {
        let mut rights = Self::default();
        rights.add_template(&format!("/vms/{vmid}"), template);
        rights
    }

    fn add_template(&mut self, vms: &str, template: &TemplateNeed) {
        self.add(vms, &["VM.Audit"]);
        self.add(vms, &TEMPLATE);
        let storage = format!("/storage/{}", template.storage);
        self.add(&storage, &["Datastore.AllocateSpace"]);
        for image in &template.images {
            self.add(&format!("/storage/{image}"), &["Datastore.Audit"]);
        }
        for bridge in &template.bridges {
            let path = format!("/sdn/zones/localnetwork/{bridge}");
            self.add(&path, &["SDN.Use"]);
        }
    }

    fn add_fetch(&mut self, need: &Need) {
        match need.fetch_right {
            FetchRight::AccessNetwork => self.add_nodes(need, "Sys.AccessNetwork"),
            FetchRight::AuditAndModify => self.add("/", &["Sys.Audit", "Sys.Modify"]),
        }
    }

    fn add_nodes(&mut self, need: &Need, privilege: &'static str) {
        if need.nodes.is_empty() {
            self.add("/nodes", &[privilege]);
        }
        for node in &need.nodes {
            self.add(&format!("/nodes/{node}"), &[privilege]);
        }
    }

    fn add(&mut self, path: &str, privileges: &[&'static str]) {
        let at = self.by_path.entry(path.to_owned()).or_default();
        at.extend(privileges);
    }

    /// Each path with its privileges, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &BTreeSet<&'static str>)> {
        self.by_path
            .iter()
            .map(|(path, privileges)| (path.as_str(), privileges))
    }

    /// The paths to ask for.
    pub fn paths(&self) -> BTreeSet<String> {
        self.by_path.keys().cloned().collect()
    }
}
