//! A QEMU disk image (`docs/interop/qcow2.txt` of QEMU): its tables name the place
//! of every cluster in the file.

use super::source::{ImageFault, ImageSource, be32, be64, damaged, reach, read};

/// The header of version 2; version 3 goes on behind it.
const HEADER: usize = 72;
/// Sizes of a cluster, as powers of two.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// The largest tables that QEMU opens, in bytes.
const L1_MAX: u64 = 32 << 20;
const REFCOUNTS_MAX: u64 = 8 << 20;
/// How much of the tables is read at most, in bytes: those of a disk of 1 TiB with
/// the usual clusters of 64 KiB, which is more than any image here has.
const TABLES_MAX: u64 = 128 << 20;
/// How much is read at once, in bytes.
const PIECE: u64 = 64 << 10;

/// The bits of a table's entry that hold an offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const REFCOUNT_OFFSET: u64 = !0x1ff;
const COMPRESSED: u64 = 1 << 62;

/// How many parts a cluster has, each with a bit that says whether it was written, where
/// entries are extended. The bits above those are of parts that read as zeros.
const SUBCLUSTERS: u32 = 32;

/// Incompatible features that move the data elsewhere or change the entries
/// (version 3, bytes 72 to 79).
const EXTERNAL_DATA: u64 = 1 << 2;
const EXTENDED_L2: u64 = 1 << 4;

/// Checks that the header, every table and every cluster are within the file.
pub(super) fn check(source: &impl ImageSource) -> Result<(), ImageFault> {
    let header = read(source, "its header", 0, HEADER)?;
    let version = be32(&header, 4);
    if !matches!(version, 2 | 3) {
        return Err(damaged(format!(
            "it is qcow2 of version {version}; expected 2 or 3"
        )));
    }
    let features = match version {
        2 => 0,
        _ => be64(&read(source, "its header", 72, 8)?, 0),
    };
    if be64(&header, 8) != 0 || features & EXTERNAL_DATA != 0 {
        return Err(damaged(
            "its data are in another file, which it names by its path",
        ));
    }
    let bits = be32(&header, 20);
    if !CLUSTER_BITS.contains(&bits) {
        return Err(damaged(format!("its clusters have 2^{bits} bytes")));
    }
    let mut reader = TableReader {
        source,
        bits,
        disk: be64(&header, 24),
        entry: if features & EXTENDED_L2 == 0 { 8 } else { 16 },
        left: TABLES_MAX,
    };
    let l1 = u64::from(be32(&header, 36)) * 8;
    let refcounts = u64::from(be32(&header, 56)) << bits;
    if l1 > L1_MAX || refcounts > REFCOUNTS_MAX {
        return Err(damaged("its tables are larger than QEMU accepts"));
    }
    reader.refcounts(be64(&header, 48), refcounts)?;
    reader.clusters(be64(&header, 40), l1)
}

struct TableReader<'a, S> {
    source: &'a S,
    bits: u32,
    /// The size of the disk within, in bytes.
    disk: u64,
    /// The size of an entry of an L2 table, in bytes.
    entry: u64,
    /// How much may still be read.
    left: u64,
}

impl<S: ImageSource> TableReader<'_, S> {
    fn cluster(&self) -> u64 {
        1 << self.bits
    }

    fn refcounts(&mut self, table: u64, length: u64) -> Result<(), ImageFault> {
        let cluster = self.cluster();
        self.entries(
            "its refcount table",
            table,
            length,
            8,
            |reader, _, entry| match be64(entry, 0) & REFCOUNT_OFFSET {
                0 => Ok(()),
                block => reach(
                    reader.source,
                    "a refcount block",
                    block.saturating_add(cluster),
                ),
            },
        )
    }

    fn clusters(&mut self, table: u64, length: u64) -> Result<(), ImageFault> {
        let cluster = self.cluster();
        // The last table covers more than the disk, and what is there is unused.
        let per_table = cluster / self.entry;
        self.entries("its L1 table", table, length, 8, |reader, number, entry| {
            let first = number.saturating_mul(per_table);
            match be64(entry, 0) & OFFSET {
                0 => Ok(()),
                table => reader.table(table, first),
            }
        })
    }

    /// An L2 table whose first entry is for this cluster of the disk.
    fn table(&mut self, table: u64, first: u64) -> Result<(), ImageFault> {
        let (cluster, size) = (self.cluster(), self.entry);
        self.entries(
            "an L2 table",
            table,
            cluster,
            size,
            |reader, number, entry| {
                let start = first.saturating_add(number).saturating_mul(cluster);
                reader.data(entry, start)
            },
        )
    }

    /// A cluster of data, which begins at this byte of the disk.
    fn data(&self, extended: &[u8], start: u64) -> Result<(), ImageFault> {
        let what = "a cluster of its data";
        let entry = be64(extended, 0);
        if entry & COMPRESSED != 0 {
            // The offset has no fixed width, and above it is how many sectors
            // follow the one it is in. The last of them may end early.
            let width = 62 - (self.bits - 8);
            let offset = entry & ((1 << width) - 1);
            let more = (entry & (COMPRESSED - 1)) >> width;
            let last = (offset & !511).saturating_add(more * 512);
            return reach(self.source, what, last.max(offset).saturating_add(1));
        }
        match entry & OFFSET {
            0 => Ok(()),
            offset => {
                // The file may end with the disk, in the middle of a cluster, or with
                // the last part of a cluster that was written.
                let length = self.disk.saturating_sub(start).min(self.written(extended));
                match length {
                    0 => Ok(()),
                    length => reach(self.source, what, offset.saturating_add(length)),
                }
            }
        }
    }

    /// How much of a cluster is in the file.
    fn written(&self, extended: &[u8]) -> u64 {
        if self.entry == 8 {
            return self.cluster();
        }
        let parts = SUBCLUSTERS - (be64(extended, 8) as u32).leading_zeros();
        u64::from(parts) * (self.cluster() / u64::from(SUBCLUSTERS))
    }

    /// Reads a table, and shows each entry with its number.
    fn entries(
        &mut self,
        what: &'static str,
        at: u64,
        length: u64,
        size: u64,
        mut take: impl FnMut(&mut Self, u64, &[u8]) -> Result<(), ImageFault>,
    ) -> Result<(), ImageFault> {
        reach(self.source, what, at.saturating_add(length))?;
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| damaged("its tables are larger than those of any image"))?;
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(PIECE);
            let bytes = read(self.source, what, at + done, piece as usize)?;
            for (number, entry) in bytes.chunks(size as usize).enumerate() {
                take(self, done / size + number as u64, entry)?;
            }
            done += piece;
        }
        Ok(())
    }
}
