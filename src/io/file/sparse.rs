//! Sparse files: written with holes for zeros, read by their data extents, and
//! copied without ever touching a hole.
//!
//! 90 to 95 per cent of a Talos disk image are zeros, so this decides how much
//! is written, and how much a file takes on disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::io::Meter;

/// The size and alignment of the smallest hole, in bytes: the block of the usual
/// file systems. A smaller run of zeros costs nothing extra on disk.
pub(in crate::io) const HOLE: usize = 4096;

/// Zeros to compare with and to hash (64 KiB stay in a core's own cache).
pub(in crate::io) static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// True if every byte is zero; at the speed of `memcmp`, and at once for most
/// data that is not.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(ZEROS.len())
        .all(|piece| piece == &ZEROS[..piece.len()])
}

/// The pieces of some bytes that are not all zeros, in order; neighbours are one
/// piece. Cut at multiples of the hole's size in the *file*, in which the bytes
/// begin at `at`.
pub(crate) fn data_pieces(at: u64, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let mut data: Option<usize> = None;
        while from < bytes.len() {
            let into_block = ((at + from as u64) % HOLE as u64) as usize;
            let (start, end) = (from, bytes.len().min(from + HOLE - into_block));
            from = end;
            if !is_zero(&bytes[start..end]) {
                data.get_or_insert(start);
            } else if let Some(data) = data {
                return Some(data..start);
            }
        }
        data.map(|data| data..bytes.len())
    })
}

/// Writes a file from front to back and leaves holes where zeros go.
///
/// The part of the file behind the current position must hold no data, so that
/// what is skipped reads as zeros.
#[derive(Debug)]
pub(crate) struct SparseWriter {
    file: File,
    at: u64,
}

impl SparseWriter {
    /// Starts at the end of what the file holds.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn append_to(file: File) -> io::Result<Self> {
        let at = file.metadata()?.len();
        Ok(Self { file, at })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Drops what is behind a position and goes on there; a file that ends before
    /// is filled up with zeros.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn cut(&mut self, at: u64) -> io::Result<()> {
        self.file.set_len(at)?;
        self.at = at;
        Ok(())
    }

    /// How many bytes the file has so far, holes at its end included.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in data_pieces(self.at, bytes) {
            self.write_at(bytes, piece)?;
        }
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], part: Range<usize>) -> io::Result<()> {
        let at = self.at + part.start as u64;
        self.file.write_all_at(&bytes[part], at)
    }

    /// Takes that many zero bytes.
    pub(crate) fn skip(&mut self, zeros: u64) {
        self.at += zeros;
    }

    /// Throws everything away.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.cut(0)
    }

    /// Gives the file its full length, which a hole at the end does not do.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn finish(self) -> io::Result<File> {
        self.file.set_len(self.at)?;
        Ok(self.file)
    }
}

/// The ranges of a file that hold data, in order; everything between them is
/// zeros. A file system that knows no holes gives one range.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn extents(file: &File) -> io::Result<Vec<Range<u64>>> {
    extents_within(file, 0..file.metadata()?.len())
}

/// The same within a part of a file, which may go beyond its end: there is no data.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn extents_within(file: &File, part: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    use rustix::fs::{SeekFrom, seek};
    use rustix::io::Errno;

    let mut found = Vec::new();
    let mut at = part.start;
    while at < part.end {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // No data from here on.
            Err(Errno::NXIO) => break,
            // Some network file systems: everything counts as data.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                let end = file.metadata()?.len().min(part.end);
                if at < end {
                    found.push(at..end);
                }
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if start >= part.end {
            break;
        }
        // The file may have shrunk or grown since its size was asked; stay within.
        let end = seek(file, SeekFrom::Hole(start))?.min(part.end);
        if start < end {
            found.push(start..end);
        }
        at = end.max(start + 1);
    }
    Ok(found)
}

/// A part of a file's content.
#[derive(Debug)]
pub(crate) enum FilePart<'a> {
    Bytes(&'a [u8]),
    /// That many zeros, which were not read.
    Hole(u64),
}

/// Reads the first `limit` bytes of a file, or all of it if it has fewer, in order and
/// without touching a hole.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn read_parts(
    file: &File,
    limit: u64,
    take: impl FnMut(FilePart<'_>),
) -> io::Result<()> {
    let size = file.metadata()?.len().min(limit);
    read_range(file, 0..size, take)
}

/// The same for a range, which may go beyond the end of the file: there it is a hole.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn read_range(
    file: &File,
    range: Range<u64>,
    mut take: impl FnMut(FilePart<'_>),
) -> io::Result<()> {
    let mut buffer = vec![0; COPY.min((range.end - range.start) as usize)];
    let mut at = range.start;
    for extent in extents_within(file, range.clone())? {
        if extent.start > at {
            take(FilePart::Hole(extent.start - at));
        }
        at = extent.start;
        while at < extent.end {
            let piece = &mut buffer[..(extent.end - at).min(COPY as u64) as usize];
            file.read_exact_at(piece, at)?;
            take(FilePart::Bytes(piece));
            at += piece.len() as u64;
        }
    }
    if range.end > at {
        take(FilePart::Hole(range.end - at));
    }
    Ok(())
}

/// How much is read and copied at once, in bytes.
const COPY: usize = 1 << 20;

/// Copies a file's data extents into a new file of the same length and puts it
/// on the disk (fsync). Counts the bytes, holes included, on the meter. Returns
/// the length.
///
/// The bytes go through this process and not through `copy_file_range`: zeros
/// that the source holds as data become holes, and it works between
/// any two file systems.
///
/// # Errors
/// Any error of the file system, and [`io::ErrorKind::Interrupted`] soon after
/// `stop` is set; what is at `dst` is then incomplete, so `dst` should be a
/// temporary name.
pub(crate) fn copy_sparse(
    src: &Path,
    dst: &Path,
    meter: &Meter,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let source = File::open(src)?;
    let size = source.metadata()?.len();
    meter.set_total(size);
    let target = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(dst)?;
    let mut writer = SparseWriter::append_to(target)?;
    let mut buffer = vec![0; COPY];
    for extent in extents(&source)? {
        let hole = extent.start - writer.position();
        writer.skip(hole);
        meter.add(hole);
        while writer.position() < extent.end {
            if stop.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let left = extent.end - writer.position();
            let piece = &mut buffer[..left.min(COPY as u64) as usize];
            source.read_exact_at(piece, writer.position())?;
            writer.write(piece)?;
            meter.add(piece.len() as u64);
        }
    }
    let hole = size - writer.position();
    writer.skip(hole);
    meter.add(hole);
    writer.finish()?.sync_all()?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::MetadataExt;

    fn scratch() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sparse");
        (dir, path)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the runs and the cuts, the file reads as what was written.
        #[test]
        fn reads_back(runs in prop::collection::vec((any::<bool>(), 1_usize..20_000), 0..12),
                      cut in 1_usize..9_000) {
            let mut content = Vec::new();
            for (zero, length) in runs {
                content.extend(std::iter::repeat_n(u8::from(!zero), length));
            }
            let (_dir, path) = scratch();
            let mut writer = SparseWriter::append_to(File::create(&path).unwrap()).unwrap();
            for piece in content.chunks(cut) {
                writer.write(piece).unwrap();
            }
            writer.finish().unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn zeros_take_no_room_and_count_in_the_length() {
        let (_dir, path) = scratch();
        let mut writer = SparseWriter::append_to(File::create(&path).unwrap()).unwrap();
        writer.write(b"head").unwrap();
        writer.skip(10 << 20);
        writer.write(&vec![0; 1 << 20]).unwrap();
        writer.finish().unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 4 + (11 << 20));
        assert!(metadata.blocks() * 512 <= 16 << 10);
    }

    #[test]
    fn a_copy_is_equal_and_as_sparse() {
        let (dir, path) = scratch();
        let file = File::create(&path).unwrap();
        file.write_all_at(&[7; 5000], 1 << 20).unwrap();
        // Zeros stored as data become a hole in the copy.
        file.write_all_at(&vec![0; 1 << 20], 4 << 20).unwrap();
        file.set_len(9 << 20).unwrap();
        let copy = dir.path().join("copy");
        let meter = Meter::default();
        assert_eq!(
            copy_sparse(&path, &copy, &meter, &AtomicBool::new(false)).unwrap(),
            9 << 20
        );
        assert_eq!(meter.read(), (9 << 20, Some(9 << 20)));
        assert!(std::fs::read(&path).unwrap() == std::fs::read(&copy).unwrap());
        assert!(std::fs::metadata(&copy).unwrap().blocks() * 512 <= 16 << 10);
    }

    #[test]
    fn empty_and_all_hole_files_have_no_extents() {
        let (_dir, path) = scratch();
        let file = File::create(&path).unwrap();
        assert_eq!(extents(&file).unwrap(), []);
        file.set_len(1 << 20).unwrap();
        assert_eq!(extents(&file).unwrap(), []);
    }
}
