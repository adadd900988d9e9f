//! The sizes of images that were fetched before, for the figures of a plan.
//!
//! Asking the factory for a size makes it build the image. What is remembered here
//! costs nothing, and is near enough: images of one version, platform, architecture and
//! format differ by their extensions only. One small JSON file, bounded; a file that
//! cannot be read is as good as none, and is kept under another name, and one that
//! cannot be written costs no more than a figure in the next plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::io::file::keep;
use crate::model::ArtifactId;

const FILE: &str = "sizes.json";

/// Images that are remembered: all platforms and formats of some hundred versions
/// would be more, and nobody wants those.
const ENTRIES: usize = 2000;
/// Bytes of the file that are read; an entry takes some fifty.
const FILE_BYTES: u64 = 1 << 20;

/// Sizes by version and file name at the factory: `v1.11.3/nocloud-amd64.iso`.
type Sizes = BTreeMap<String, u64>;

#[derive(Debug)]
pub(super) struct SeenSizes {
    file: PathBuf,
    read_only: bool,
    now: Mutex<Option<Sizes>>,
}

impl SeenSizes {
    pub(super) fn new(state_dir: &Path, read_only: bool) -> Self {
        Self {
            file: state_dir.join(FILE),
            read_only,
            now: Mutex::default(),
        }
    }

    /// The size in bytes of the last image that was fetched of this version, platform,
    /// architecture and format, whatever its schematic.
    pub(super) fn of(&self, artifact: &ArtifactId) -> Option<u64> {
        let mut now = self.lock();
        let sizes = now.get_or_insert_with(|| self.read());
        sizes.get(&key(artifact)).copied()
    }

    /// Remembers the size of an image that was fetched.
    pub(super) fn learn(&self, artifact: &ArtifactId, bytes: u64) {
        let mut now = self.lock();
        let sizes = now.get_or_insert_with(|| self.read());
        if sizes.insert(key(artifact), bytes) == Some(bytes) {
            return;
        }
        while sizes.len() > ENTRIES {
            sizes.pop_first();
        }
        if self.read_only {
            return;
        }
        if let Err(error) = keep::write_json(&self.file, FILE_BYTES, sizes) {
            tracing::warn!(
                file = %self.file.display(),
                reason = %error,
                "cannot save the sizes of images"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Sizes>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Sizes {
        let sizes = keep::find_json(&self.file, FILE_BYTES).or_told();
        sizes.unwrap_or_default()
    }
}

fn key(artifact: &ArtifactId) -> String {
    format!("{}/{}", artifact.version, artifact.factory_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arch, Format, Platform, SchematicId};

    fn image(schematic: u8, format: Format) -> ArtifactId {
        ArtifactId {
            version: "v1.11.3".parse().unwrap(),
            platform: Platform::Nocloud,
            arch: Arch::Amd64,
            secureboot: false,
            schematic: SchematicId::from_bytes([schematic; 32]),
            format,
        }
    }

    #[test]
    fn a_size_serves_images_of_other_schematics_and_of_no_other_kind() {
        let dir = tempfile::tempdir().unwrap();
        let sizes = SeenSizes::new(dir.path(), false);
        sizes.learn(&image(1, Format::Iso), 100);
        // Another process.
        let sizes = SeenSizes::new(dir.path(), true);
        assert_eq!(sizes.of(&image(2, Format::Iso)), Some(100));
        assert_eq!(sizes.of(&image(1, Format::Raw)), None);
        let mut other = image(1, Format::Iso);
        other.version = "v1.11.2".parse().unwrap();
        assert_eq!(sizes.of(&other), None);
        sizes.learn(&image(1, Format::Raw), 7);
        assert_eq!(sizes.of(&image(9, Format::Raw)), Some(7));
        assert_eq!(
            SeenSizes::new(dir.path(), true).of(&image(1, Format::Raw)),
            None
        );
    }

    #[test]
    fn a_file_that_is_not_one_is_none_and_does_not_grow_for_ever() {
        for damage in ["", "[]", "{\"v1.11.3/nocloud-amd64.iso\": -1}", "{\"a\": "] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(FILE), damage).unwrap();
            let sizes = SeenSizes::new(dir.path(), false);
            assert_eq!(sizes.of(&image(1, Format::Iso)), None, "{damage}");
            sizes.learn(&image(1, Format::Iso), 3);
            let again = SeenSizes::new(dir.path(), false);
            assert_eq!(again.of(&image(1, Format::Iso)), Some(3), "{damage}");
        }
        let dir = tempfile::tempdir().unwrap();
        let many: Sizes = (0..5000).map(|n| (format!("v0/{n}"), 1)).collect();
        std::fs::write(dir.path().join(FILE), serde_json::to_vec(&many).unwrap()).unwrap();
        let sizes = SeenSizes::new(dir.path(), false);
        sizes.learn(&image(1, Format::Iso), 3);
        let kept = SeenSizes::new(dir.path(), false);
        assert_eq!(kept.of(&image(1, Format::Iso)), Some(3));
        assert_eq!(kept.read().len(), ENTRIES);
    }
}
