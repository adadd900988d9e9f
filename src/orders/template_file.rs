//! The template VM of a position as written: the shapes of its keys.

use schemars::JsonSchema;
use serde::Deserialize;

use super::template_words::SCSI_CONTROLLERS;
use crate::model::Bios;
use crate::yaml::At;

/// The template VM that is made of the image on Proxmox VE.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateShape {
    /// The name under which the template is found: letters, digits and - as in a host
    /// name.
    #[schemars(required, extend("type" = ["string", "integer"]))]
    pub name: Option<At<String>>,
    /// The VMID, on one node or one of each cluster: a new template replaces the old one
    /// in place. Not with vmid_range.
    #[schemars(range(min = 100, max = 999_999_999))]
    pub vmid: Option<At<u32>>,
    /// The VMIDs to choose from, such as 9000-9099: a new template is made beside the old
    /// one. Default: 9000-9999
    pub vmid_range: Option<At<String>>,
    /// The nodes that get a template, by name or by label, out of those that the position
    /// is delivered to. Default: all of them, or one of each cluster where the target
    /// storage is shared
    pub on: Option<At<Vec<At<String>>>>,
    /// The storage of Proxmox VE for the disks, with the content type images.
    #[schemars(required)]
    pub target_storage: Option<At<String>>,
    /// All tags of the template; {version} and {schematic} are filled in. Default: none
    pub tags: Option<Vec<At<String>>>,
    /// The machine. Default: what the Talos documentation recommends on Proxmox VE
    pub hardware: Option<HardwareShape>,
    /// How many replaced templates stay. Default: 1 where pruning is enabled, otherwise
    /// all
    pub keep: Option<u32>,
    /// On how many nodes the template is replaced at the same time. Default: 1
    #[schemars(range(min = 1, max = 1000))]
    pub max_at_once: Option<At<u32>>,
}

/// The machine that a template is, in the terms of Proxmox VE.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HardwareShape {
    /// Cores of each socket. Default: 2
    #[schemars(range(min = 1, max = 512))]
    pub cores: Option<At<u32>>,
    /// Sockets. Default: 1
    #[schemars(range(min = 1, max = 16))]
    pub sockets: Option<At<u32>>,
    /// Memory in MiB. Default: 4096
    #[schemars(range(min = 512, max = 4_194_304))]
    pub memory: Option<At<u32>>,
    /// The least memory that ballooning leaves, in MiB; 0 for no ballooning. Default: 0
    pub balloon: Option<At<u32>>,
    /// The CPU type, such as x86-64-v2-AES. Default: host
    pub cpu: Option<At<String>>,
    /// The machine type. Default: q35
    pub machine: Option<At<String>>,
    /// The firmware. Default: ovmf
    #[schemars(extend("enum" = Bios::ALL.map(Bios::as_str)))]
    pub bios: Option<At<String>>,
    /// The keys of Microsoft are enrolled in the firmware from the start. Default: false
    pub pre_enrolled_keys: Option<At<bool>>,
    /// A TPM 2.0. Default: true with secureboot, otherwise false
    pub tpm: Option<bool>,
    /// The SCSI controller. Default: virtio-scsi-pci
    #[schemars(extend("enum" = SCSI_CONTROLLERS))]
    pub scsihw: Option<At<String>>,
    /// Options of the disk, such as discard=on,ssd=1. Default: discard=on
    pub disk_options: Option<At<String>>,
    /// The network interfaces; [] for none. Default: one on vmbr0
    pub net: Option<At<Vec<NetShape>>>,
    /// The guest agent is used. Default: true where the customization has the extension
    /// siderolabs/qemu-guest-agent
    pub agent: Option<At<bool>>,
    /// A serial console. Default: true
    pub serial: Option<bool>,
    /// The display, such as serial0. Default: that of Proxmox VE
    pub vga: Option<At<String>>,
    /// A drive for cloud-init. Default: false
    pub cloud_init: Option<At<bool>>,
    /// A virtual random number generator. Default: false
    pub rng: Option<bool>,
}

/// A network interface of a template.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NetShape {
    /// The bridge. Default: vmbr0
    pub bridge: Option<At<String>>,
    /// The model. Default: virtio
    pub model: Option<At<String>>,
    /// The VLAN. Default: none
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: Option<At<u16>>,
    /// The firewall of Proxmox VE is used. Default: false
    pub firewall: Option<bool>,
    /// With model virtio: the largest packet in bytes, 576 to 65520; 1 for that of the
    /// bridge. Default: that of Proxmox VE
    #[schemars(range(min = 1, max = 65520))]
    pub mtu: Option<At<u16>>,
}
