//! Sends a file's data: the parts that are not zeros, each with its place.
//!
//! The form is that of `nodes/protocol/scripts/receive.pl`, with numbers of 8 bytes, the
//! highest first: how many bytes are there already, then before each part its offset and
//! its length; a part of no length at the file's end is the last. Parts begin at whole
//! blocks. What was sent so far is always the beginning of the file, so an interrupted
//! transfer goes on where it was.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::io::Meter;
use crate::io::file::sparse::{data_pieces, extents_within};
use crate::io::flow::growing::{GrowingReader, Growth};
use crate::io::flow::pace::Pace;
use crate::io::hash::data::BLOCK;
use crate::io::process::{InputPiece, task};

/// How much is looked at at once, in bytes.
const READ: usize = 256 << 10;

/// How many pieces may wait: some keep two threads and a pipe busy.
const WAITING: usize = 8;

/// From which length on a piece is not copied, in bytes: it goes from the page cache into
/// the pipe. For short ones that costs more than it saves.
const LONG: usize = 16 << 10;

/// What is to go out.
#[derive(Debug)]
pub(crate) struct Outflow {
    /// The file.
    pub source: OutflowSource,
    /// How many of its first bytes are there already, in whole blocks.
    pub from: u64,
    /// The limits that hold.
    pub paces: Vec<Arc<Pace>>,
    /// Counts the bytes of the file that are done, holes included.
    pub meter: Arc<Meter>,
}

/// Where the bytes are read.
#[derive(Debug)]
pub(crate) enum OutflowSource {
    /// A whole file.
    File(PathBuf),
    /// One that is still being written; it is waited for.
    Growing(GrowingReader),
}

impl Outflow {
    /// Sends on a thread of its own, to whoever has the other end; when that is gone
    /// it stops. Gives the number of bytes sent, or `None` where nobody wanted the
    /// rest.
    ///
    /// # Errors
    /// Any error of the file system, and a growing file that is not to become whole. The
    /// last part is not sent then, so what arrived is recognised as incomplete.
    pub(crate) async fn send(self, to: mpsc::Sender<InputPiece>) -> io::Result<Option<u64>> {
        task::on_thread("outflow", move || self.run(to)).await?
    }

    /// Two ends for [`Self::send`].
    pub(crate) fn channel() -> (mpsc::Sender<InputPiece>, mpsc::Receiver<InputPiece>) {
        mpsc::channel(WAITING)
    }

    fn run(self, to: mpsc::Sender<InputPiece>) -> io::Result<Option<u64>> {
        let smallest = self.paces.iter().map(|pace| pace.piece()).min();
        let read = smallest.map_or(READ, |piece| piece.clamp(16 << 10, READ));
        let mut sender = PieceSender {
            to,
            paces: self.paces,
            meter: self.meter,
            buffer: vec![0; read / BLOCK * BLOCK],
            at: self.from,
            sent: 0,
        };
        if !sender.put(Bytes::copy_from_slice(&self.from.to_be_bytes())) {
            return Ok(None);
        }
        let size = match self.source {
            OutflowSource::File(path) => {
                let file = Arc::new(File::open(&path)?);
                let size = file.metadata()?.len();
                sender.data(&file, size, false)?.then_some(size)
            }
            OutflowSource::Growing(reader) => sender.follow(&reader)?,
        };
        let Some(size) = size else {
            return Ok(None);
        };
        if !sender.put(head(size, 0).concat().into()) {
            return Ok(None);
        }
        sender.meter.set_done(size);
        Ok(Some(sender.sent))
    }
}

/// A file on its way.
struct PieceSender {
    to: mpsc::Sender<InputPiece>,
    paces: Vec<Arc<Pace>>,
    meter: Arc<Meter>,
    buffer: Vec<u8>,
    /// Up to where it is done.
    at: u64,
    /// Bytes that went out.
    sent: u64,
}

impl PieceSender {
    /// False where nobody wants it any more.
    fn put(&mut self, bytes: Bytes) -> bool {
        self.sent += bytes.len() as u64;
        self.to.blocking_send(bytes.into()).is_ok()
    }

    /// Sends a part of the buffer, which is what the file has where this is. False where
    /// nobody wants it any more.
    fn part(&mut self, file: &Arc<File>, part: Range<usize>) -> io::Result<bool> {
        let (at, length) = (self.at + part.start as u64, part.len() as u64);
        let mut bytes = head(at, length).concat();
        self.paces
            .iter()
            .for_each(|pace| pace.take(bytes.len() as u64 + length));
        // What is behind the end of the file is in the buffer only.
        let is_long = part.len() >= LONG && file.metadata()?.len() >= at + length;
        if !is_long {
            bytes.extend_from_slice(&self.buffer[part]);
            return Ok(self.put(bytes.into()));
        }
        self.sent += length;
        let piece = InputPiece::Part(Arc::clone(file), at, length);
        Ok(self.put(bytes.into()) && self.to.blocking_send(piece).is_ok())
    }

    /// Sends what comes until it is all. Gives how long the file is, or `None` where nobody
    /// wants it any more.
    fn follow(&mut self, reader: &GrowingReader) -> io::Result<Option<u64>> {
        let mut seen = self.at;
        loop {
            let to = &self.to;
            match reader.wait_beyond(seen, || !to.is_closed()) {
                None => return Ok(None),
                Some(Growth::Part(file, length)) => {
                    seen = length;
                    // The rest of a block may be data.
                    let whole = length - length % BLOCK as u64;
                    if whole > self.at && !self.data(&file, whole, true)? {
                        return Ok(None);
                    }
                }
                Some(Growth::Whole(file, length)) => {
                    return Ok(self.data(&file, length, true)?.then_some(length));
                }
                Some(Growth::Lost) => {
                    return Err(io::Error::other(
                        "the download started over or was given up",
                    ));
                }
            }
        }
    }

    /// Sends what is between where it is and `end`. The end of a file that grows may be
    /// zeros that are not in it yet. False where nobody wants it any more.
    fn data(&mut self, file: &Arc<File>, end: u64, grows: bool) -> io::Result<bool> {
        for extent in extents_within(file, self.at..end)? {
            // Whole blocks, which some file systems hold in parts.
            let block = BLOCK as u64;
            self.at = self.at.max(extent.start - extent.start % block);
            let stop = extent.end.next_multiple_of(block).min(end);
            while self.at < stop {
                let length = (stop - self.at).min(self.buffer.len() as u64) as usize;
                let piece = &mut self.buffer[..length];
                match grows {
                    true => read_or_zeros(file, piece, self.at)?,
                    false => file.read_exact_at(piece, self.at)?,
                }
                let parts: Vec<Range<usize>> = data_pieces(self.at, piece).collect();
                for part in parts {
                    if !self.part(file, part)? {
                        return Ok(false);
                    }
                }
                self.at += length as u64;
                self.meter.set_done(self.at);
            }
        }
        self.at = end;
        Ok(true)
    }
}

/// Reads all that is asked for; behind the end are zeros.
fn read_or_zeros(file: &File, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.read_at(bytes, at) {
            Ok(0) => {
                bytes.fill(0);
                break;
            }
            Ok(count) => {
                bytes = &mut bytes[count..];
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn head(at: u64, length: u64) -> [[u8; 8]; 2] {
    [at.to_be_bytes(), length.to_be_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all_of(outflow: Outflow) -> (Vec<u8>, io::Result<Option<u64>>) {
        let (to, mut from) = Outflow::channel();
        let gather = async {
            let mut all = Vec::new();
            while let Some(piece) = from.recv().await {
                match piece {
                    InputPiece::Bytes(bytes) => all.extend_from_slice(&bytes),
                    InputPiece::Part(file, at, length) => {
                        let from = all.len();
                        all.resize(from + length as usize, 0);
                        file.read_exact_at(&mut all[from..], at).unwrap();
                    }
                }
            }
            all
        };
        let (sent, all) = tokio::join!(outflow.send(to), gather);
        (all, sent)
    }

    /// What a stream of this form makes of an empty file.
    fn received(stream: &[u8]) -> Vec<u8> {
        let number = |part: &[u8]| u64::from_be_bytes(part.try_into().unwrap()) as usize;
        let (mut rest, mut copy) = (&stream[8..], Vec::new());
        loop {
            let (at, length) = (number(&rest[..8]), number(&rest[8..16]));
            assert!(at % BLOCK == 0 || length == 0, "{at}");
            copy.resize(at, 0);
            copy.extend_from_slice(&rest[16..16 + length]);
            rest = &rest[16 + length..];
            if length == 0 {
                assert!(rest.is_empty());
                return copy;
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_grows_in_odd_pieces_goes_out_as_it_is_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(dir.path().join("f")).unwrap();
        let mut content = vec![0; 300_000];
        content[100..90_000].fill(7);
        content[200_000..200_003].fill(8);
        // The last zeros are not in the file until it is whole, or not even then.
        for cut in [700, 4096, 33_333] {
            let growing = crate::io::flow::growing::GrowingFile::default();
            let reader = growing.reader();
            file.set_len(0).unwrap();
            growing.begin(File::open(dir.path().join("f")).unwrap());
            let outflow = Outflow {
                source: OutflowSource::Growing(reader),
                from: 0,
                paces: Vec::new(),
                meter: Arc::default(),
            };
            let write = async {
                for start in (0..content.len()).step_by(cut) {
                    let piece = &content[start..content.len().min(start + cut)];
                    if piece.iter().any(|&byte| byte != 0) {
                        file.write_all_at(piece, start as u64).unwrap();
                    }
                    growing.grow((start + piece.len()) as u64);
                    tokio::task::yield_now().await;
                }
                growing.is_whole(content.len() as u64);
            };
            let ((all, sent), ()) = tokio::join!(all_of(outflow), write);
            assert_eq!(sent.unwrap(), Some(all.len() as u64));
            assert!(received(&all) == content, "{cut}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_given_up_has_no_last_piece() {
        let growing = crate::io::flow::growing::GrowingFile::default();
        let reader = growing.reader();
        growing.begin(tempfile::tempfile().unwrap());
        growing.grow(1 << 20);
        growing.give_up();
        let (all, sent) = all_of(Outflow {
            source: OutflowSource::Growing(reader),
            from: 0,
            paces: Vec::new(),
            meter: Arc::default(),
        })
        .await;
        assert_eq!(all, [0; 8]);
        sent.unwrap_err();
    }

    #[tokio::test]
    async fn only_data_go_out_and_they_go_to_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::create(&path).unwrap();
        file.write_all_at(&[7; 5000], 1 << 20).unwrap();
        file.write_all_at(b"end", (9 << 20) - 3).unwrap();
        let outflow = |from| Outflow {
            source: OutflowSource::File(path.clone()),
            from,
            paces: Vec::new(),
            meter: Arc::default(),
        };
        let (all, sent) = all_of(outflow(0)).await;
        assert_eq!(sent.unwrap(), Some(all.len() as u64));
        assert_eq!(all[..8], [0; 8]);
        let mut rest = &all[8..];
        let mut copy = vec![0; 9 << 20];
        loop {
            let (head, after) = rest.split_at(16);
            let number = |part: &[u8]| u64::from_be_bytes(part.try_into().unwrap()) as usize;
            let (at, length) = (number(&head[..8]), number(&head[8..]));
            rest = &after[length..];
            copy[at..at + length].copy_from_slice(&after[..length]);
            if length == 0 {
                assert_eq!((at, rest.len()), (9 << 20, 0));
                break;
            }
        }
        assert!(copy == std::fs::read(&path).unwrap());
        assert!(all.len() < 16 << 10, "{}", all.len());
        // What is there already does not go again.
        let (tail, _) = all_of(outflow(8 << 20)).await;
        assert_eq!(tail[..8], (8_u64 << 20).to_be_bytes());
        assert!(tail.len() < 5000 && all.ends_with(&tail[8..]));
    }
}
