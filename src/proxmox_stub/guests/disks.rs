//! The disks of virtual machines. They have no bytes, but what can be told of them.

/// A disk of a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StubDisk {
    /// Its volume, such as `local-lvm:vm-9000-disk-0`.
    pub volid: String,
    /// The node that has it; empty on a shared storage.
    pub node: String,
    /// The size that a machine sees, in bytes.
    pub size: u64,
    /// The SHA-256 of the file that it was made from; `None` for an empty one.
    pub source: Option<String>,
}

/// True for storages that keep disks as files.
pub(super) fn has_files(kind: &str) -> bool {
    matches!(kind, "dir" | "nfs" | "cifs" | "cephfs" | "btrfs")
}

/// The virtual machine that a volume belongs to, and whether it is a template's.
pub(super) fn owner(volid: &str) -> Option<(u32, bool)> {
    let name = volid.rsplit(['/', ':']).next()?;
    let (rest, is_base) = match name.strip_prefix("base-") {
        Some(rest) => (rest, true),
        None => (name.strip_prefix("vm-")?, false),
    };
    let number = rest.split('-').next()?.parse().ok()?;
    Some((number, is_base))
}

/// The volume that a template's disk becomes. Thick LVM and others have no templates.
pub(super) fn base_of(volid: &str) -> String {
    match volid.rsplit_once("vm-") {
        Some((before, rest)) => format!("{before}base-{rest}"),
        None => volid.to_owned(),
    }
}

/// True if a drive of another machine depends on a disk, as far as its volume tells: on
/// LVM thin nothing is seen.
pub(super) fn depends_on(drive: &str, base: &str) -> bool {
    drive.starts_with(&format!("{base}/"))
}
