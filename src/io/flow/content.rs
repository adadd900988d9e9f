//! Checks of the bytes as they come: the right kind of content, and not more of it than
//! there can be.

use crate::io::flow::error::{Bound, StagingError};
use crate::io::image::container::{self, ImageFault};
use crate::io::image::magic::{ContentKind, HEAD};

/// How far a disk image may go on behind the end that its partition table names, in
/// bytes. Padding is harmless, and terabytes of zeros are not.
const BEHIND: u64 = 64 << 20;

/// Watches the bytes of one file from the first to the last.
#[derive(Debug)]
pub(super) struct ContentCheck {
    name: String,
    expected: ContentKind,
    /// The largest size that is accepted of anybody.
    max: u64,
    head: Vec<u8>,
    recognised: bool,
    taken: u64,
    limit: u64,
    bound: Bound,
}

impl ContentCheck {
    /// For a file of a kind, of `max` bytes at most.
    pub(super) fn new(name: &str, expected: ContentKind, max: u64) -> Self {
        Self {
            name: name.to_owned(),
            expected,
            max,
            head: Vec::new(),
            recognised: false,
            taken: 0,
            limit: max,
            bound: Bound::Configured,
        }
    }

    /// The name of the file, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// True as soon as the first bytes are known to be of the expected kind.
    pub(super) fn is_recognised(&self) -> bool {
        self.recognised
    }

    /// Starts over.
    pub(super) fn rewind(&mut self) {
        self.head = Vec::new();
        self.recognised = false;
        self.taken = 0;
        self.limit = self.max;
        self.bound = Bound::Configured;
    }

    /// Learns how long the file is said to be.
    ///
    /// # Errors
    /// If that is more than is accepted.
    pub(super) fn announce(&mut self, total: u64) -> Result<(), StagingError> {
        self.lower(total, Bound::Announced)
    }

    /// Looks at the next bytes.
    ///
    /// # Errors
    /// If there are too many, or they show that this is something else.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), StagingError> {
        self.count(bytes.len() as u64)?;
        self.look(bytes)
    }

    /// Looks at the next bytes, which are so many zeros.
    ///
    /// # Errors
    /// Like [`Self::take`].
    pub(super) fn zeros(&mut self, count: u64) -> Result<(), StagingError> {
        self.count(count)?;
        let missing = (HEAD - self.head.len()) as u64;
        self.look(&[0; HEAD][..count.min(missing) as usize])
    }

    /// Says that this was all.
    ///
    /// # Errors
    /// If it is something else.
    pub(super) fn finish(&mut self) -> Result<(), StagingError> {
        if self.recognised {
            return Ok(());
        }
        self.recognise()
    }

    /// Checks that the whole file is there.
    ///
    /// # Errors
    /// If it contradicts itself, or cannot be read.
    pub(super) fn check(&self, source: &impl container::ImageSource) -> Result<(), StagingError> {
        container::check(self.expected, source).map_err(|source| StagingError::NotWhole {
            name: self.name.clone(),
            source,
        })
    }

    fn count(&mut self, more: u64) -> Result<(), StagingError> {
        self.taken = self.taken.saturating_add(more);
        if self.taken > self.limit {
            return Err(self.too_long());
        }
        Ok(())
    }

    fn too_long(&self) -> StagingError {
        StagingError::TooLong {
            name: self.name.clone(),
            limit: self.limit,
            bound: self.bound,
        }
    }

    fn lower(&mut self, limit: u64, bound: Bound) -> Result<(), StagingError> {
        if limit > self.max {
            return Err(self.too_long());
        }
        if limit < self.limit {
            self.limit = limit;
            self.bound = bound;
        }
        Ok(())
    }

    /// Gathers the first bytes, and says at once if they are not the right ones.
    fn look(&mut self, bytes: &[u8]) -> Result<(), StagingError> {
        if self.recognised {
            return Ok(());
        }
        let missing = HEAD - self.head.len();
        self.head
            .extend_from_slice(&bytes[..bytes.len().min(missing)]);
        if self.head.len() < self.expected.head_len() {
            return Ok(());
        }
        self.recognise()
    }

    fn recognise(&mut self) -> Result<(), StagingError> {
        let found = ContentKind::of(&self.head);
        if found != self.expected {
            return Err(StagingError::WrongContent {
                name: self.name.clone(),
                expected: self.expected,
                found,
            });
        }
        self.recognised = true;
        let head = std::mem::take(&mut self.head);
        match container::disk_size(&head).filter(|_| found == ContentKind::Gpt) {
            None => Ok(()),
            Some(size) if size > self.max => Err(StagingError::TooLong {
                name: self.name.clone(),
                limit: self.max,
                bound: Bound::Configured,
            }),
            // No need to fetch the rest of it first.
            Some(size) if self.bound == Bound::Announced && size > self.limit => {
                Err(StagingError::NotWhole {
                    name: self.name.clone(),
                    source: ImageFault::CutShort {
                        what: "its partition table",
                        claimed: size,
                        size: self.limit,
                    },
                })
            }
            Some(size) => self.lower(size.saturating_add(BEHIND).min(self.max), Bound::Described),
        }
    }
}
