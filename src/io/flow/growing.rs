//! A file that is still being written, for those who read it meanwhile.
//!
//! Everyone reads the file itself, each at their own speed: whoever keeps up finds the
//! bytes in the page cache, and whoever is behind finds them on the disk. A queue in
//! memory for each reader was rejected: it has to stop the writer, or to give up, when a
//! reader is slow.
//!
//! A writer that starts over empties the same file. A reader may then find other bytes, or
//! fewer, before it is told: what it has made of them counts only when a digest of the
//! whole file was compared.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a reader that waits asks whether it is still wanted.
const ASK: Duration = Duration::from_millis(100);

/// The file as it grows. Clones are the same file.
#[derive(Debug, Clone, Default)]
pub struct GrowingFile(Arc<GrowingShared>);

/// The files that one download becomes.
#[derive(Debug, Clone, Default)]
pub(crate) struct GrowingImage {
    /// What is downloaded.
    pub download: GrowingFile,
    /// What is unpacked from it; nobody writes to it where that is not wanted.
    pub unpacked: GrowingFile,
}

#[derive(Debug, Default)]
struct GrowingShared {
    state: Mutex<GrowthState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GrowthState {
    file: Option<Arc<File>>,
    /// How many bytes are there from the beginning, holes included.
    length: u64,
    /// Counts how often the writer started over.
    generation: u64,
    end: Option<GrowthEnd>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrowthEnd {
    Whole,
    GivenUp,
}

/// What a reader finds.
#[derive(Debug, Clone)]
pub(crate) enum Growth {
    /// So many bytes are there, and more may come. Zeros at the end may not be in the file:
    /// what is beyond its length is a hole.
    Part(Arc<File>, u64),
    /// These are all.
    Whole(Arc<File>, u64),
    /// The writer started over or gave up: what was read is worth nothing.
    Lost,
}

impl GrowingFile {
    /// One reader, from the state that the file is in now.
    pub(crate) fn reader(&self) -> GrowingReader {
        let generation = self.lock().generation;
        GrowingReader {
            file: self.clone(),
            generation,
        }
    }

    /// The writer has this file from now on, with nothing in it; it may have had another
    /// one before.
    pub fn begin(&self, file: File) {
        self.change(|state| {
            // Whoever was told nothing has nothing to lose.
            if state.length > 0 || state.end.is_some() {
                state.generation += 1;
            }
            *state = GrowthState {
                file: Some(Arc::new(file)),
                generation: state.generation,
                ..GrowthState::default()
            };
        });
    }

    /// So many bytes are in the file, counted from its beginning.
    pub fn grow(&self, length: u64) {
        self.change(|state| state.length = length);
    }

    /// What is there is all, and it has its full length.
    pub fn is_whole(&self, length: u64) {
        self.change(|state| {
            state.length = length;
            state.end.get_or_insert(GrowthEnd::Whole);
        });
    }

    /// Nothing more comes. Says nothing where the file is whole.
    pub fn give_up(&self) {
        self.change(|state| {
            state.end.get_or_insert(GrowthEnd::GivenUp);
        });
    }

    fn change(&self, change: impl FnOnce(&mut GrowthState)) {
        change(&mut self.lock());
        self.0.changed.notify_all();
    }

    /// A panic elsewhere cannot leave a state half changed: each change is one assignment
    /// after another of plain values.
    fn lock(&self) -> MutexGuard<'_, GrowthState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Someone who reads a growing file from front to back.
#[derive(Debug)]
pub(crate) struct GrowingReader {
    file: GrowingFile,
    generation: u64,
}

impl GrowingReader {
    /// Waits until there are more than `at` bytes, or all of them, or none will come.
    /// `None` where `is_wanted` says no while it waits. Blocks the thread.
    pub(crate) fn wait_beyond(&self, at: u64, is_wanted: impl Fn() -> bool) -> Option<Growth> {
        let mut state = self.file.lock();
        loop {
            if state.generation != self.generation || state.end == Some(GrowthEnd::GivenUp) {
                return Some(Growth::Lost);
            }
            if let Some(file) = &state.file {
                if state.end == Some(GrowthEnd::Whole) {
                    return Some(Growth::Whole(Arc::clone(file), state.length));
                }
                if state.length > at {
                    return Some(Growth::Part(Arc::clone(file), state.length));
                }
            }
            let waited = self.file.0.changed.wait_timeout(state, ASK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !is_wanted() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    fn length(growth: Option<Growth>) -> Option<(bool, u64)> {
        match growth? {
            Growth::Part(_, length) => Some((false, length)),
            Growth::Whole(_, length) => Some((true, length)),
            Growth::Lost => None,
        }
    }

    #[test]
    fn a_reader_waits_for_more_until_it_is_all() {
        let growing = GrowingFile::default();
        let reader = growing.reader();
        assert!(reader.wait_beyond(0, || false).is_none());
        let writer = std::thread::spawn(move || {
            growing.begin(file());
            growing.grow(5);
            growing.grow(9);
            growing.is_whole(12);
            // Whoever drops the writer says this.
            growing.give_up();
        });
        let (mut at, mut whole) = (0, false);
        while !whole {
            let (all, found) = length(reader.wait_beyond(at, || true)).unwrap();
            assert!(all || found > at);
            (at, whole) = (found, all);
        }
        assert_eq!(at, 12);
        writer.join().unwrap();
    }

    #[test]
    fn a_reader_that_came_first_loses_nothing_when_the_writer_gets_ready() {
        let growing = GrowingFile::default();
        let reader = growing.reader();
        growing.begin(file());
        growing.begin(file());
        growing.grow(5);
        assert_eq!(length(reader.wait_beyond(0, || true)), Some((false, 5)));
    }

    #[test]
    fn what_was_read_before_a_restart_is_lost() {
        let growing = GrowingFile::default();
        growing.begin(file());
        growing.grow(5);
        let reader = growing.reader();
        growing.begin(file());
        growing.grow(7);
        assert!(matches!(reader.wait_beyond(5, || true), Some(Growth::Lost)));
        assert_eq!(
            length(growing.reader().wait_beyond(0, || true)),
            Some((false, 7))
        );
        growing.give_up();
        let late = growing.reader().wait_beyond(0, || true);
        assert!(matches!(late, Some(Growth::Lost)));
    }
}
