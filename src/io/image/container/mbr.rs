//! The partition table in the first sector of a disk (MBR), as hybrid ISO images
//! have it.

use super::source::{ImageFault, ImageSource, le32, reach, read};

/// Table entries are in sectors of this many bytes.
const SECTOR: u64 = 512;
const TABLE: usize = 446;
const ENTRY: usize = 16;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// "There is a GUID partition table": the entry may cover more than the disk.
const PROTECTIVE: u8 = 0xee;

/// Checks that every partition is within the file. A first sector without a
/// table passes: boot code without partitions is as common.
pub(super) fn check(source: &impl ImageSource) -> Result<(), ImageFault> {
    let sector = read(source, "its boot sector", 0, SECTOR as usize)?;
    if sector[510..] != SIGNATURE {
        return Ok(());
    }
    let entries = || sector[TABLE..510].chunks(ENTRY);
    // Anything but these two flags means that this is no table but code.
    if entries().any(|entry| !matches!(entry[0], 0x00 | 0x80)) {
        return Ok(());
    }
    for entry in entries() {
        let (kind, first, count) = (entry[4], le32(entry, 8), le32(entry, 12));
        if kind != 0 && kind != PROTECTIVE && count != 0 {
            let end = (u64::from(first) + u64::from(count)) * SECTOR;
            reach(source, "a partition in its MBR", end)?;
        }
    }
    Ok(())
}
