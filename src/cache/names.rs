//! The names of the files beside an image, made and recognised.

use std::path::{Path, PathBuf};

use crate::io::file::atomic;
use crate::io::flow::temporary;
use crate::model::FileName;

/// The file that the lock is taken on.
pub(super) const LOCK: &str = ".talos-order.lock";

/// The file that tells this cache from every other one.
pub(super) const INSTANCE: &str = ".talos-order.instance";

const RECORD: &str = ".meta.json";
const CHECKSUM: &str = ".sha256";

/// Where the record of a file is.
pub(super) fn record_of(dir: &Path, file: &FileName) -> PathBuf {
    atomic::hidden_sibling(dir, file.as_str(), RECORD)
}

/// The name of the checksum file of a file.
pub(super) fn checksum_of(file: &FileName) -> String {
    format!("{file}{CHECKSUM}")
}

/// What a name in the cache's directory is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CacheName {
    Record(FileName),
    /// The incomplete form of a file.
    Partial(FileName),
    /// What is known about a partial download.
    PartialRecord(FileName),
    /// A left-over of writing a small file.
    Temporary,
    /// The lock file, and the file that tells which cache it is.
    Lock,
    /// An image, a checksum, or something foreign: the records tell.
    Other,
}

impl CacheName {
    pub(super) fn of(name: &str) -> Self {
        let file = |name: Option<&str>| name?.parse::<FileName>().ok();
        if name == LOCK || name == INSTANCE {
            Self::Lock
        } else if let Some(file) = file(temporary::name_of_record(name)) {
            Self::PartialRecord(file)
        } else if let Some(file) = file(temporary::name_of_temporary(name)) {
            Self::Partial(file)
        } else if let Some(file) = file(name_of_record(name)) {
            Self::Record(file)
        } else if atomic::is_temporary(name).is_some_and(is_small_file) {
            Self::Temporary
        } else {
            Self::Other
        }
    }
}

fn name_of_record(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(RECORD)
}

/// True for the names of the files that are written whole.
fn is_small_file(name: &str) -> bool {
    let of = name_of_record(name)
        .or_else(|| temporary::name_of_record(name))
        .or_else(|| name.strip_suffix(CHECKSUM));
    name == INSTANCE || of.is_some_and(|of| of.parse::<FileName>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_ours_is_recognised_and_nothing_else() {
        let file: FileName = "a.raw.xz".parse().unwrap();
        let dir = Path::new("");
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let cases = [
            (text(record_of(dir, &file)), CacheName::Record(file.clone())),
            (
                text(temporary::temporary_of(dir, "a.raw.xz")),
                CacheName::Partial(file.clone()),
            ),
            (
                text(temporary::record_of(dir, "a.raw.xz")),
                CacheName::PartialRecord(file.clone()),
            ),
            ("..a.raw.xz.meta.json.tmp-Ab12".into(), CacheName::Temporary),
            ("..a.raw.xz.part.json.tmp-Ab12".into(), CacheName::Temporary),
            (".a.raw.xz.sha256.tmp-Ab12".into(), CacheName::Temporary),
            (".somebody.tmp-Ab12".into(), CacheName::Other),
            (LOCK.into(), CacheName::Lock),
            (INSTANCE.into(), CacheName::Lock),
            (format!(".{INSTANCE}.tmp-Ab12"), CacheName::Temporary),
            ("a.raw.xz".into(), CacheName::Other),
            ("a.raw.xz.sha256".into(), CacheName::Other),
            (".part".into(), CacheName::Other),
            (".b c.part".into(), CacheName::Other),
        ];
        for (name, entry) in cases {
            assert_eq!(CacheName::of(&name), entry, "{name}");
        }
    }
}
