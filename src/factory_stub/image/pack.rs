//! A disk image compressed the way the factory's tools do it.

use std::io::{self, Write};

use xz2::stream::{Check, MtStreamBuilder};
use xz2::write::XzEncoder;

use crate::model::Codec;

/// Uncompressed bytes in a block of a real image (`xz -0 -T0`).
const LARGEST_BLOCK: usize = 1 << 20;
const SMALLEST_BLOCK: usize = 64 << 10;

/// Compresses a disk; the same bytes on every machine.
pub fn pack(codec: Codec, disk: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        Codec::Xz => xz(disk),
        Codec::Zstd => zstd(disk),
        Codec::Gzip => gzip(disk),
    }
}

/// One stream of independent blocks with their sizes in the block headers, which
/// is what only liblzma's threaded encoder writes; the number of threads does
/// not change the bytes.
fn xz(disk: &[u8]) -> io::Result<Vec<u8>> {
    // Eight blocks at least, so that small images are decoded in parallel too.
    let block = (disk.len() / 8)
        .next_power_of_two()
        .clamp(SMALLEST_BLOCK, LARGEST_BLOCK);
    let stream = MtStreamBuilder::new()
        .threads(2)
        .preset(0)
        .block_size(block as u64)
        .check(Check::Crc64)
        .encoder()
        .map_err(io::Error::other)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(disk)?;
    encoder.finish()
}

fn zstd(disk: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(disk.len() as u64))?;
    encoder.write_all(disk)?;
    encoder.finish()
}

fn gzip(disk: &[u8]) -> io::Result<Vec<u8>> {
    // The builder's default time stamp is zero: the same bytes every time.
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(disk)?;
    encoder.finish()
}
