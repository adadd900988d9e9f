//! The SHA-256 of a file that is being written, on a thread of its own behind the writer.
//!
//! An unpacked image is zeros for nine parts in ten. They cost the writer nothing and
//! SHA-256 a second or more, so a writer that hashes holds up everyone who waits for the
//! data behind the zeros. The thread reads the data back from the page cache, which is
//! cheaper than passing them on: nothing has to be held for it in memory.

use std::io;
use std::thread::{self, JoinHandle};

use crate::io::file::sparse::{FilePart, read_range};
use crate::io::flow::growing::{GrowingReader, Growth};
use crate::io::hash::{Hashed, Hasher};

/// A digest in the making.
#[derive(Debug)]
pub(super) struct TrailingHash {
    thread: JoinHandle<io::Result<Option<Hashed>>>,
}

impl TrailingHash {
    /// Starts behind a writer. It ends with the file, or when the file is given up.
    ///
    /// # Errors
    /// If the thread cannot be made.
    pub(super) fn start(reader: GrowingReader) -> io::Result<Self> {
        let thread = thread::Builder::new().name("hash".to_owned());
        let thread = thread.spawn(move || follow(&reader))?;
        Ok(Self { thread })
    }

    /// Waits for the end of a file that is whole.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(super) fn finish(self) -> io::Result<Hashed> {
        let stopped = || io::Error::other("the file was given up while it was hashed");
        let hashed = self.thread.join().map_err(|_| stopped())??;
        hashed.ok_or_else(stopped)
    }
}

fn follow(reader: &GrowingReader) -> io::Result<Option<Hashed>> {
    let mut hasher = Hasher::default();
    let mut at = 0;
    loop {
        let (file, length, is_whole) = match reader.wait_beyond(at, || true) {
            Some(Growth::Part(file, length)) => (file, length, false),
            Some(Growth::Whole(file, length)) => (file, length, true),
            Some(Growth::Lost) | None => return Ok(None),
        };
        read_range(&file, at..length, |part| match part {
            FilePart::Bytes(bytes) => hasher.update(bytes),
            FilePart::Hole(zeros) => hasher.zeros(zeros),
        })?;
        at = length;
        if is_whole {
            return Ok(Some(hasher.finish()));
        }
    }
}
