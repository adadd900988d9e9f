//! What holds of every check, whatever the image.

use super::*;

/// How many answers are followed to the length that an image needs.
const STEPS: usize = 48;

/// An image of which more was read is not read again and again, in bytes.
const OFTEN: u64 = 256 << 10;

/// Checks what has to hold of a reader of images: it reads within bounds, a part of an
/// image is not whole unless every longer one is, and what it says is missing is
/// missing. `needed` says of a whole image, by its own reckoning, how long that is at least.
pub(super) fn hold(
    image: &SparseImage,
    bounds: &ReadBounds,
    check: impl Fn(&First<'_>) -> Result<(), ImageFault>,
    needed: impl Fn(&SparseImage) -> u64,
) {
    let whole = image.first(image.size);
    let judged = check(&whole);
    let (total, largest) = (whole.total.get(), whole.largest.get());
    assert!(total <= bounds.total, "{total} bytes were read");
    assert!(largest <= bounds.piece, "{largest} bytes were read at once");
    let judge = |size: u64| -> Result<(), ImageFault> {
        let part = image.first(size);
        let judged = check(&part);
        if let Err(fault) = &judged {
            consistent(fault, size);
        }
        judged
    };
    if let Err(fault) = &judged {
        consistent(fault, image.size);
    } else {
        assert!(needed(image) <= image.size, "it needs {}", needed(image));
    }
    let cut = ((u128::from(image.size) * u128::from(image.cut)) >> 16) as u64;
    let part = judge(cut);
    assert!(
        part.is_err() || judged.is_ok(),
        "whole with {cut} bytes, but with {}: {judged:?}",
        image.size
    );
    if total > OFTEN {
        return;
    }
    let Some(least) = follow(&judge, image.size) else {
        return;
    };
    assert!(judged.is_ok(), "{least} bytes suffice, but: {judged:?}");
    assert_eq!(part.is_ok(), cut >= least, "{least} bytes suffice");
    assert!(needed(image) <= least, "it needs {}", needed(image));
    if let Some(short) = least.checked_sub(1) {
        let fault = judge(short).expect_err("a byte less than what is missing");
        let ImageFault::CutShort { claimed, .. } = fault else {
            panic!("truncated by one byte: {fault}");
        };
        assert_eq!(claimed, least, "truncated by one byte");
    }
}

/// Gives an image what it is said to miss until it is whole; how long it is then.
fn follow(judge: &impl Fn(u64) -> Result<(), ImageFault>, size: u64) -> Option<u64> {
    let mut length = 0;
    for _ in 0..STEPS {
        match judge(length) {
            Ok(()) => return Some(length),
            Err(ImageFault::CutShort { claimed, .. }) if claimed <= size => length = claimed,
            Err(_) => return None,
        }
    }
    None
}

fn consistent(fault: &ImageFault, length: u64) {
    let text = fault.to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
    match fault {
        ImageFault::CutShort { claimed, size, .. } => {
            assert_eq!(*size, length);
            assert!(claimed > size, "{text}");
        }
        ImageFault::Damaged { .. } => {}
        ImageFault::Unreadable(error) => panic!("it can be read: {error}"),
    }
}

/// A disk that passes by and is not kept is judged like the file. What was not kept
/// cannot be read, which is no judgement.
pub(super) fn same_in_passing(image: &SparseImage) {
    let window = pass(image, usize::from(image.flags >> 3) * 97 + 1);
    assert_eq!(window.passed(), image.size);
    let judged = gpt::check(&image.first(image.size));
    match (gpt::check(&window), &judged) {
        (Ok(()), Ok(())) => {}
        (Err(ImageFault::Unreadable(_)), judged) => {
            assert!(judged.is_err() || !is_usual(image), "it was kept");
        }
        (
            Err(ImageFault::CutShort { claimed, .. }),
            Err(ImageFault::CutShort { claimed: other, .. }),
        ) => {
            assert_eq!(claimed, *other);
        }
        (Err(ImageFault::Damaged { .. }), Err(ImageFault::Damaged { .. })) => {}
        (passed, judged) => panic!("in passing {passed:?}, as a file {judged:?}"),
    }
}

/// Shows an image to a window, in pieces of a length.
fn pass(image: &SparseImage, length: usize) -> Window {
    let mut window = Window::default();
    let mut at = 0;
    for (number, page) in &image.pages {
        let start = number * PAGE as u64;
        window.zeros(start - at);
        let end = (start + PAGE as u64).min(image.size);
        for piece in page[..(end - start) as usize].chunks(length) {
            window.update(piece);
        }
        at = end;
    }
    window.zeros(image.size - at);
    window
}

/// True if the lists of partitions are at the two ends of the disk, where the ones of
/// every real disk are.
fn is_usual(image: &SparseImage) -> bool {
    let Some((sector, header)) = header(image) else {
        return false;
    };
    let length = u64::from(le32(&header, 80)) * u64::from(le32(&header, 84));
    let last = le64(&header, 32);
    let copy = image.bytes(last.saturating_mul(sector), 92);
    let is_in = |list: u64, from: u64, to: u64| {
        let at = list.saturating_mul(sector);
        at >= from && at.saturating_add(length) <= to
    };
    let end = last.saturating_add(1).saturating_mul(sector);
    is_in(le64(&header, 72), 0, 32 << 10)
        && is_in(le64(&copy, 72), end.saturating_sub(64 << 10), end)
}

/// The first header of a partition table, and the size of its sectors.
fn header(image: &SparseImage) -> Option<(u64, Vec<u8>)> {
    [512, 4096].into_iter().find_map(|sector| {
        let header = image.bytes(sector, sector as usize);
        let length = le32(&header, 12) as usize;
        let mut summed = header.get(..length)?.to_vec();
        summed.get_mut(16..20)?.fill(0);
        let is_right = header.starts_with(b"EFI PART") && crc32(&summed) == le32(&header, 16);
        (is_right && length >= 92).then_some((sector, header))
    })
}

/// The end of the largest partition that an image's first sector lists.
pub(super) fn needed_by_mbr(image: &SparseImage) -> u64 {
    let sector = image.bytes(0, 512);
    let entries = [446, 462, 478, 494].map(|at| &sector[at..at + 16]);
    let is_table = sector.ends_with(&[0x55, 0xaa]) && entries.iter().all(|e| e[0] & 0x7f == 0);
    let ends = entries
        .iter()
        .map(|entry| match (entry[4], le32(entry, 12)) {
            (0 | 0xee, _) | (_, 0) => 0,
            (_, count) => (u64::from(le32(entry, 8)) + u64::from(count)) * 512,
        });
    if is_table { ends.max().unwrap_or(0) } else { 0 }
}

/// The size of the volume, where its two forms agree.
pub(super) fn needed_by_iso(image: &SparseImage) -> u64 {
    let descriptor = image.bytes(16 * 2048, 2048);
    assert!(descriptor[1..].starts_with(b"CD001"), "no ISO image");
    let (little, big) = (le32(&descriptor, 80), be32(&descriptor, 84));
    let is_plain = descriptor[0] == 1 && little == big && descriptor[128..130] == [0, 8];
    let volume = if is_plain {
        u64::from(little) * 2048
    } else {
        0
    };
    volume.max(needed_by_mbr(image))
}

/// The end of the sector with the copy of the partition table, and of each partition.
pub(super) fn needed_by_gpt(image: &SparseImage) -> u64 {
    let (sector, header) = header(image).expect("a header");
    let last = le64(&header, 32);
    let copy = image.bytes(last.saturating_mul(sector), 512);
    assert!(copy.starts_with(b"EFI PART"), "no copy in sector {last}");
    assert_eq!(le64(&copy, 24), last, "a copy of another sector");
    let (count, length) = (le32(&header, 80), le32(&header, 84));
    let list = image.bytes(
        le64(&header, 72).saturating_mul(sector),
        (u64::from(count) * u64::from(length)).min(1 << 20) as usize,
    );
    let ends = list
        .chunks(length as usize)
        .filter(|entry| entry[..16] != [0; 16])
        .map(|entry| le64(entry, 40));
    let end = ends.max().unwrap_or(0).max(last);
    end.saturating_add(1).saturating_mul(sector)
}

/// How many tables of a QEMU image are looked at here, and entries of each.
const TABLES: u64 = 16;

/// The first byte behind the start of every plain cluster, of those in the first
/// tables.
pub(super) fn needed_by_qcow2(image: &SparseImage) -> u64 {
    let header = image.bytes(0, 80);
    let cluster = 1_u64 << be32(&header, 20);
    let disk = be64(&header, 24);
    let is_extended = be32(&header, 4) == 3 && header[79] & 0x10 != 0;
    let size = if is_extended { 16 } else { 8 };
    let offset = |at: u64| be64(&image.bytes(at, 8), 0) & 0x00ff_ffff_ffff_fe00;
    let mut needed = 72;
    for first in 0..u64::from(be32(&header, 36)).min(TABLES) {
        let table = offset(be64(&header, 40) + first * 8);
        for second in (0..cluster / size).take_while(|_| table != 0).take(64) {
            let at = table + second * size;
            let is_compressed = image.bytes(at, 1)[0] & 0x40 != 0;
            let start = (first * (cluster / size) + second) * cluster;
            // Of an extended entry the second half says which parts are there.
            let is_written = !is_extended || image.bytes(at + 12, 4) != [0; 4];
            if !is_compressed && is_written && start < disk && offset(at) != 0 {
                needed = needed.max(offset(at) + 1);
            }
        }
    }
    needed
}
