//! What the tests of templates need beside the lab.

use super::*;

/// Everything that a token needs for templates, by path.
pub const TEMPLATE_RIGHTS: [(&str, &str); 13] = [
    ("/vms", "VM.Allocate"),
    ("/vms", "VM.Audit"),
    ("/vms", "VM.Config.CDROM"),
    ("/vms", "VM.Config.CPU"),
    ("/vms", "VM.Config.Cloudinit"),
    ("/vms", "VM.Config.Disk"),
    ("/vms", "VM.Config.HWType"),
    ("/vms", "VM.Config.Memory"),
    ("/vms", "VM.Config.Network"),
    ("/vms", "VM.Config.Options"),
    ("/storage/local", "Datastore.Audit"),
    ("/storage/tank", "Datastore.AllocateSpace"),
    ("/sdn/zones/localnetwork/vmbr0", "SDN.Use"),
];

pub const IMAGE: &str = "talos.raw";

impl Lab {
    /// A storage for disks, an image on each node, and a token for templates.
    pub async fn for_templates() -> Self {
        Self::for_templates_with(|_| {}).await
    }

    pub async fn for_templates_with(change: impl FnOnce(&mut PveStubOptions)) -> Self {
        let lab = Self::with(|options| {
            let disks = StubStorage::for_disks("tank", "zfspool");
            options.storages.push(disks);
            options.lock_patience = Duration::from_millis(100);
            change(options);
        })
        .await;
        lab.grant_templates(|_| true);
        for node in NODES {
            let dir = lab.stub.directory(node, "local", "import");
            std::fs::write(dir.join(IMAGE), noise(1 << 20, 1)).unwrap();
        }
        lab
    }

    /// The token may these, and nothing else.
    pub fn grant_templates(&self, keep: impl Fn(&str) -> bool) {
        self.stub.revoke_all();
        let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, privilege) in TEMPLATE_RIGHTS {
            if keep(privilege) {
                by_path.entry(path).or_default().push(privilege);
            }
        }
        for (path, privileges) in by_path {
            self.stub.grant(TOKEN, path, &privileges.join(" "));
        }
    }
}

/// The mark of a template in a state.
pub fn mark(vmid: u32, state: TemplateState) -> TemplateMark {
    TemplateMark {
        owner: OWNER.to_owned(),
        vmid: vmid.try_into().unwrap(),
        template: "talos".parse().unwrap(),
        orders: BTreeSet::from(["acme-2026".parse().unwrap()]),
        artifact: ArtifactId {
            format: Format::Raw,
            ..delivery(Path::new("/"), 0, sha256(b"")).artifact
        },
        sha256: sha256(&noise(1 << 20, 1)),
        deletion: None,
        state,
        made_at: "2026-08-05T12:00:00Z".parse().unwrap(),
    }
}

/// What a plan has made on a node.
pub fn creation(vmid: u32) -> TemplateCreation {
    TemplateCreation {
        vmid: vmid.try_into().unwrap(),
        name: "talos-new".to_owned(),
        tags: "talos-order-new".to_owned(),
        description: mark(vmid, TemplateState::New).notes(),
        dir: dir("/var/lib/vz/import"),
        file: IMAGE.parse().unwrap(),
        storage: "tank".parse().unwrap(),
        disk: "scsi0".to_owned(),
        disk_options: "discard=on".to_owned(),
        config: pairs(&[
            ("agent", "0"),
            ("bios", "ovmf"),
            ("boot", "order=scsi0"),
            ("cores", "2"),
            ("efidisk0", "tank:1,efitype=4m,pre-enrolled-keys=0"),
            ("ide2", "tank:cloudinit"),
            ("machine", "q35"),
            ("memory", "2048"),
            ("net0", "virtio,bridge=vmbr0"),
            ("ostype", "l26"),
            ("scsihw", "virtio-scsi-pci"),
            ("serial0", "socket"),
            ("tpmstate0", "tank:1,version=v2.0"),
        ]),
    }
}

/// From one state to another, as a switch does.
pub fn change(vmid: u32, from: TemplateState, to: TemplateState) -> TemplateChange {
    let (name, tags) = match to {
        TemplateState::New => ("talos-new".to_owned(), "talos-order-new"),
        TemplateState::Current => ("talos".to_owned(), "talos;v1.11.3"),
        TemplateState::Retired => (format!("talos-retired-{vmid}"), "talos-order-retired"),
    };
    TemplateChange {
        vmid: vmid.try_into().unwrap(),
        mark: mark(vmid, from).line(),
        name,
        tags: tags.to_owned(),
        becomes: mark(vmid, to),
    }
}

pub fn template_removal(vmid: u32, state: TemplateState) -> TemplateRemoval {
    TemplateRemoval {
        vmid: vmid.try_into().unwrap(),
        mark: mark(vmid, state).line(),
    }
}

pub fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// A virtual machine that somebody has.
pub fn machine(id: u32, node: &str, config: &[(&str, &str)]) -> StubVm {
    StubVm {
        id,
        node: node.to_owned(),
        config: pairs(config),
        ..StubVm::default()
    }
}

/// What a look says of the virtual machines of a node that answers.
pub async fn inventory(nodes: &ApiNodes, name: &str) -> VmInventory {
    match nodes.vms(&node(name)).await {
        NodeVms::Known(inventory) => inventory,
        other => panic!("{other:?}"),
    }
}

/// VMIDs that hold a mark of ours, with its state.
pub async fn marked(nodes: &ApiNodes, name: &str) -> Vec<(u32, TemplateState)> {
    let found = inventory(nodes, name).await.marked;
    let state = |(id, config): (VmId, VmConfig)| Some((id.get(), config.mark_of(id)?.state));
    found.into_iter().filter_map(state).collect()
}
