//! The machine that a template is.

use super::named::named_value;

/// The machine that a template is, in the terms of Proxmox VE.
///
/// The defaults are the baseline of the page on Proxmox in the Talos documentation
/// (v1.12): UEFI on q35, CPU type `host`, 2 cores and 4 GiB as the least for a control
/// plane, VirtIO SCSI that is not the `single` one, VirtIO interfaces, no ballooning, a
/// serial console for early messages. The random number generator is optional there, and
/// the agent needs its extension. For SecureBoot see its page there: the image enrolls its
/// own keys while the firmware is in setup mode, and disk encryption needs a TPM 2.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Cores of each socket.
    pub cores: u32,
    /// Sockets.
    pub sockets: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// The least memory that ballooning leaves, in MiB; 0 for no ballooning, which Talos
    /// does not support.
    pub balloon: u32,
    /// The type of the processor. `host` has all that the node's can do, and ties a running
    /// machine to nodes with the same one.
    pub cpu: String,
    /// The type of the machine, such as `q35`.
    pub machine: String,
    /// The firmware.
    pub bios: Bios,
    /// The keys of Microsoft are enrolled in the firmware from the start, so that it is not
    /// in setup mode and takes no others: no image of Talos boots like that.
    pub pre_enrolled_keys: bool,
    /// A TPM 2.0.
    pub tpm: bool,
    /// The SCSI controller, such as `virtio-scsi-pci`.
    pub scsihw: String,
    /// Options of the disk, such as `discard=on`; empty for none.
    pub disk_options: String,
    /// The network interfaces.
    pub net: Vec<NetworkInterface>,
    /// The guest agent is used: the image needs the extension for it.
    pub agent: bool,
    /// A serial console.
    pub serial: bool,
    /// The display, such as `serial0`; `None` for the default of Proxmox VE.
    pub vga: Option<String>,
    /// A drive for cloud-init, which passes the machine configuration to a nocloud image.
    pub cloud_init: bool,
    /// A virtual random number generator.
    pub rng: bool,
}

/// A network interface of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInterface {
    /// The model, such as `virtio`.
    pub model: String,
    /// The bridge, such as `vmbr0`.
    pub bridge: String,
    /// The VLAN, 1 to 4094.
    pub vlan: Option<u16>,
    /// The firewall of Proxmox VE is used.
    pub firewall: bool,
    /// The largest packet in bytes; 1 for that of the bridge.
    pub mtu: Option<u16>,
}

/// The firmware of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bios {
    /// A classic BIOS.
    SeaBios,
    /// UEFI.
    Ovmf,
}

impl Bios {
    /// Both.
    pub const ALL: [Self; 2] = [Self::SeaBios, Self::Ovmf];

    /// The name that Proxmox VE uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeaBios => "seabios",
            Self::Ovmf => "ovmf",
        }
    }
}

named_value!(Bios, "a firmware");

impl Default for Hardware {
    fn default() -> Self {
        Self {
            cores: 2,
            sockets: 1,
            memory: 4096,
            balloon: 0,
            cpu: "host".to_owned(),
            machine: "q35".to_owned(),
            bios: Bios::Ovmf,
            pre_enrolled_keys: false,
            tpm: false,
            scsihw: "virtio-scsi-pci".to_owned(),
            disk_options: "discard=on".to_owned(),
            net: vec![NetworkInterface::default()],
            agent: false,
            serial: true,
            vga: None,
            cloud_init: false,
            rng: false,
        }
    }
}

impl Default for NetworkInterface {
    fn default() -> Self {
        Self {
            model: "virtio".to_owned(),
            bridge: "vmbr0".to_owned(),
            vlan: None,
            firewall: false,
            mtu: None,
        }
    }
}
