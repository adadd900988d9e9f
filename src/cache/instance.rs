//! Which cache this is: a random name that a lease on a node carries.
//!
//! Whoever holds the lock of a cache is the only process that acts for it, so a lease
//! that carries the cache's name is one's own or a dead predecessor's. A copy of the
//! directory on another machine must not pass for it: the file says its own inode
//! number, which a copy does not have. A clone of a whole disk has; there the fence on
//! the node still keeps the two apart, only not from the start.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Cache, names};
use crate::io::file::make_way;

/// Longer than the file is ever, in bytes.
const READ_MAX: u64 = 256;

impl Cache {
    /// The name of this cache, 16 hex digits. It is made, and the directory as well,
    /// where there is none: whole or not at all, so of two processes that start at once
    /// both get the same one.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(crate) fn instance(&self) -> io::Result<String> {
        let path = self.dir.join(names::INSTANCE);
        if let Some(name) = read(&path)? {
            return Ok(name);
        }
        fs::create_dir_all(&self.dir)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(&format!(".{}.tmp-", names::INSTANCE))
            .tempfile_in(&self.dir)?;
        let inode = temporary.as_file().metadata()?.ino();
        writeln!(temporary, "{:016x} {inode}", fastrand::u64(..))?;
        temporary.as_file().sync_all()?;
        match temporary.persist_noclobber(&path) {
            Ok(_) => {}
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                // Another process was first, or what is there is a copy.
                if read(&path)?.is_none() {
                    failed.file.persist(&path).map_err(|failed| failed.error)?;
                }
            }
            Err(failed) => return Err(failed.error),
        }
        read(&path)?.ok_or_else(|| io::Error::other("the written file is not there"))
    }
}

/// The name, if the file is there and this cache's own.
fn read(path: &Path) -> io::Result<Option<String>> {
    make_way(path)?;
    if let Err(error) = fs::symlink_metadata(path) {
        return match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            _ => Err(error),
        };
    }
    let file = File::open(path)?;
    let inode = file.metadata()?.ino();
    let mut bytes = Vec::new();
    file.take(READ_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .trim_end()
        .split_once(' ')
        .filter(|(name, of)| {
            name.len() == 16
                && name.bytes().all(|byte| byte.is_ascii_hexdigit())
                && of.parse() == Ok(inode)
        })
        .map(|(name, _)| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_keeps_its_name_and_a_copy_gets_another() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::new(root.path().join("one"));
        let name = cache.instance().unwrap();
        assert_eq!(cache.instance().unwrap(), name);
        let copy = Cache::new(root.path().join("two"));
        fs::create_dir(copy.dir()).unwrap();
        let file = |cache: &Cache| cache.dir().join(names::INSTANCE);
        fs::copy(file(&cache), file(&copy)).unwrap();
        let other = copy.instance().unwrap();
        assert_ne!(other, name);
        assert_eq!(copy.instance().unwrap(), other);
        for nonsense in ["", "zz", "0123456789abcdef x"] {
            fs::write(file(&cache), nonsense).unwrap();
            assert_eq!(cache.instance().unwrap().len(), 16, "{nonsense:?}");
        }
        let left: Vec<_> = fs::read_dir(cache.dir()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
