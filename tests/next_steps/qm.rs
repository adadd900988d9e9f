//! What `qm create` and `qm set` of Proxmox VE 9 accept; 8.2 has all that the page uses.

use super::Delivered;

const PLAIN: &str = "acpi affinity agent allow-ksm amd-sev arch archive args audio0 autostart balloon \
    bios boot bootdisk bwlimit cdrom cicustom cipassword citype ciupgrade ciuser cores cpu cpulimit \
    cpuunits description efidisk0 force freeze ha-managed hookscript hotplug hugepages ivshmem \
    keephugepages keyboard kvm live-restore localtime lock machine memory migrate_downtime \
    migrate_speed name nameserver numa onboot ostype pool protection reboot rng0 scsihw searchdomain \
    shares smbios1 smp sockets spice_enhancements sshkeys start startdate startup storage tablet tags \
    tdf template tpmstate0 unique vcpus vga vmgenid vmstatestorage watchdog";
const NUMBERED: &str =
    "hostpci ide ipconfig net numa parallel sata scsi serial unused usb virtio virtiofs";
const DRIVE: &str = "aio backup cache detect_zeroes discard file format import-from iothread media \
    product queues replicate rerror ro serial shared size snapshot ssd vendor werror wwn";

/// The keys in the value of an option, where there is a list of them.
fn keys(option: &str) -> Option<&'static str> {
    Some(match option {
        "scsi" | "ide" | "sata" | "virtio" => DRIVE,
        "efidisk0" => "efitype format import-from ms-cert pre-enrolled-keys size",
        "tpmstate0" => "format import-from size version",
        "net" => "virtio bridge firewall link_down macaddr model mtu queues rate tag trunks",
        "agent" => "enabled freeze-fs-on-backup fstrim_cloned_disks type",
        "ipconfig" => "gw gw6 ip ip6",
        "cicustom" => "meta network user vendor",
        "boot" => "order",
        _ => return None,
    })
}

/// The values of an option, where there is a list of them.
fn values(option: &str) -> Option<&'static str> {
    Some(match option {
        "scsihw" => "lsi lsi53c810 megasas pvscsi virtio-scsi-pci virtio-scsi-single",
        "bios" => "ovmf seabios",
        "ostype" => "l24 l26 other solaris w2k w2k3 w2k8 win10 win11 win7 win8 wvista wxp",
        _ => return None,
    })
}

fn lists(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

/// Fails the test unless `qm` would take these words.
#[track_caller]
pub fn accepts(world: &Delivered, node: &str, words: &[&str]) {
    let line = words.join(" ");
    match words {
        ["create" | "set", vmid, options @ ..] if is_number(vmid) => {
            let mut options = options.iter();
            while let Some(option) = options.next() {
                let name = option.strip_prefix("--").expect(&line);
                let (name, value) = match name.split_once('=') {
                    Some(pair) => pair,
                    None => (name, *options.next().expect(&line)),
                };
                accepts_option(world, node, name, value);
            }
        }
        ["disk", "resize", vmid, disk, size] => {
            assert!(is_number(vmid) && is_drive(disk), "{line}");
            assert!(
                is_number(size.trim_end_matches(['K', 'M', 'G', 'T'])),
                "{line}"
            );
        }
        ["disk", "import", vmid, source, _storage] if is_number(vmid) => {
            assert!(world.volume(node, source).is_file(), "{line}");
        }
        ["start", vmid] => assert!(is_number(vmid), "{line}"),
        _ => panic!("qm {line}"),
    }
}

fn is_drive(disk: &str) -> bool {
    let name = disk.trim_end_matches(|c: char| c.is_ascii_digit());
    name != disk && lists("ide sata scsi virtio", name)
}

/// Fails the test unless an option exists and its value fits; `import-from` and ISO
/// files have to be on the node.
#[track_caller]
pub fn accepts_option(world: &Delivered, node: &str, option: &str, value: &str) {
    let kind = option.trim_end_matches(|c: char| c.is_ascii_digit());
    let kind = match lists(PLAIN, option) {
        true => option,
        false => kind,
    };
    let known = lists(PLAIN, option) || (kind != option && lists(NUMBERED, kind));
    assert!(known, "qm has no option --{option}");
    if let Some(values) = values(kind) {
        assert!(lists(values, value), "--{option} {value}");
    }
    let Some(keys) = keys(kind) else {
        return;
    };
    for part in value.split(',') {
        match part.split_once('=') {
            Some((key, _)) => assert!(lists(keys, key), "--{option} {value}: no key {key}"),
            None if part.starts_with("local:iso/") => {
                assert!(world.volume(node, part).is_file(), "{part}");
            }
            None => {}
        }
        if let Some(source) = part.strip_prefix("import-from=") {
            assert!(world.volume(node, source).is_file(), "{source}");
        }
    }
}
