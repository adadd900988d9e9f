//! Drives that are made with a virtual machine: empty, or from an image.

use super::super::answer::Denied;
use super::super::options::StubStorage;
use super::super::world::PveWorld;
use super::super::{checks, files};
use super::disks::{StubDisk, has_files};
use super::drives::{Drive, size};

const TPM: u64 = 4 << 20;

/// Makes what a drive asks for. The disk is `None` where there is nothing to make.
pub(super) fn make(
    world: &PveWorld,
    node: &str,
    vmid: u32,
    key: &str,
    value: &str,
) -> Result<(Drive, Option<StubDisk>), String> {
    let Some(mut drive) = Drive::parse(value) else {
        return Err(format!("unable to parse drive '{key}'"));
    };
    if let Some(storage) = drive.cloud_init() {
        let storage = world.activated(node, storage).map_err(Denied::text)?;
        let name = format!("vm-{vmid}-cloudinit");
        drive.file = match has_files(&storage.kind) {
            true => format!("{}:{vmid}/{name}.qcow2", storage.name),
            false => format!("{}:{name}", storage.name),
        };
        drive.options.insert("media".to_owned(), "cdrom".to_owned());
        let disk = disk(&storage, node, &drive.file, 4 << 20, None);
        return Ok((drive, Some(disk)));
    }
    let Some((storage, gib)) = drive.new_disk() else {
        return Ok((drive, None));
    };
    let storage = world.activated(node, storage).map_err(Denied::text)?;
    let source = drive.options.remove("import-from");
    let mut format = drive.options.remove("format");
    let (bytes, digest) = match &source {
        Some(source) => {
            let wrong = |why: String| format!("cannot import from '{source}' - {why}");
            let (size, digest, extension) = image(world, node, source).map_err(wrong)?;
            format = format.or(Some(extension));
            (size, Some(digest))
        }
        None => (fixed(key, &storage).unwrap_or(gib << 30), None),
    };
    let name = free_name(world, node, &storage, vmid);
    drive.file = match has_files(&storage.kind) {
        true => {
            let format = format.as_deref().unwrap_or("raw");
            format!("{}:{vmid}/{name}.{format}", storage.name)
        }
        false => format!("{}:{name}", storage.name),
    };
    drive.options.insert("size".to_owned(), size(bytes));
    let disk = disk(&storage, node, &drive.file, bytes, digest);
    Ok((drive, Some(disk)))
}

/// The size of what has always the same.
fn fixed(key: &str, storage: &StubStorage) -> Option<u64> {
    match key {
        "efidisk0" if has_files(&storage.kind) => Some(528 << 10),
        "efidisk0" => Some(4 << 20),
        "tpmstate0" => Some(TPM),
        _ => None,
    }
}

fn disk(
    storage: &StubStorage,
    node: &str,
    volid: &str,
    size: u64,
    source: Option<String>,
) -> StubDisk {
    StubDisk {
        volid: volid.to_owned(),
        node: if storage.shared { "" } else { node }.to_owned(),
        size,
        source,
    }
}

/// The first name of a disk that nothing on the storage has.
fn free_name(world: &PveWorld, node: &str, storage: &StubStorage, vmid: u32) -> String {
    let here = if storage.shared { "" } else { node };
    let disks = world.guests.disks();
    let is_taken = |number: u32| {
        let ends = |volid: &str| {
            ["vm", "base"].iter().any(|kind| {
                let name = format!("{kind}-{vmid}-disk-{number}");
                let last = volid.rsplit(['/', ':']).next().unwrap_or_default();
                last == name || last.starts_with(&format!("{name}."))
            })
        };
        let prefix = format!("{}:", storage.name);
        disks
            .iter()
            .any(|disk| disk.node == here && disk.volid.starts_with(&prefix) && ends(&disk.volid))
    };
    let number = (0..).find(|number| !is_taken(*number)).unwrap_or_default();
    format!("vm-{vmid}-disk-{number}")
}

/// The size that a machine sees, the digest, and the extension of an image.
fn image(world: &PveWorld, node: &str, source: &str) -> Result<(u64, String, String), String> {
    let unknown = || format!("could not get size of {source}");
    let (storage, name) = source.split_once(":import/").ok_or_else(unknown)?;
    let storage = world.activated(node, storage).map_err(Denied::text)?;
    let file = world.directory(node, &storage, "import").join(name);
    let about = std::fs::metadata(&file).map_err(|_| unknown())?;
    if about.len() == 0 {
        return Err(unknown());
    }
    checks::check(&file, "import", name)?;
    let extension = name.rsplit('.').next().unwrap_or_default();
    let size = match checks::qcow2_size(&file).filter(|_| extension == "qcow2") {
        Some(size) => size,
        None => about.len().next_multiple_of(512),
    };
    let digest = files::digest(&file, "sha256")?;
    Ok((size, digest, extension.to_owned()))
}
