//! Writing what is in a commit to a directory.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::SourceError;
use super::tree::TreeContent;
use crate::io::file::atomic;
use crate::model::GitPath;

/// Writes everything into an empty directory, and waits for the disk: a name that is there
/// after a power failure must have its content.
///
/// Files come first and links last, so that nothing is written through a link, whatever
/// names a commit has.
///
/// # Errors
/// When the file system says no.
pub(super) fn write(dir: &Path, path: &GitPath, content: &TreeContent) -> Result<(), SourceError> {
    let failed = |source| SourceError::Io {
        what: "write the orders to",
        path: dir.to_owned(),
        source,
    };
    write_all(dir, path, content).map_err(failed)
}

fn write_all(dir: &Path, path: &GitPath, content: &TreeContent) -> io::Result<()> {
    if !content.is_file {
        // A directory without orders is one, and not missing.
        fs::create_dir_all(path.below(dir))?;
    }
    let mut dirs = BTreeSet::from([dir.to_owned()]);
    for (name, bytes) in &content.files {
        let file = dir.join(name);
        make_parent(&file, dir, &mut dirs)?;
        let mut file = File::create_new(file)?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    for (name, target) in &content.links {
        let link = dir.join(name);
        make_parent(&link, dir, &mut dirs)?;
        std::os::unix::fs::symlink(OsStr::from_bytes(target), link)?;
    }
    dirs.iter().try_for_each(|dir| atomic::sync_dir(dir))
}

/// Makes the directories of a file, and notes them.
fn make_parent(path: &Path, top: &Path, dirs: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
        let above = parent.ancestors().take_while(|above| *above != top);
        dirs.extend(above.map(Path::to_owned));
    }
    Ok(())
}
