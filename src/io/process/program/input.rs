//! What a process is given to read, and the pipe that it goes through.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use tokio::net::unix::pipe::Sender;
use tokio::sync::mpsc;

/// How much is copied at once where a file system cannot do without, in bytes.
const COPY: usize = 64 << 10;

/// A piece of what a process reads.
#[derive(Debug)]
pub(crate) enum InputPiece {
    /// These bytes.
    Bytes(Bytes),
    /// A range of a file that does not change any more: begin and length in bytes. The
    /// kernel hands it over without a copy, which is most of the work for gigabytes.
    Part(Arc<File>, u64, u64),
}

impl From<Bytes> for InputPiece {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<String> for InputPiece {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl InputPiece {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Part(_, _, length) => *length == 0,
        }
    }

    /// Writes what fits, and goes on behind that.
    fn write(&mut self, pipe: &Sender) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => {
                let count = rustix::io::write(pipe, bytes)?;
                bytes.advance(count);
            }
            Self::Part(file, at, length) => {
                let count = splice(file, *at, *length, pipe)?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *at += count as u64;
                *length -= count as u64;
            }
        }
        Ok(())
    }
}

fn splice(file: &File, at: u64, length: u64, pipe: &Sender) -> io::Result<usize> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let mut from = at;
    let how = SpliceFlags::NONBLOCK;
    match rustix::pipe::splice(file, Some(&mut from), pipe, None, length, how) {
        Err(Errno::INVAL) => {
            let mut bytes = vec![0; length.min(COPY)];
            let count = file.read_at(&mut bytes, at)?;
            Ok(rustix::io::write(pipe, &bytes[..count])?)
        }
        result => Ok(result?),
    }
}

/// The pipe to a process.
#[derive(Debug)]
pub(super) struct InputPipe(Sender);

impl InputPipe {
    /// Takes over the standard input of a child.
    pub(super) fn new(stdin: tokio::process::ChildStdin) -> io::Result<Self> {
        Sender::from_owned_fd(stdin.into_owned_fd()?).map(Self)
    }

    /// Lets it hold so many bytes. Fails where the user may have no more; then it is as it
    /// was.
    pub(super) fn hold(&self, bytes: usize) {
        let _ = rustix::pipe::fcntl_setpipe_size(&self.0, bytes);
    }

    /// Writes what fits, or waits for the next piece; false when that was all. Nothing is
    /// lost where it is dropped while it waits.
    ///
    /// # Errors
    /// Any error of the pipe or of a file, which is not whole then.
    pub(super) async fn write_some(
        &self,
        piece: &mut InputPiece,
        pieces: &mut Option<mpsc::Receiver<InputPiece>>,
    ) -> io::Result<bool> {
        if piece.is_empty() {
            match pieces {
                Some(more) => match more.recv().await {
                    Some(next) => *piece = next,
                    None => return Ok(false),
                },
                None => return Ok(false),
            }
        }
        loop {
            self.0.writable().await?;
            match self.0.try_io(|| piece.write(&self.0)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written.map(|()| true),
            }
        }
    }
}
