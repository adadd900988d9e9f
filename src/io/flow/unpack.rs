//! Unpacking to a file, beside whatever delivers the compressed bytes: a download
//! as it comes, or a compressed file that is there already.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::io::Meter;
use crate::io::codec::{self, DecodeError, PushDecoder};
use crate::io::file::atomic;
use crate::io::flow::content::ContentCheck;
use crate::io::flow::error::StagingError;
use crate::io::flow::growing::GrowingFile;
use crate::io::flow::partial_file::{PartialFile, StagingTarget};
use crate::io::flow::prove;
use crate::io::flow::staged::StagedFile;
use crate::io::flow::temporary::temporary_of;
use crate::io::hash::{Hashed, Hasher};
use crate::io::image::magic::ContentKind;
use crate::model::Codec;

/// The unpacked form of a compressed file.
#[derive(Debug, Clone)]
pub(crate) struct Unpack {
    /// How it is compressed.
    pub codec: Codec,
    /// The name of the unpacked file.
    pub name: String,
    /// What that must look like.
    pub kind: ContentKind,
    /// How many bytes may be held between the decoder and the file.
    pub buffered: usize,
    /// The largest size that is accepted of the unpacked file, in bytes.
    pub max: u64,
    /// False if the unpacked form is only looked at, to see that it is all there, and
    /// is not written.
    pub is_kept: bool,
    /// Told how far it has come, for those who read it meanwhile.
    pub growing: GrowingFile,
}

/// The unpacked form in the making, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Unpacking {
    name: String,
    /// What it is written to, if it is.
    temporary: Option<PathBuf>,
    decoder: Option<PushDecoder>,
    thread: Option<Thread>,
    /// Bytes that came before it was clear that they are what they should be.
    held: Vec<u8>,
}

type Thread = JoinHandle<Result<Option<StagedFile>, StagingError>>;

/// The unpacked form when all of its input is there.
#[derive(Debug)]
pub(crate) struct Unpacked {
    name: String,
    thread: Option<Thread>,
}

impl Unpacking {
    /// Starts unpacking to the temporary of a name.
    ///
    /// # Errors
    /// If the temporary or the thread cannot be made.
    pub(crate) fn start(dir: &Path, unpack: &Unpack) -> Result<Self, StagingError> {
        let Unpack {
            codec,
            name,
            kind,
            buffered,
            max,
            is_kept,
            growing,
        } = unpack;
        let (decoder, decoded) =
            codec::decoder(*codec, *buffered).map_err(|source| StagingError::Decode {
                name: name.clone(),
                source,
            })?;
        let thread = thread::Builder::new().name("unpack".to_owned());
        let (kind, max) = (*kind, *max);
        let thread = if *is_kept {
            let target = StagingTarget {
                dir,
                name,
                kind,
                max,
                growing: growing.clone(),
            };
            let mut file = PartialFile::open(target, None)?;
            file.restart()?;
            thread.spawn(move || file.fill(decoded).map(Some))
        } else {
            let content = ContentCheck::new(name, kind, max);
            thread.spawn(move || prove::prove(content, decoded).map(|()| None))
        };
        let thread = thread.map_err(StagingError::io("start a thread for", name.as_ref()))?;
        Ok(Self {
            name: name.clone(),
            temporary: is_kept.then(|| temporary_of(dir, name)),
            decoder: Some(decoder),
            thread: Some(thread),
            held: Vec::new(),
        })
    }

    /// Takes compressed bytes; holds them until the first of them are recognised,
    /// so that a page of text is reported as that and not as broken xz.
    ///
    /// # Errors
    /// If they do not decode, or the unpacked file cannot be written.
    pub(crate) fn push(&mut self, recognised: bool, bytes: &[u8]) -> Result<(), StagingError> {
        if !recognised {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        let Some(decoder) = &mut self.decoder else {
            return Ok(());
        };
        let held = std::mem::take(&mut self.held);
        let pushed = decoder.push(&held).and_then(|()| decoder.push(bytes));
        pushed.map_err(|error| self.explain(error))
    }

    /// Says that everything has been pushed.
    ///
    /// # Errors
    /// If the data are incomplete; nothing is left then.
    pub(crate) fn finish(mut self) -> Result<Unpacked, StagingError> {
        match self.decoder.take().map_or(Ok(()), PushDecoder::finish) {
            Ok(()) => Ok(Unpacked {
                name: self.name,
                thread: self.thread,
            }),
            Err(error) => {
                let error = self.explain(error);
                self.cancel();
                Err(error)
            }
        }
    }

    /// Stops, and removes what there is.
    pub(crate) fn cancel(mut self) {
        drop(self.decoder.take());
        if let Some(thread) = self.thread.take() {
            // Its error is that it was stopped.
            let _ = thread.join();
        }
        // A left-over is recognised and swept later.
        if let Some(temporary) = &self.temporary {
            let _ = atomic::remove_if_there(temporary);
        }
    }

    /// The error behind an error: if the other end is gone, it knows why.
    fn explain(&mut self, source: DecodeError) -> StagingError {
        drop(self.decoder.take());
        if matches!(source, DecodeError::Closed)
            && let Some(thread) = self.thread.take()
            && let Err(behind) = join(thread, &self.name)
        {
            return behind;
        }
        StagingError::Decode {
            name: self.name.clone(),
            source,
        }
    }
}

impl Unpacked {
    /// Waits until everything is on the disk; `None` if it was only looked at.
    ///
    /// # Errors
    /// Whatever went wrong with the unpacked file.
    pub(crate) fn wait(self) -> Result<Option<StagedFile>, StagingError> {
        match self.thread {
            Some(thread) => join(thread, &self.name),
            None => Err(StagingError::Stopped { name: self.name }),
        }
    }
}

fn join(thread: Thread, name: &str) -> Result<Option<StagedFile>, StagingError> {
    thread.join().unwrap_or_else(|_| {
        Err(StagingError::Stopped {
            name: name.to_owned(),
        })
    })
}

/// How much of a compressed file is read at once, in bytes.
const READ: usize = 1 << 20;

/// Unpacks a file into a directory, and hashes both. Counts the compressed
/// bytes on the meter. Blocks for seconds.
///
/// # Errors
/// If the compressed file is not what was recorded about it, does not decode, or
/// the unpacked one cannot be written; nothing is left of the latter then.
pub(crate) fn unpack_file(
    source: &Path,
    recorded: Hashed,
    dir: &Path,
    unpack: &Unpack,
    meter: &Meter,
) -> Result<StagedFile, StagingError> {
    meter.set_total(recorded.size);
    let unpack = &Unpack {
        is_kept: true,
        ..unpack.clone()
    };
    let mut unpacking = Unpacking::start(dir, unpack)?;
    let found = match push_file(source, &mut unpacking, meter) {
        Ok(found) => found,
        Err(error) => {
            unpacking.cancel();
            return Err(error);
        }
    };
    // What the file should have been says more than what is wrong with it.
    let staged = same(source, recorded, found)
        .and_then(|()| unpacking.finish())
        .and_then(Unpacked::wait);
    if staged.is_err() {
        let _ = atomic::remove_if_there(&temporary_of(dir, &unpack.name));
    }
    staged?.ok_or_else(|| StagingError::Stopped {
        name: unpack.name.clone(),
    })
}

fn push_file(
    source: &Path,
    unpacking: &mut Unpacking,
    meter: &Meter,
) -> Result<Hashed, StagingError> {
    let mut file = File::open(source).map_err(StagingError::io("open", source))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; READ];
    loop {
        let count = file
            .read(&mut buffer)
            .map_err(StagingError::io("read", source))?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
        unpacking.push(true, &buffer[..count])?;
        meter.add(count as u64);
    }
}

fn same(source: &Path, recorded: Hashed, found: Hashed) -> Result<(), StagingError> {
    let name = || source.display().to_string();
    if recorded.size != found.size {
        return Err(StagingError::Length {
            name: name(),
            expected: recorded.size,
            found: found.size,
        });
    }
    if recorded.sha256 != found.sha256 {
        return Err(StagingError::Digest {
            name: name(),
            by: "the record says",
            expected: recorded.sha256,
            found: found.sha256,
        });
    }
    Ok(())
}
