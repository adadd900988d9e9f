//! The log of what a run did to its disks, as `seam.c` writes it.

use std::path::PathBuf;

/// `enum op` of seam.c.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Open,
    Write,
    Truncate,
    Fsync,
    Rename,
    Unlink,
    Link,
    Symlink,
    Mkdir,
    Allocate,
    /// Says nothing about what survives: modes and ranges.
    Other,
    Sync,
}

/// One call, as `write_log` of seam.c writes it.
#[derive(Debug)]
pub struct Line {
    pub op: Op,
    pub flags: u32,
    pub a: u64,
    pub b: u64,
    pub path: PathBuf,
    pub other: PathBuf,
    pub data: Vec<u8>,
}

impl Line {
    /// The first call of a log, and what is behind it.
    pub fn read(log: &[u8]) -> Option<(Self, &[u8])> {
        let number = |at: usize| Some(u32::from_ne_bytes(log.get(at..at + 4)?.try_into().ok()?));
        let place = |at: usize| Some(u64::from_ne_bytes(log.get(at..at + 8)?.try_into().ok()?));
        let op = match number(0)? {
            1 => Op::Open,
            2 => Op::Write,
            3 => Op::Truncate,
            4 => Op::Fsync,
            5 => Op::Rename,
            6 => Op::Unlink,
            7 => Op::Link,
            8 => Op::Symlink,
            9 => Op::Mkdir,
            10 => Op::Allocate,
            13 => Op::Sync,
            _ => Op::Other,
        };
        let lengths = [number(12)?, number(16)?, number(20)?].map(|length| length as usize);
        let mut at = 40;
        let parts = lengths.map(|length| {
            let part = log.get(at..at + length);
            at += length;
            part.map(<[u8]>::to_vec)
        });
        let [path, other, data] = parts;
        let text = |bytes: Vec<u8>| Some(PathBuf::from(String::from_utf8(bytes).ok()?));
        let line = Self {
            op,
            flags: number(4)?,
            a: place(24)?,
            b: place(32)?,
            path: text(path?)?,
            other: text(other?)?,
            data: data?,
        };
        Some((line, &log[at..]))
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, other) = (self.path.display(), self.other.display());
        write!(f, "{:?} {path} {other}", self.op)
    }
}
