//! Sends a file's data: the parts that are not zeros, each with its place.
//!
//! The form is that of `nodes/protocol/scripts/receive.pl`: before each part stand its offset
//! and its length, 8 bytes each, the highest first; a part of no length at the
//! file's end is the last. What was sent so far is always the beginning of the file,
//! so an interrupted transfer goes on where it was.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::io::Meter;
use crate::io::file::sparse::{data_pieces, extents};
use crate::io::flow::pace::Pace;
use crate::io::process::task;

/// How much is read at once, in bytes: some pieces between two threads and a pipe
/// keep all three busy, and many nodes at once stay within a few MiB.
const READ: usize = 256 << 10;

/// How many pieces may wait.
const WAITING: usize = 4;

/// What is to go out.
#[derive(Debug)]
pub(crate) struct Outflow {
    /// The file.
    pub path: PathBuf,
    /// How many of its first bytes are there already.
    pub from: u64,
    /// The limits that hold.
    pub paces: Vec<Arc<Pace>>,
    /// Counts the bytes of the file that are done, holes included.
    pub meter: Arc<Meter>,
}

impl Outflow {
    /// Sends on a thread of its own, to whoever has the other end; when that is gone
    /// it stops. Gives the number of bytes sent, or `None` where nobody wanted the
    /// rest.
    ///
    /// # Errors
    /// Any error of the file system. The last part is not sent then, so what arrived
    /// is recognised as incomplete.
    pub(crate) async fn send(self, to: mpsc::Sender<Bytes>) -> io::Result<Option<u64>> {
        task::on_thread("outflow", move || self.run(&to)).await?
    }

    /// Two ends for [`Self::send`].
    pub(crate) fn channel() -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
        mpsc::channel(WAITING)
    }

    fn run(self, to: &mpsc::Sender<Bytes>) -> io::Result<Option<u64>> {
        let file = File::open(&self.path)?;
        let size = file.metadata()?.len();
        let smallest = self.paces.iter().map(|pace| pace.piece()).min();
        let read = smallest.map_or(READ, |piece| piece.clamp(16 << 10, READ));
        let mut buffer = vec![0; read];
        let mut sent = 0;
        for extent in extents(&file)? {
            let mut at = extent.start.max(self.from);
            while at < extent.end {
                let piece = &mut buffer[..(extent.end - at).min(read as u64) as usize];
                file.read_exact_at(piece, at)?;
                if let Some(parts) = parts(at, piece) {
                    let length = parts.len() as u64;
                    self.paces.iter().for_each(|pace| pace.take(length));
                    if to.blocking_send(parts).is_err() {
                        return Ok(None);
                    }
                    sent += length;
                }
                at += piece.len() as u64;
                self.meter.set_done(at);
            }
        }
        let end = head(size, 0).concat();
        sent += end.len() as u64;
        if to.blocking_send(end.into()).is_err() {
            return Ok(None);
        }
        self.meter.set_done(size);
        Ok(Some(sent))
    }
}

/// The parts with data of some bytes of a file, each with its head.
fn parts(at: u64, bytes: &[u8]) -> Option<Bytes> {
    let mut parts = Vec::new();
    for piece in data_pieces(at, bytes) {
        if parts.is_empty() {
            parts.reserve(bytes.len() - piece.start + 64);
        }
        let head = head(at + piece.start as u64, piece.len() as u64);
        head.iter()
            .for_each(|number| parts.extend_from_slice(number));
        parts.extend_from_slice(&bytes[piece]);
    }
    (!parts.is_empty()).then(|| parts.into())
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
                all.extend_from_slice(&piece);
            }
            all
        };
        let (sent, all) = tokio::join!(outflow.send(to), gather);
        (all, sent)
    }

    #[tokio::test]
    async fn only_data_go_out_and_they_go_to_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::create(&path).unwrap();
        file.write_all_at(&[7; 5000], 1 << 20).unwrap();
        file.write_all_at(b"end", (9 << 20) - 3).unwrap();
        let outflow = |from| Outflow {
            path: path.clone(),
            from,
            paces: Vec::new(),
            meter: Arc::default(),
        };
        let (all, sent) = all_of(outflow(0)).await;
        assert_eq!(sent.unwrap(), Some(all.len() as u64));
        let mut rest = &all[..];
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
        assert!(tail.len() < 5000 && all.ends_with(&tail));
    }
}
