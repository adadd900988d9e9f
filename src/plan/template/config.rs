//! The configuration of a virtual machine, as it is wanted and as Proxmox VE gives it.
//!
//! Proxmox VE does not give back what it was given: a network interface gets an address, a
//! disk becomes the volume that was made, a default may be left out. Both sides are brought
//! to one form before they are compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::VmConfig;
use crate::model::{Bios, Hardware, StorageName};

/// The keys that are compared; of those that a template is given, none is left out.
const KEYS: [&str; 14] = [
    "agent", "balloon", "bios", "boot", "cores", "cpu", "machine", "memory", "ostype", "rng0",
    "scsihw", "serial0", "sockets", "vga",
];

/// What Proxmox VE takes a missing key for.
const DEFAULTS: [(&str, &str); 6] = [
    ("agent", "0"),
    ("bios", "seabios"),
    ("cores", "1"),
    ("memory", "512"),
    ("scsihw", "lsi"),
    ("sockets", "1"),
];

/// The drive that the image becomes.
const DISK: &str = "scsi0";

/// The configuration that a template is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plan) struct MachineConfig {
    /// The drive that is made from the image.
    pub disk: &'static str,
    /// Its options.
    pub disk_options: String,
    /// Everything else.
    pub values: BTreeMap<String, String>,
}

impl MachineConfig {
    /// The configuration for some hardware, with its disks on a storage.
    pub(in crate::plan) fn of(hardware: &Hardware, storage: &StorageName) -> Self {
        let mut values = BTreeMap::new();
        let mut set = |key: &str, value: String| values.insert(key.to_owned(), value);
        let flag = |on: bool| String::from(if on { "1" } else { "0" });
        set("agent", flag(hardware.agent));
        set("balloon", hardware.balloon.to_string());
        set("bios", hardware.bios.to_string());
        set("boot", format!("order={DISK}"));
        set("cores", hardware.cores.to_string());
        set("cpu", hardware.cpu.clone());
        set("machine", hardware.machine.clone());
        set("memory", hardware.memory.to_string());
        set("ostype", "l26".to_owned());
        set("scsihw", hardware.scsihw.clone());
        set("sockets", hardware.sockets.to_string());
        if hardware.serial {
            set("serial0", "socket".to_owned());
        }
        if let Some(vga) = &hardware.vga {
            set("vga", vga.clone());
        }
        if hardware.rng {
            set("rng0", "source=/dev/urandom".to_owned());
        }
        if hardware.cloud_init {
            set("ide2", format!("{storage}:cloudinit"));
        }
        if hardware.bios == Bios::Ovmf {
            let keys = u8::from(hardware.pre_enrolled_keys);
            // The size is that of the file with the firmware's variables, whatever is asked.
            let disk = format!("{storage}:1,efitype=4m,pre-enrolled-keys={keys}");
            set("efidisk0", disk);
        }
        if hardware.tpm {
            set("tpmstate0", format!("{storage}:1,version=v2.0"));
        }
        for (at, net) in hardware.net.iter().enumerate() {
            let mut value = format!("{},bridge={}", net.model, net.bridge);
            if let Some(vlan) = net.vlan {
                value.push_str(&format!(",tag={vlan}"));
            }
            if net.firewall {
                value.push_str(",firewall=1");
            }
            if let Some(mtu) = net.mtu {
                value.push_str(&format!(",mtu={mtu}"));
            }
            set(&format!("net{at}"), value);
        }
        Self {
            disk: DISK,
            disk_options: hardware.disk_options.clone(),
            values,
        }
    }
}

/// The keys in which a virtual machine differs from what is wanted.
pub(in crate::plan) fn different(
    wanted: &MachineConfig,
    storage: &StorageName,
    found: &VmConfig,
) -> BTreeSet<String> {
    let mut values = wanted.values.clone();
    let disk = match wanted.disk_options.as_str() {
        "" => format!("{storage}:0"),
        options => format!("{storage}:0,{options}"),
    };
    values.insert(wanted.disk.to_owned(), disk);
    let is_compared = |key: &str| KEYS.contains(&key) || is_device(key);
    let keys = values.keys().chain(found.0.keys());
    let keys: BTreeSet<&String> = keys.filter(|key| is_compared(key)).collect();
    let differs = |key: &&&String| {
        let wanted = values.get(**key).map(|value| normal(key, value));
        let found = found.0.get(**key).map(|value| normal(key, value));
        let usual = || default(key).map(|value| normal(key, value));
        wanted.or_else(usual) != found.or_else(usual)
    };
    keys.iter()
        .filter(differs)
        .map(|key| (*key).clone())
        .collect()
}

fn default(key: &str) -> Option<&'static str> {
    DEFAULTS
        .iter()
        .find(|(name, _)| *name == key)
        .map(|(_, value)| *value)
}

/// A drive or a network interface: one that is not wanted is a difference, too.
fn is_device(key: &str) -> bool {
    let kind = key.trim_end_matches(|c: char| c.is_ascii_digit());
    kind != key
        && [
            "net", "scsi", "virtio", "sata", "ide", "efidisk", "tpmstate", "hostpci", "usb",
        ]
        .contains(&kind)
}

/// The form in which two values of a key are compared: the parts of a list by name.
fn normal(key: &str, value: &str) -> BTreeMap<String, String> {
    let kind = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_drive = matches!(
        kind,
        "scsi" | "virtio" | "sata" | "ide" | "efidisk" | "tpmstate"
    );
    let mut parts = BTreeMap::new();
    for (at, part) in value.split(',').enumerate() {
        let (name, value) = match part.split_once('=') {
            // The model of an interface comes with its address.
            Some((model, _)) if kind == "net" && at == 0 => (String::new(), model),
            Some((name, value)) => (name.to_owned(), value),
            None if is_drive && at == 0 => {
                // The volume is the storage's own affair; a drive for cloud-init is none.
                let (storage, volume) = part.split_once(':').unwrap_or((part, ""));
                if volume.contains("cloudinit") {
                    parts.insert("media".to_owned(), "cloudinit".to_owned());
                }
                (String::new(), storage)
            }
            None => (String::new(), part),
        };
        let is_of_volume = is_drive && matches!(name.as_str(), "size" | "format" | "import-from");
        let is_address = kind == "net" && matches!(name.as_str(), "macaddr");
        let is_told = parts.contains_key(&name) && name == "media";
        if !is_of_volume && !is_address && !is_told {
            let value = if is_drive || kind == "net" || key == "agent" {
                switch(value)
            } else {
                value
            };
            parts.insert(name, value.to_owned());
        }
    }
    // Where a value has a first part without a name, it may be given with one.
    for (of, name) in [
        ("agent", "enabled"),
        ("memory", "current"),
        ("cpu", "cputype"),
    ] {
        if let Some(value) = parts.remove(name).filter(|_| of == key) {
            parts.insert(String::new(), value);
        }
    }
    // What is off is like what is not named.
    parts.retain(|name, value| name.is_empty() || value != "0");
    parts
}

/// Proxmox VE takes several words for on and off.
fn switch(value: &str) -> &str {
    match value {
        "on" | "yes" | "true" => "1",
        "off" | "no" | "false" => "0",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage() -> StorageName {
        "local-lvm".parse().unwrap()
    }

    /// What a node gives back for the default hardware.
    fn found() -> VmConfig {
        let values = [
            ("agent", "0"),
            ("balloon", "0"),
            ("bios", "ovmf"),
            ("boot", "order=scsi0"),
            ("cores", "2"),
            ("cpu", "host"),
            ("description", "anything"),
            ("digest", "0a"),
            ("efidisk0", "local-lvm:base-9000-disk-0,efitype=4m,size=4M"),
            ("machine", "q35"),
            ("memory", "4096"),
            ("meta", "creation-qemu=9.0.2,ctime=1700000000"),
            ("name", "talos"),
            ("net0", "virtio=BC:24:11:2C:A0:01,bridge=vmbr0"),
            ("ostype", "l26"),
            ("scsi0", "local-lvm:base-9000-disk-1,discard=on,size=4G"),
            ("scsihw", "virtio-scsi-pci"),
            ("serial0", "socket"),
            ("smbios1", "uuid=0"),
            ("sockets", "1"),
            ("template", "1"),
            ("vmgenid", "0"),
        ];
        VmConfig(
            values
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        )
    }

    fn differences(hardware: &Hardware, found: &VmConfig) -> Vec<String> {
        let wanted = MachineConfig::of(hardware, &storage());
        different(&wanted, &storage(), found).into_iter().collect()
    }

    #[test]
    fn what_proxmox_makes_of_it_is_no_difference() {
        assert_eq!(differences(&Hardware::default(), &found()), [""; 0]);
        let mut full = Hardware {
            tpm: true,
            cloud_init: true,
            agent: true,
            rng: true,
            vga: Some("serial0".to_owned()),
            ..Hardware::default()
        };
        full.net[0].vlan = Some(20);
        full.net[0].firewall = true;
        full.net[0].mtu = Some(1);
        let mut config = found();
        for (key, value) in [
            ("agent", "enabled=1"),
            (
                "tpmstate0",
                "local-lvm:base-9000-disk-2,size=4M,version=v2.0",
            ),
            ("ide2", "local-lvm:vm-9000-cloudinit,media=cdrom"),
            ("rng0", "source=/dev/urandom"),
            ("vga", "serial0"),
            (
                "net0",
                "virtio=BC:24:11:2C:A0:01,bridge=vmbr0,firewall=1,mtu=1,tag=20",
            ),
        ] {
            config.0.insert(key.to_owned(), value.to_owned());
        }
        assert_eq!(differences(&full, &config), [""; 0]);
    }

    #[test]
    fn each_difference_is_named() {
        let changes = [
            ("memory", Some("8192")),
            ("cores", None),
            ("bios", None),
            ("cpu", Some("x86-64-v2-AES")),
            ("net0", Some("virtio=BC:24:11:2C:A0:01,bridge=vmbr1")),
            ("net0", Some("e1000=BC:24:11:2C:A0:01,bridge=vmbr0")),
            ("net0", Some("virtio=BC:24:11:2C:A0:01,bridge=vmbr0,tag=7")),
            ("net0", None),
            ("net1", Some("virtio=BC:24:11:2C:A0:02,bridge=vmbr0")),
            ("scsi0", Some("other:base-9000-disk-1,discard=on,size=4G")),
            ("scsi0", Some("local-lvm:base-9000-disk-1,size=4G")),
            ("scsi1", Some("local-lvm:base-9000-disk-3,size=4G")),
            (
                "efidisk0",
                Some("local-lvm:base-9000-disk-0,efitype=4m,pre-enrolled-keys=1,size=4M"),
            ),
            ("tpmstate0", Some("local-lvm:base-9000-disk-2,version=v2.0")),
            ("serial0", None),
            ("agent", Some("1")),
            ("hostpci0", Some("0000:01:00.0")),
        ];
        for (key, value) in changes {
            let mut config = found();
            match value {
                Some(value) => config.0.insert(key.to_owned(), value.to_owned()),
                None => config.0.remove(key),
            };
            assert_eq!(
                differences(&Hardware::default(), &config),
                [key],
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_default_that_is_left_out_is_no_difference() {
        let hardware = Hardware {
            cores: 1,
            bios: Bios::SeaBios,
            memory: 512,
            ..Hardware::default()
        };
        let mut config = found();
        for key in ["cores", "bios", "memory", "agent", "sockets", "efidisk0"] {
            config.0.remove(key);
        }
        assert_eq!(differences(&hardware, &config), [""; 0]);
    }
}
