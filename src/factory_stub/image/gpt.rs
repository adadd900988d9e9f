//! A raw disk with a GUID partition table (UEFI specification, chapter 5).
//!
//! Protective MBR, primary table, an EFI and a STATE partition, backup table.
//! About a twentieth is noise and the rest zeros, which is what makes sparse
//! writing and block-parallel decoding worth testing.

use std::io;

use super::about::About;

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
const ENTRY_COUNT: u32 = 128;
const ENTRY_BYTES: u32 = 128;
/// Sectors that the array of entries takes.
const TABLE_SECTORS: u64 = (ENTRY_COUNT * ENTRY_BYTES) as u64 / SECTOR;

/// "EFI system", in the mixed byte order of the table.
const TYPE_EFI: [u8; 16] = [
    0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
];
/// "Linux file system data", in the mixed byte order of the table.
const TYPE_LINUX: [u8; 16] = [
    0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
];

struct Partition {
    kind: [u8; 16],
    name: &'static str,
    /// First byte.
    start: u64,
    /// The byte after the last one.
    end: u64,
}

/// Builds a disk of `size` bytes, a multiple of 1 MiB and at least 4 MiB.
pub(super) fn build(about: &About, size: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(size).map_err(io::Error::other)?;
    let mut disk = vec![0; length];
    let middle = (size / 2).next_multiple_of(MIB);
    let partitions = [
        Partition {
            kind: TYPE_EFI,
            name: "EFI",
            start: MIB,
            end: middle,
        },
        Partition {
            kind: TYPE_LINUX,
            name: "STATE",
            start: middle,
            end: size - MIB,
        },
    ];
    for (partition, share) in partitions.iter().zip([32, 64]) {
        let content = &mut disk[partition.start as usize..partition.end as usize];
        let readme = about.readme();
        content[..readme.len()].copy_from_slice(readme.as_bytes());
        // Not at the start of the partition, so that the zeros have two sides.
        let noise = &mut content[4096..][..(size / share) as usize];
        about.noise(partition.name).fill(noise);
    }
    write_tables(&mut disk, about, &partitions);
    Ok(disk)
}

fn write_tables(disk: &mut [u8], about: &About, partitions: &[Partition]) {
    let sectors = disk.len() as u64 / SECTOR;
    let mut noise = about.noise("guid");
    let disk_guid = noise.guid();

    let mut table = vec![0; (ENTRY_COUNT * ENTRY_BYTES) as usize];
    for (entry, partition) in table.chunks_mut(ENTRY_BYTES as usize).zip(partitions) {
        entry[..16].copy_from_slice(&partition.kind);
        entry[16..32].copy_from_slice(&noise.guid());
        entry[32..40].copy_from_slice(&(partition.start / SECTOR).to_le_bytes());
        entry[40..48].copy_from_slice(&(partition.end / SECTOR - 1).to_le_bytes());
        for (slot, unit) in entry[56..].chunks_mut(2).zip(partition.name.encode_utf16()) {
            slot.copy_from_slice(&unit.to_le_bytes());
        }
    }

    let backup_table = sectors - 1 - TABLE_SECTORS;
    let header = |own: u64, other: u64, table_at: u64| {
        let mut header = [0_u8; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[8..12].copy_from_slice(&0x0001_0000_u32.to_le_bytes());
        header[12..16].copy_from_slice(&92_u32.to_le_bytes());
        header[24..32].copy_from_slice(&own.to_le_bytes());
        header[32..40].copy_from_slice(&other.to_le_bytes());
        header[40..48].copy_from_slice(&(2 + TABLE_SECTORS).to_le_bytes());
        header[48..56].copy_from_slice(&(backup_table - 1).to_le_bytes());
        header[56..72].copy_from_slice(&disk_guid);
        header[72..80].copy_from_slice(&table_at.to_le_bytes());
        header[80..84].copy_from_slice(&ENTRY_COUNT.to_le_bytes());
        header[84..88].copy_from_slice(&ENTRY_BYTES.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&table).to_le_bytes());
        let sum = crc32(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    };

    let mut put = |sector: u64, bytes: &[u8]| {
        let at = (sector * SECTOR) as usize;
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &protective_mbr(sectors));
    put(1, &header(1, sectors - 1, 2));
    put(2, &table);
    put(backup_table, &table);
    put(sectors - 1, &header(sectors - 1, 1, backup_table));
}

/// The old partition table that keeps old tools away from the new one.
fn protective_mbr(sectors: u64) -> [u8; 512] {
    let mut mbr = [0; 512];
    let entry = &mut mbr[446..462];
    entry[1..4].copy_from_slice(&[0x00, 0x02, 0x00]);
    entry[4] = 0xee;
    entry[5..8].copy_from_slice(&[0xff; 3]);
    entry[8..12].copy_from_slice(&1_u32.to_le_bytes());
    let covered = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    entry[12..16].copy_from_slice(&covered.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    mbr
}

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
