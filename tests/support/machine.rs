//! A template VM as Proxmox VE tells of it.

use std::collections::BTreeMap;

use talos_order::facts::TemplateState;
use talos_order::model::{TemplateName, VmId};

/// What Proxmox VE says of a template with the default hardware.
pub fn config(vmid: VmId, storage: &str) -> BTreeMap<String, String> {
    let base = format!("{storage}:base-{vmid}-disk");
    let values = [
        ("balloon", "0".to_owned()),
        ("bios", "ovmf".to_owned()),
        ("boot", "order=scsi0".to_owned()),
        ("cores", "2".to_owned()),
        ("cpu", "host".to_owned()),
        ("digest", "0a".to_owned()),
        ("efidisk0", format!("{base}-0,efitype=4m,size=4M")),
        ("machine", "q35".to_owned()),
        ("memory", "4096".to_owned()),
        ("meta", "creation-qemu=9.0.2,ctime=1700000000".to_owned()),
        ("net0", "virtio=BC:24:11:2C:A0:01,bridge=vmbr0".to_owned()),
        ("ostype", "l26".to_owned()),
        ("scsi0", format!("{base}-1,discard=on,size=4G")),
        ("scsihw", "virtio-scsi-pci".to_owned()),
        ("serial0", "socket".to_owned()),
        ("smbios1", "uuid=0".to_owned()),
        ("sockets", "1".to_owned()),
        ("template", "1".to_owned()),
    ];
    let values = values.into_iter();
    values.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The name and the tags of a template in a state.
pub fn labels(name: &TemplateName, vmid: VmId, state: TemplateState) -> (String, &'static str) {
    match state {
        TemplateState::New => (name.of_new(), "talos-order-new"),
        TemplateState::Current => (name.to_string(), "talos"),
        TemplateState::Retired => (name.of_retired(vmid), "talos-order-retired"),
    }
}
