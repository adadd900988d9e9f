//! A raw disk image in the form of a qcow2 file (version 3), without that file.
//!
//! Where everything stands follows from which clusters of the disk hold data. So every
//! part of the file can be made when it is asked for, and its length is known before: it
//! is served and sent without a copy on the disk. Clusters of zeros are left out; nothing
//! is compressed. The same image always gives the same bytes.
//!
//! In clusters: the header, the refcount table, the refcount blocks, the L1 table, an L2
//! table for each part of the disk that holds data, and the data in the order of the disk.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::io::file::sparse::{extents, is_zero};

/// The size of a cluster is QEMU's own: 64 KiB.
const BITS: u32 = 16;
const CLUSTER: u64 = 1 << BITS;

/// Entries of a table that fills a cluster, 8 bytes each.
const ENTRIES: u64 = CLUSTER / 8;

/// Counts in a block of refcounts, 2 bytes each.
const COUNTS: u64 = CLUSTER / 2;

/// The flag of an entry whose cluster nothing else refers to.
const COPIED: u64 = 1 << 63;

/// The length of the header of version 3 without optional fields.
const HEADER: u32 = 104;

/// The unit of a disk's length.
const SECTOR: u64 = 512;

/// Neighbouring clusters of the disk that hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DataRun {
    /// The first, as a number on the disk.
    cluster: u64,
    count: u64,
    /// How many clusters of data stand before it in the file.
    before: u64,
}

/// Where everything stands in the qcow2 form of a raw image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Qcow2Layout {
    /// The length of the raw image in bytes.
    raw: u64,
    runs: Vec<DataRun>,
    /// The numbers of the L2 tables that are not empty.
    tables: Vec<u64>,
    /// How many clusters each of these takes.
    refcount_table: u64,
    refcount_blocks: u64,
    l1_table: u64,
    data: u64,
}

impl Qcow2Layout {
    /// Reads a raw image, except for its holes.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn scan(file: &File) -> io::Result<Self> {
        let raw = file.metadata()?.len();
        let mut buffer = vec![0; CLUSTER as usize];
        let mut runs: Vec<DataRun> = Vec::new();
        let (mut next, mut data) = (0, 0);
        for extent in extents(file)? {
            for cluster in (extent.start / CLUSTER).max(next)..extent.end.div_ceil(CLUSTER) {
                next = cluster + 1;
                let start = cluster * CLUSTER;
                let piece = &mut buffer[..CLUSTER.min(raw - start) as usize];
                file.read_exact_at(piece, start)?;
                if is_zero(piece) {
                    continue;
                }
                match runs.last_mut() {
                    Some(run) if run.cluster + run.count == cluster => run.count += 1,
                    _ => runs.push(DataRun {
                        cluster,
                        count: 1,
                        before: data,
                    }),
                }
                data += 1;
            }
        }
        Ok(Self::of(raw, runs, data))
    }

    fn of(raw: u64, runs: Vec<DataRun>, data: u64) -> Self {
        let mut tables: Vec<u64> = Vec::new();
        for run in &runs {
            let last = (run.cluster + run.count - 1) / ENTRIES;
            let first = run.cluster / ENTRIES;
            let known = tables.last().map_or(first, |known| first.max(known + 1));
            tables.extend(known..=last);
        }
        let l1_table = table_count(raw).div_ceil(ENTRIES).max(1);
        let others = 1 + l1_table + tables.len() as u64 + data;
        // The counts are counted, too.
        let (mut refcount_table, mut refcount_blocks) = (1, 1);
        loop {
            let blocks = (others + refcount_table + refcount_blocks).div_ceil(COUNTS);
            let table = blocks.div_ceil(ENTRIES);
            if (table, blocks) == (refcount_table, refcount_blocks) {
                break;
            }
            (refcount_table, refcount_blocks) = (table, blocks);
        }
        Self {
            raw,
            runs,
            tables,
            refcount_table,
            refcount_blocks,
            l1_table,
            data,
        }
    }

    /// The length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.clusters() * CLUSTER
    }

    /// The parts of the raw image that are in the file, in order, in bytes, each with the
    /// bytes that it takes there.
    pub(crate) fn data(&self) -> impl Iterator<Item = (Range<u64>, u64)> {
        self.runs.iter().map(|run| {
            let end = (run.cluster + run.count) * CLUSTER;
            let range = run.cluster * CLUSTER..end.min(self.raw);
            (range, run.count * CLUSTER)
        })
    }

    /// Where the data begin in the file: the tables stand before.
    pub(crate) fn tables_end(&self) -> u64 {
        self.data_start() * CLUSTER
    }

    /// Reads a part of the file; `raw` is the image that was scanned.
    ///
    /// # Errors
    /// Any error of the file system; [`io::ErrorKind::UnexpectedEof`] where the file, or
    /// the image now, is shorter.
    pub(crate) fn read_at(&self, raw: &File, mut at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut rest = buffer;
        while !rest.is_empty() {
            let (cluster, within) = (at / CLUSTER, (at % CLUSTER) as usize);
            let length = match cluster.checked_sub(self.data_start()) {
                None => {
                    let table = self.table(cluster);
                    let length = rest.len().min(table.len() - within);
                    rest[..length].copy_from_slice(&table[within..within + length]);
                    length
                }
                Some(number) => self.read_data(raw, number, within as u64, rest)?,
            };
            at += length as u64;
            rest = &mut rest[length..];
        }
        Ok(())
    }

    /// Reads from a cluster of data on, as far as the disk goes on as well.
    fn read_data(
        &self,
        raw: &File,
        number: u64,
        within: u64,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let after = self.runs.partition_point(|run| run.before <= number);
        let run = after.checked_sub(1).map(|at| self.runs[at]);
        let Some(run) = run.filter(|run| number < run.before + run.count) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let skipped = (number - run.before) * CLUSTER + within;
        let length = (run.count * CLUSTER - skipped).min(buffer.len() as u64);
        let start = run.cluster * CLUSTER + skipped;
        // The image may end within its last cluster.
        let there = length.min(self.raw.saturating_sub(start)) as usize;
        let length = length as usize;
        raw.read_exact_at(&mut buffer[..there], start)?;
        buffer[there..length].fill(0);
        Ok(length)
    }

    fn data_start(&self) -> u64 {
        self.l2_start() + self.tables.len() as u64
    }

    fn l2_start(&self) -> u64 {
        1 + self.refcount_table + self.refcount_blocks + self.l1_table
    }

    fn clusters(&self) -> u64 {
        self.data_start() + self.data
    }

    /// A cluster in front of the data.
    fn table(&self, cluster: u64) -> Vec<u8> {
        let mut table = vec![0; CLUSTER as usize];
        let blocks = 1 + self.refcount_table;
        let l1 = blocks + self.refcount_blocks;
        let l2 = self.l2_start();
        if cluster == 0 {
            self.header(&mut table);
        } else if cluster < blocks {
            let first = (cluster - 1) * ENTRIES;
            for number in first..self.refcount_blocks.min(first + ENTRIES) {
                put(&mut table, number - first, (blocks + number) * CLUSTER);
            }
        } else if cluster < l1 {
            let first = (cluster - blocks) * COUNTS;
            let used = self.clusters().saturating_sub(first).min(COUNTS) as usize;
            let counts = table.chunks_exact_mut(2).take(used);
            counts.for_each(|count| count.copy_from_slice(&1_u16.to_be_bytes()));
        } else if cluster < l2 {
            let first = (cluster - l1) * ENTRIES;
            for (at, number) in self.tables.iter().enumerate() {
                if (first..first + ENTRIES).contains(number) {
                    let offset = (l2 + at as u64) * CLUSTER;
                    put(&mut table, number - first, offset | COPIED);
                }
            }
        } else {
            self.l2_table(self.tables[(cluster - l2) as usize], &mut table);
        }
        table
    }

    fn l2_table(&self, number: u64, table: &mut [u8]) {
        let covered = number * ENTRIES..(number + 1) * ENTRIES;
        let from = self
            .runs
            .partition_point(|run| run.cluster + run.count <= covered.start);
        for run in &self.runs[from..] {
            if run.cluster >= covered.end {
                break;
            }
            let end = covered.end.min(run.cluster + run.count);
            for cluster in covered.start.max(run.cluster)..end {
                let at = self.data_start() + run.before + (cluster - run.cluster);
                put(table, cluster - covered.start, (at * CLUSTER) | COPIED);
            }
        }
    }

    fn header(&self, header: &mut [u8]) {
        let mut at = 0;
        let mut field = |bytes: &[u8]| {
            header[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let tables = table_count(self.raw) as u32;
        let l1 = (1 + self.refcount_table + self.refcount_blocks) * CLUSTER;
        field(b"QFI\xfb");
        field(&3_u32.to_be_bytes());
        // No backing file: where its name stands, and how long that is.
        field(&[0; 12]);
        field(&BITS.to_be_bytes());
        field(&self.raw.next_multiple_of(SECTOR).to_be_bytes());
        // Not encrypted.
        field(&[0; 4]);
        field(&tables.to_be_bytes());
        field(&l1.to_be_bytes());
        field(&CLUSTER.to_be_bytes());
        field(&(self.refcount_table as u32).to_be_bytes());
        // No snapshots, and features of no kind.
        field(&[0; 12 + 24]);
        // Counts have 2^4 bits.
        field(&4_u32.to_be_bytes());
        field(&HEADER.to_be_bytes());
    }
}

/// How many L2 tables a disk has, the empty ones included.
fn table_count(raw: u64) -> u64 {
    raw.div_ceil(CLUSTER * ENTRIES)
}

/// Writes an entry of a table.
fn put(table: &mut [u8], number: u64, entry: u64) {
    let at = number as usize * 8;
    table[at..at + 8].copy_from_slice(&entry.to_be_bytes());
}
