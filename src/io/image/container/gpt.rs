//! A GUID partition table (UEFI specification, chapter 5): its header names the
//! last sector of the disk, and that sector holds a copy of it.

use super::source::{ImageFault, ImageSource, crc32, damaged, le32, le64, reach, read};

const SIGNATURE: &[u8] = b"EFI PART";
/// The sizes of a sector that images are made for, in bytes.
const SECTORS: [u64; 2] = [512, 4096];
/// The size of a header as all versions so far have it, in bytes.
const HEADER: usize = 92;
/// The largest array of entries that is read, in bytes. 16 KiB are usual.
const ARRAY_MAX: u64 = 1 << 20;
/// The smallest entry that the specification allows, in bytes.
const ENTRY_MIN: u64 = 128;

struct Header {
    /// The sector that it is in.
    own: u64,
    /// The sector that its copy is in.
    other: u64,
    /// The first sector of the array of entries.
    array: u64,
    count: u32,
    entry: u32,
    array_crc: u32,
}

impl Header {
    /// Reads a header from a sector; `None` unless its checksum is right.
    fn parse(sector: &[u8]) -> Option<Self> {
        let length = le32(sector, 12) as usize;
        if !sector.starts_with(SIGNATURE) || length < HEADER {
            return None;
        }
        let mut header = sector.get(..length)?.to_vec();
        header[16..20].fill(0);
        (crc32(&header) == le32(sector, 16)).then(|| Self {
            own: le64(sector, 24),
            other: le64(sector, 32),
            array: le64(sector, 72),
            count: le32(sector, 80),
            entry: le32(sector, 84),
            array_crc: le32(sector, 88),
        })
    }

    /// The array of entries, if its checksum is right.
    fn entries(&self, source: &impl ImageSource, sector: u64) -> Result<Vec<u8>, ImageFault> {
        let entry = u64::from(self.entry);
        let length = u64::from(self.count) * entry;
        if entry < ENTRY_MIN || length > ARRAY_MAX {
            return Err(damaged(format!(
                "its partition table has {} entries of {entry} bytes, which no partition table has",
                self.count
            )));
        }
        let at = self.array.saturating_mul(sector);
        let array = read(source, "its partition table", at, length as usize)?;
        if crc32(&array) != self.array_crc {
            return Err(damaged(format!(
                "the partition table at byte {at} has a wrong checksum"
            )));
        }
        Ok(array)
    }

    /// Checks that every partition is within the file.
    fn partitions(&self, source: &impl ImageSource, sector: u64) -> Result<(), ImageFault> {
        let array = self.entries(source, sector)?;
        for entry in array.chunks(self.entry as usize) {
            let is_used = entry[..16].iter().any(|&byte| byte != 0);
            if is_used {
                let end = le64(entry, 40).saturating_add(1).saturating_mul(sector);
                reach(source, "a partition in its GPT", end)?;
            }
        }
        Ok(())
    }

    fn disk_size(&self, sector: u64) -> u64 {
        self.other.saturating_add(1).saturating_mul(sector)
    }
}

/// Checks that the disk is there to its last sector, and that this sector and the
/// partition table before it are copies of those at the start.
pub(super) fn check(source: &impl ImageSource) -> Result<(), ImageFault> {
    reach(source, "its partition table", 2 * SECTORS[1])?;
    let Some((sector, header)) = primary(source)? else {
        return Err(damaged(
            "the header of its partition table has a wrong checksum",
        ));
    };
    reach(source, "its partition table", header.disk_size(sector))?;
    header.partitions(source, sector)?;
    let at = header.other.saturating_mul(sector);
    let last = read(source, "its partition table", at, sector as usize)?;
    match Header::parse(&last) {
        Some(copy) if copy.own == header.other => copy.entries(source, sector).map(drop),
        _ => Err(damaged(format!(
            "the copy of its partition table, at byte {at}, is missing or wrong"
        ))),
    }
}

/// The same as far as it can be relied on in an ISO image: tools that make an image
/// bootable patch such a table and do not always complete it.
pub(super) fn check_hybrid(source: &impl ImageSource) -> Result<(), ImageFault> {
    match primary(source)? {
        None => Ok(()),
        Some((sector, header)) => {
            reach(source, "its partition table", header.disk_size(sector))?;
            match header.partitions(source, sector) {
                Err(ImageFault::Damaged { .. }) => Ok(()),
                other => other,
            }
        }
    }
}

/// The size of a disk in bytes, as the header in its first sectors says; `None`
/// without a header whose checksum is right.
pub(crate) fn disk_size(head: &[u8]) -> Option<u64> {
    let (sector, header) = primary(head).ok()??;
    Some(header.disk_size(sector))
}

fn primary(source: &(impl ImageSource + ?Sized)) -> Result<Option<(u64, Header)>, ImageFault> {
    for sector in SECTORS {
        let mut bytes = vec![0; sector as usize];
        if source.size() < 2 * sector {
            continue;
        }
        source.read_at(sector, &mut bytes)?;
        if let Some(header) = Header::parse(&bytes) {
            return Ok(Some((sector, header)));
        }
    }
    Ok(None)
}
