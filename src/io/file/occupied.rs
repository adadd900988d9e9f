//! Names of ours that something else has: a directory where a file is to be written.
//!
//! Without this, one stray directory would make every attempt fail, for good.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What follows the name of something that was set aside.
const ASIDE: &str = "set-aside";

/// How many things of one name are kept aside.
const KEPT: usize = 100;

/// Makes sure that a name is free or has a regular file. An empty directory is
/// removed; whatever else is there is renamed within its directory, with a warning,
/// and nothing of it is lost.
///
/// # Errors
/// Any error of the file system: a mount point, for example, cannot be renamed.
pub(crate) fn make_way(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if found.is_file() => return Ok(()),
        Ok(found) => found.file_type(),
    };
    if kind.is_dir() && fs::remove_dir(path).is_ok() {
        tracing::warn!(
            path = %path.display(),
            "an empty directory was in the place of a file and was removed"
        );
        return Ok(());
    }
    set_aside(path).map(drop)
}

/// Gives whatever has a name another one beside it, with a warning, and returns that.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = rename_aside(path)?;
    tracing::warn!(
        path = %path.display(),
        moved_to = %aside.display(),
        "something blocked the path of a file and was set aside"
    );
    Ok(aside)
}

/// The same for a caller who says more about it.
pub(super) fn rename_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = aside_of(path)?;
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// The first free name: visible, so that it is found.
fn aside_of(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.');
    (1..=KEPT)
        .map(|number| path.with_file_name(format!("{name}.{ASIDE}-{number}")))
        .find(|aside| {
            fs::symlink_metadata(aside).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        })
        .ok_or_else(|| {
            let text = format!("{KEPT} files of this name were already set aside");
            io::Error::new(io::ErrorKind::AlreadyExists, text)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_empty_directories_go_and_everything_else_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        make_way(&at("absent")).unwrap();
        fs::write(at("file"), "content").unwrap();
        make_way(&at("file")).unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"content");

        fs::create_dir(at(".empty.part")).unwrap();
        make_way(&at(".empty.part")).unwrap();
        assert!(!at(".empty.part").exists());

        for number in 1..=2 {
            fs::create_dir(at(".a.part")).unwrap();
            fs::write(at(".a.part").join("kept"), number.to_string()).unwrap();
            make_way(&at(".a.part")).unwrap();
            let kept = at(&format!("a.part.set-aside-{number}")).join("kept");
            assert_eq!(fs::read(kept).unwrap(), number.to_string().as_bytes());
        }
        std::os::unix::fs::symlink(at("file"), at(".b.part")).unwrap();
        make_way(&at(".b.part")).unwrap();
        assert!(!at(".b.part").exists());
        assert_eq!(fs::read(at("b.part.set-aside-1")).unwrap(), b"content");
    }
}
