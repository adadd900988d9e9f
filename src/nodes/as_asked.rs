//! Whether a template is what was asked for. Proxmox VE completes values: a network
//! interface gets an address, a drive its volume and its size. So each part that was given
//! has to be there, and more may be.

use std::collections::BTreeSet;

use crate::facts::VmConfig;
use crate::io::process::printable;
use crate::nodes::templates::TemplateCreation;

/// True for an option whose value names a volume.
pub(super) fn is_drive(key: &str) -> bool {
    let kind = key.trim_end_matches(|c: char| c.is_ascii_digit());
    kind != key
        && matches!(
            kind,
            "ide" | "sata" | "scsi" | "virtio" | "efidisk" | "tpmstate"
        )
}

/// The first difference, as a clause.
pub(super) fn deviation(creation: &TemplateCreation, found: &VmConfig) -> Option<String> {
    let is_storage = |value: &str| {
        let storage = value.split_once(':').map(|(storage, _)| storage);
        storage == Some(creation.storage.as_str())
    };
    let disk = found.get(&creation.disk).unwrap_or_default();
    let wrong = match () {
        () if !found.is_template() => "template",
        () if found.name() != creation.name => "name",
        () if found.description() != creation.description.trim_end() => "description",
        () if sorted(found.tags()) != sorted(creation.tags.split(';')) => "tags",
        () if !is_storage(disk) || !has_parts("", &creation.disk_options, disk) => &creation.disk,
        () => {
            let differs = |(key, value): &(&String, &String)| {
                found
                    .get(key)
                    .is_none_or(|found| !has_parts(key, value, found))
            };
            creation.config.iter().find(differs)?.0
        }
    };
    let seen = match found.get(wrong) {
        Some(seen) => format!("{:?}", printable(seen.as_bytes())),
        None => "nothing".to_owned(),
    };
    Some(format!("its `{wrong}` is {seen}"))
}

/// Proxmox VE keeps tags in lower case, unless it was told otherwise.
fn sorted<'a>(tags: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let tags = tags.into_iter().filter(|tag| !tag.is_empty());
    tags.map(str::to_lowercase).collect()
}

/// True if each part of a value is there, but for those that Proxmox VE replaces.
fn has_parts(key: &str, wanted: &str, found: &str) -> bool {
    let there: BTreeSet<&str> = found.split(',').collect();
    let mut parts = wanted.split(',').filter(|part| !part.is_empty());
    let first = match key {
        "" => None,
        _ => parts.next(),
    };
    let is_first_there = first.is_none_or(|first| {
        if is_drive(key) {
            // The volume that was made.
            let storage = |value: &str| value.split_once(':').map(|(name, _)| name.to_owned());
            storage(first) == storage(found)
        } else if key.starts_with("net") {
            let begins = |rest: &str| rest.is_empty() || rest.starts_with(['=', ',']);
            found.strip_prefix(first).is_some_and(begins)
        } else {
            there.contains(first)
        }
    });
    is_first_there && parts.all(|part| there.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_completed_is_the_same() {
        for (key, wanted, found) in [
            ("cores", "2", "2"),
            (
                "net0",
                "virtio,bridge=vmbr0,tag=20",
                "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20",
            ),
            (
                "efidisk0",
                "local-lvm:1,efitype=4m,pre-enrolled-keys=0",
                "local-lvm:base-9000-disk-0,efitype=4m,pre-enrolled-keys=0,size=4M",
            ),
            (
                "ide2",
                "local-lvm:cloudinit",
                "local-lvm:vm-9000-cloudinit,media=cdrom",
            ),
            (
                "",
                "discard=on",
                "local-lvm:base-9000-disk-1,discard=on,size=1M",
            ),
            ("", "", "local-lvm:base-9000-disk-1"),
        ] {
            assert!(has_parts(key, wanted, found), "{key}: {found}");
        }
        for (key, wanted, found) in [
            ("cores", "2", "4"),
            (
                "net0",
                "virtio,bridge=vmbr0",
                "e1000=BC:24:11:00:00:01,bridge=vmbr0",
            ),
            (
                "net0",
                "virtio,bridge=vmbr0",
                "virtio=BC:24:11:00:00:01,bridge=vmbr1",
            ),
            (
                "efidisk0",
                "local-lvm:1,efitype=4m",
                "other:vm-9000-disk-0,efitype=4m",
            ),
            ("", "discard=on", "local-lvm:base-9000-disk-1,size=1M"),
        ] {
            assert!(!has_parts(key, wanted, found), "{key}: {found}");
        }
    }
}
