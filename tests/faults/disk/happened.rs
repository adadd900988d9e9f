//! What happens to names and files, and what comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::BLOCK;

pub type Id = usize;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Dir,
    Link(PathBuf),
    File(Id),
}

pub type Names = BTreeMap<PathBuf, Thing>;

/// Something that happened to a name.
#[derive(Debug)]
pub enum Naming {
    Made(PathBuf, Thing),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf),
}

/// Something that happened to a file.
#[derive(Debug)]
pub enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
    Synced,
}

/// What is known of a file besides its bytes: what records tell it by.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub inode: u64,
    pub mtime: std::time::SystemTime,
    pub mode: u32,
}

/// What becomes of bytes that were not synced.
pub enum Bytes<'a> {
    All,
    None,
    Lengths,
    Some(&'a mut Rng),
}

impl Change {
    pub fn apply(&self, content: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
        match self {
            Self::Synced => {}
            Self::Length(length) => content.resize(*length as usize, 0),
            Self::Write(at, data) => {
                let start = *at as usize;
                if content.len() < start + data.len() {
                    content.resize(start + data.len(), 0);
                }
                for (number, piece) in data.chunks(BLOCK).enumerate() {
                    let is_there = match bytes {
                        Bytes::All => true,
                        Bytes::None | Bytes::Lengths => false,
                        Bytes::Some(random) => random.bool(),
                    };
                    if is_there {
                        let from = start + number * BLOCK;
                        content[from..from + piece.len()].copy_from_slice(piece);
                    }
                }
            }
        }
    }
}

impl Naming {
    pub fn path(&self) -> &Path {
        match self {
            Self::Made(path, _) | Self::Removed(path) | Self::Renamed(path, _) => path,
        }
    }
}

pub fn apply(names: &mut Names, naming: &Naming) {
    match naming {
        Naming::Made(path, thing) => {
            names.insert(path.clone(), thing.clone());
        }
        Naming::Removed(path) => {
            names.remove(path);
        }
        Naming::Renamed(from, to) => {
            let moved: Vec<PathBuf> = names
                .keys()
                .filter(|path| path.starts_with(from))
                .cloned()
                .collect();
            for path in moved {
                let thing = names.remove(&path).unwrap();
                let below = path.strip_prefix(from).unwrap();
                let new = match below.as_os_str().is_empty() {
                    true => to.clone(),
                    false => to.join(below),
                };
                names.insert(new, thing);
            }
        }
    }
}

impl Facts {
    pub fn of(meta: &fs::Metadata) -> Self {
        Self {
            inode: meta.ino(),
            mtime: meta.modified().unwrap(),
            mode: meta.mode(),
        }
    }
}
