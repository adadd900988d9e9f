//! A disk as a QEMU image (qcow2, version 3): clusters of zeros are left out.
//!
//! File layout, in clusters: header, refcount table, refcount blocks, L1 table,
//! L2 tables, data. Follows `docs/interop/qcow2.txt` of QEMU.

/// 64 KiB, QEMU's own default.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: usize = 1 << CLUSTER_BITS;
/// Entries of 8 bytes in a cluster of an L1, L2 or refcount table.
const POINTERS: usize = CLUSTER / 8;
/// Entries of 2 bytes in a refcount block.
const COUNTS: usize = CLUSTER / 2;
/// "The refcount of this cluster is exactly one", in L1 and L2 entries.
const COPIED: u64 = 1 << 63;
const HEADER_BYTES: u32 = 104;

/// Where the parts begin, counted in clusters.
struct Layout {
    refcount_blocks: usize,
    l1: usize,
    l2: usize,
    data: usize,
    end: usize,
}

impl Layout {
    fn of(disk_clusters: usize, data_clusters: usize) -> Self {
        let l2_tables = disk_clusters.div_ceil(POINTERS);
        let l1_clusters = l2_tables.div_ceil(POINTERS);
        // Refcount blocks count themselves, so their number is found by trying.
        let mut blocks = 1;
        loop {
            let table = blocks_table(blocks);
            let l1 = 1 + table + blocks;
            let end = l1 + l1_clusters + l2_tables + data_clusters;
            if end.div_ceil(COUNTS) <= blocks {
                return Self {
                    refcount_blocks: 1 + table,
                    l1,
                    l2: l1 + l1_clusters,
                    data: l1 + l1_clusters + l2_tables,
                    end,
                };
            }
            blocks = end.div_ceil(COUNTS);
        }
    }
}

/// Clusters that the refcount table takes for so many refcount blocks.
fn blocks_table(blocks: usize) -> usize {
    blocks.div_ceil(POINTERS)
}

/// Wraps a raw disk.
pub(super) fn wrap(disk: &[u8]) -> Vec<u8> {
    let clusters: Vec<&[u8]> = disk.chunks(CLUSTER).collect();
    let zeros = [0; CLUSTER];
    let used: Vec<usize> = (0..clusters.len())
        .filter(|&index| clusters[index] != &zeros[..clusters[index].len()])
        .collect();
    let layout = Layout::of(clusters.len(), used.len());
    let mut image = vec![0; layout.end * CLUSTER];

    image[..HEADER_BYTES as usize].copy_from_slice(&header(disk.len(), clusters.len(), &layout));
    for (slot, block) in (layout.refcount_blocks..layout.l1).enumerate() {
        put(&mut image, CLUSTER + slot * 8, at(block).to_be_bytes());
    }
    for cluster in 0..layout.end {
        let slot = layout.refcount_blocks * CLUSTER + cluster * 2;
        put(&mut image, slot, 1_u16.to_be_bytes());
    }
    for (slot, table) in (layout.l2..layout.data).enumerate() {
        let slot = layout.l1 * CLUSTER + slot * 8;
        put(&mut image, slot, (at(table) | COPIED).to_be_bytes());
    }
    for (target, &source) in (layout.data..).zip(&used) {
        let slot = layout.l2 * CLUSTER + source * 8;
        put(&mut image, slot, (at(target) | COPIED).to_be_bytes());
        let content = clusters[source];
        image[target * CLUSTER..][..content.len()].copy_from_slice(content);
    }
    image
}

/// The offset of a cluster in the file.
fn at(cluster: usize) -> u64 {
    (cluster as u64) << CLUSTER_BITS
}

fn put<const N: usize>(image: &mut [u8], at: usize, bytes: [u8; N]) {
    image[at..at + N].copy_from_slice(&bytes);
}

fn header(disk_bytes: usize, disk_clusters: usize, layout: &Layout) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    let blocks = layout.l1 - layout.refcount_blocks;
    put(&mut header, 0, *b"QFI\xfb");
    put(&mut header, 4, 3_u32.to_be_bytes());
    put(&mut header, 20, CLUSTER_BITS.to_be_bytes());
    put(&mut header, 24, (disk_bytes as u64).to_be_bytes());
    put(
        &mut header,
        36,
        (disk_clusters.div_ceil(POINTERS) as u32).to_be_bytes(),
    );
    put(&mut header, 40, at(layout.l1).to_be_bytes());
    put(&mut header, 48, at(1).to_be_bytes());
    put(&mut header, 56, (blocks_table(blocks) as u32).to_be_bytes());
    // Refcounts of 2^4 bits.
    put(&mut header, 96, 4_u32.to_be_bytes());
    put(&mut header, 100, HEADER_BYTES.to_be_bytes());
    header
}
