//! A file before it has its name: a hidden temporary that is written sparsely and
//! hashed in one go, and checked for what it looks like and for being whole. Others may
//! read it meanwhile, see [`GrowingFile`].
//!
//! The temporary of `NAME` is `.NAME.part`, always, so that the next process finds
//! what a crash left. It is locked while it is written; a new attempt waits until
//! a thread that an older one left behind has let go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::io::codec::{Chunk, Decoded};
use crate::io::file::space::Reserve;
use crate::io::file::sparse::SparseWriter;
use crate::io::file::{mtime_ns, occupied};
use crate::io::flow::content::ContentCheck;
use crate::io::flow::error::StagingError;
use crate::io::flow::growing::GrowingFile;
use crate::io::flow::resume::{Checkpoint, ResumeLog};
use crate::io::flow::staged::StagedFile;
use crate::io::flow::temporary::temporary_of;
use crate::io::flow::trailing::TrailingHash;
use crate::io::flow::writeout::WriteOut;
use crate::io::hash::data::DataHasher;
use crate::io::hash::{Hashed, Hasher};
use crate::io::image::container::OpenFile;
use crate::io::image::magic::ContentKind;

/// How much is read at once when a partial file is resumed, in bytes.
const READ: usize = 1 << 20;

/// What a temporary is to become.
#[derive(Debug, Clone)]
pub(super) struct StagingTarget<'a> {
    /// The directory that it is in.
    pub dir: &'a Path,
    /// The name of the file.
    pub name: &'a str,
    /// What it must look like.
    pub kind: ContentKind,
    /// The largest size that is accepted, in bytes.
    pub max: u64,
    /// Told how far it has come, for those who read it meanwhile.
    pub growing: GrowingFile,
}

/// A temporary that is being filled.
#[derive(Debug)]
pub(super) struct PartialFile {
    dir: PathBuf,
    content: ContentCheck,
    /// Before the writer, which holds the lock: whoever waits for that tells of its own file.
    growing: GrowingGuard,
    writer: SparseWriter,
    reserve: Reserve,
    whole: WholeHash,
    data: DataHasher,
    log: Option<Arc<ResumeLog>>,
    out: Option<WriteOut>,
}

/// The digest of all bytes.
#[derive(Debug)]
enum WholeHash {
    /// Taken as they come: a download notes it as it goes.
    Inline(Hasher),
    /// Taken behind the writer; `None` before anything is written.
    Trailing(Option<TrailingHash>),
}

/// Gives the file up when it goes, unless it is whole by then.
#[derive(Debug)]
struct GrowingGuard(GrowingFile);

impl Drop for GrowingGuard {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl PartialFile {
    /// Opens the temporary of a name with what it holds; see [`Self::replay`] and
    /// [`Self::restart`] for what to do with that. How far it comes is noted in the
    /// log, if there is one.
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(super) fn open(
        target: StagingTarget<'_>,
        log: Option<Arc<ResumeLog>>,
    ) -> Result<Self, StagingError> {
        let StagingTarget {
            dir,
            name,
            kind,
            max,
            growing,
        } = target;
        let temporary = temporary_of(dir, name);
        let file = occupied::make_way(&temporary)
            .and_then(|()| open_locked(&temporary))
            .map_err(StagingError::io("open", &temporary))?;
        let writer =
            SparseWriter::append_to(file).map_err(StagingError::io("examine", &temporary))?;
        let whole = match &log {
            Some(_) => WholeHash::Inline(Hasher::default()),
            None => WholeHash::Trailing(None),
        };
        let partial = Self {
            dir: dir.to_owned(),
            content: ContentCheck::new(name, kind, max),
            writer,
            reserve: Reserve::default(),
            whole,
            growing: GrowingGuard(growing),
            data: DataHasher::default(),
            out: WriteOut::of(&temporary, log.clone()),
            log,
        };
        partial.begin_growing()?;
        Ok(partial)
    }

    /// How many bytes there are.
    pub(super) fn position(&self) -> u64 {
        self.writer.position()
    }

    /// True as soon as the first bytes are known to be of the expected kind.
    pub(super) fn is_recognised(&self) -> bool {
        self.content.is_recognised()
    }

    /// Learns how long the file is said to be.
    ///
    /// # Errors
    /// If that is more than is accepted.
    pub(super) fn announce(&mut self, total: u64) -> Result<(), StagingError> {
        self.content.announce(total)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// If they cannot be written, or show that this is something else.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StagingError> {
        self.content.take(bytes)?;
        if let WholeHash::Inline(hasher) = &mut self.whole {
            hasher.update(bytes);
        }
        self.data.update(bytes);
        let length = bytes.len() as u64;
        self.reserve
            .ask(self.writer.file(), length)
            .and_then(|()| self.writer.write(bytes))
            .map_err(StagingError::io("write to", &self.temporary()))?;
        self.growing.0.grow(self.writer.position());
        let checkpoint = self.checkpoint();
        if let Some(out) = &mut self.out {
            out.more(length, checkpoint);
        }
        Ok(())
    }

    /// Takes that many zero bytes.
    ///
    /// # Errors
    /// If they show that this is something else.
    pub(super) fn zeros(&mut self, count: u64) -> Result<(), StagingError> {
        self.content.zeros(count)?;
        if let WholeHash::Inline(hasher) = &mut self.whole {
            hasher.zeros(count);
        }
        self.data.zeros(count);
        self.writer.skip(count);
        self.growing.0.grow(self.writer.position());
        Ok(())
    }

    /// Reads what the temporary holds up to a checkpoint, so that writing can go on behind
    /// it; what is behind the checkpoint is dropped. Each piece is shown to `also`. False
    /// if it is not what was written: then another checkpoint may be tried.
    ///
    /// # Errors
    /// Like [`Self::write`], and what `also` gives.
    pub(super) fn replay(
        &mut self,
        checkpoint: Checkpoint,
        mut also: impl FnMut(&Self, &[u8]) -> Result<(), StagingError>,
    ) -> Result<bool, StagingError> {
        let temporary = self.temporary();
        self.rewind();
        // Zeros at the end are not in the file until it is complete.
        self.writer
            .cut(checkpoint.bytes)
            .map_err(StagingError::io("cut", &temporary))?;
        let mut file = File::open(&temporary).map_err(StagingError::io("open", &temporary))?;
        let mut buffer = vec![0; READ];
        let mut left = checkpoint.bytes;
        while left > 0 {
            let want = left.min(READ as u64) as usize;
            let piece = &mut buffer[..want];
            file.read_exact(piece)
                .map_err(StagingError::io("read", &temporary))?;
            self.content.take(piece)?;
            if let WholeHash::Inline(hasher) = &mut self.whole {
                hasher.update(piece);
            }
            self.data.update(piece);
            also(self, piece)?;
            left -= want as u64;
        }
        let is_right = self.checkpoint() == Some(checkpoint);
        if is_right {
            self.growing.0.grow(checkpoint.bytes);
        }
        Ok(is_right)
    }

    /// Throws everything away.
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(super) fn restart(&mut self) -> Result<(), StagingError> {
        // What it noted of the old content must not be said of the new.
        self.out = None;
        self.rewind();
        let temporary = self.temporary();
        self.writer
            .restart()
            .map_err(StagingError::io("empty", &temporary))?;
        self.begin_growing()?;
        if let WholeHash::Trailing(trailing) = &mut self.whole {
            let started = TrailingHash::start(self.growing.0.reader());
            *trailing = Some(started.map_err(StagingError::io("start to hash", &temporary))?);
        }
        self.out = WriteOut::of(&temporary, self.log.clone());
        Ok(())
    }

    /// Checks that it is whole, and puts everything on the disk. The file has no name
    /// yet.
    ///
    /// # Errors
    /// If it is something else, or less, or cannot be written.
    pub(super) fn finish(mut self) -> Result<StagedFile, StagingError> {
        self.content.finish()?;
        let temporary = self.temporary();
        // Nothing is noted any more once the file may get its name.
        self.out = None;
        let failed = |doing| StagingError::io(doing, &temporary);
        let file = self.writer.finish().map_err(failed("complete"))?;
        let source = OpenFile::of(&file).map_err(failed("examine"))?;
        self.content.check(&source)?;
        let metadata = file.metadata().map_err(failed("examine"))?;
        self.growing.0.is_whole(metadata.len());
        file.sync_all().map_err(failed("write out"))?;
        let hashed = self.whole.finish().map_err(failed("hash"))?;
        Ok(StagedFile {
            dir: self.dir,
            name: self.content.name().to_owned(),
            size: hashed.size,
            sha256: hashed.sha256,
            data: self.data.finish(),
            mtime_ns: mtime_ns(&metadata),
            _lock: file,
        })
    }

    /// Stops for now: what was taken is on the disk, and that is noted.
    ///
    /// # Errors
    /// [`StagingError::Io`].
    pub(super) fn park(mut self) -> Result<(), StagingError> {
        let temporary = self.temporary();
        let checkpoint = self.checkpoint();
        self.out = None;
        let file = self
            .writer
            .finish()
            .map_err(StagingError::io("complete", &temporary))?;
        let (Some(log), Some(checkpoint)) = (self.log.filter(|log| log.is_kept()), checkpoint)
        else {
            return Ok(());
        };
        file.sync_data()
            .map_err(StagingError::io("write out", &temporary))?;
        log.note(checkpoint, true)
    }

    /// Fills the file from a decoder, to the end.
    ///
    /// # Errors
    /// Like [`Self::write`], and [`StagingError::Decode`].
    pub(super) fn fill(mut self, decoded: Decoded) -> Result<StagedFile, StagingError> {
        for chunk in decoded {
            match chunk {
                Ok(Chunk::Data(bytes)) => self.write(&bytes)?,
                Ok(Chunk::Zeros(count)) => self.zeros(count)?,
                Err(source) => {
                    return Err(StagingError::Decode {
                        name: self.content.name().to_owned(),
                        source,
                    });
                }
            }
        }
        self.finish()
    }

    fn temporary(&self) -> PathBuf {
        temporary_of(&self.dir, self.content.name())
    }

    /// How far a download has come; `None` of what is not one.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let WholeHash::Inline(hasher) = &self.whole else {
            return None;
        };
        let hashed = hasher.clone().finish();
        Some(Checkpoint {
            bytes: hashed.size,
            sha256: hashed.sha256,
        })
    }

    /// Readers begin with an empty file: what it holds is not known to be of use yet.
    fn begin_growing(&self) -> Result<(), StagingError> {
        // Not a duplicate: the lock of the temporary would last as long as its readers, and
        // whoever downloads it from elsewhere now would wait for them.
        let temporary = self.temporary();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(&temporary)
            .map_err(StagingError::io("open", &temporary))?;
        self.growing.0.begin(file);
        Ok(())
    }

    fn rewind(&mut self) {
        if let WholeHash::Inline(hasher) = &mut self.whole {
            *hasher = Hasher::default();
        }
        self.data = DataHasher::default();
        self.content.rewind();
    }
}

impl WholeHash {
    fn finish(self) -> io::Result<Hashed> {
        match self {
            Self::Inline(hasher) => Ok(hasher.finish()),
            Self::Trailing(Some(trailing)) => trailing.finish(),
            Self::Trailing(None) => Ok(Hasher::default().finish()),
        }
    }
}

/// Opens or makes a file, alone: waits for a thread that still writes to it.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // A link would lead to somebody else's file.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
            .open(path)?;
        file.lock()?;
        // Whoever had it may have removed or renamed it in the meantime.
        let same = fs::metadata(path).is_ok_and(|now| {
            file.metadata()
                .is_ok_and(|mine| (mine.dev(), mine.ino()) == (now.dev(), now.ino()))
        });
        if same {
            return Ok(file);
        }
    }
}
