//! Writing what a fuzzer cannot: checksums, and descriptions of real images.

use std::cell::RefCell;
use std::ops::Range;

use super::*;
use crate::io::image::container::check;
use crate::io::image::magic::ContentKind;

/// The longest list of partitions that is completed, in bytes; 16 KiB are usual.
const LIST_MAX: u64 = 64 << 10;

/// Makes the checksums of the partition table right, and its copy where that is asked
/// for.
pub(super) fn repair(image: &mut SparseImage) {
    let sector = if image.flags & LARGE == 0 { 512 } else { 4096 };
    let mut header = image.bytes(sector, sector as usize);
    header[..8].copy_from_slice(b"EFI PART");
    let length = u64::from(le32(&header, 80)) * u64::from(le32(&header, 84));
    let list = (length <= LIST_MAX).then(|| {
        let at = le64(&header, 72).saturating_mul(sector);
        image.bytes(at, length as usize)
    });
    if let Some(list) = &list {
        header[88..92].copy_from_slice(&crc32(list).to_le_bytes());
    }
    if image.flags & COPY != 0 {
        let last = le64(&header, 32);
        let before = last.saturating_sub(length.div_ceil(sector));
        let mut copy = header.clone();
        copy[24..32].copy_from_slice(&last.to_le_bytes());
        copy[32..40].copy_from_slice(&1_u64.to_le_bytes());
        copy[72..80].copy_from_slice(&before.to_le_bytes());
        sum(&mut copy);
        image.write(before.saturating_mul(sector), &list.unwrap_or_default());
        image.write(last.saturating_mul(sector), &copy);
    }
    sum(&mut header);
    image.write(sector, &header);
}

/// Writes the checksum of a header into it, if its length is one.
fn sum(header: &mut [u8]) {
    let length = le32(header, 12) as usize;
    header[16..20].fill(0);
    let sum = header.get(..length).map_or(0, crc32);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
}

/// The description of a real image, as far as a check reads it.
///
/// # Panics
/// If it is not whole.
pub(crate) fn describe(kind: ContentKind, image: &[u8]) -> Vec<u8> {
    let watched = Watched {
        image,
        read: RefCell::default(),
    };
    check(kind, &watched).expect("a whole image");
    let mut read = watched.read.into_inner();
    read.sort_by_key(|range| range.start);
    let mut described = vec![0, 0xff, 0xff];
    described.extend((image.len() as u64).to_le_bytes());
    let mut done = 0;
    for range in read {
        let mut at = range.start.max(done);
        while at < range.end {
            let end = range.end.min(at + usize::from(u8::MAX));
            let piece = &image[at..end];
            let Some(skip) = piece.iter().position(|&byte| byte != 0) else {
                at = end;
                continue;
            };
            // Up to where so many zeros begin that another piece is shorter.
            let bytes = &piece[skip..];
            let zeros = bytes.windows(16).position(|bytes| bytes == [0; 16]);
            let bytes = &bytes[..zeros.unwrap_or(bytes.len())];
            described.extend(((at + skip) as u32).to_le_bytes());
            described.push(bytes.len() as u8);
            described.extend(bytes);
            at += skip + bytes.len();
        }
        done = done.max(range.end);
    }
    described
}

/// Remembers what is read.
struct Watched<'a> {
    image: &'a [u8],
    read: RefCell<Vec<Range<usize>>>,
}

impl ImageSource for Watched<'_> {
    fn size(&self) -> u64 {
        self.image.size()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let at = at as usize;
        self.read.borrow_mut().push(at..at + into.len());
        self.image.read_at(at as u64, into)
    }
}
