//! The ids that a factory gave to schematics, where they are not the computed ones.
//!
//! The factory's answer is the authority: an Enterprise factory adds an owner to
//! what it is sent, which makes another id. The run that learns of it plans anew
//! with the answer, and later runs plan with it from the start, without asking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::facts::Registration;
use crate::io::file::keep;
use crate::model::SchematicId;

const FILE: &str = "schematics.json";

/// More than the ids of a hundred thousand schematics, in bytes.
const FILE_BYTES: u64 = 16 << 20;

/// What is on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct KnownIdsFile {
    /// The factory's base URL: another factory gives other ids.
    base: String,
    /// The factory's ids by the computed ones.
    ids: BTreeMap<SchematicId, Registration>,
}

/// The ids of one factory.
#[derive(Debug)]
pub(super) struct KnownIds {
    file: PathBuf,
    read_only: bool,
    base: String,
    now: Mutex<Option<KnownIdsFile>>,
}

impl KnownIds {
    pub(super) fn new(state_dir: &Path, read_only: bool, base: &Url) -> Self {
        Self {
            file: state_dir.join(FILE),
            read_only,
            base: base.to_string(),
            now: Mutex::default(),
        }
    }

    /// The factory's ids by the computed ones, where they differ.
    pub(super) fn all(&self) -> BTreeMap<SchematicId, Registration> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.get_or_insert_with(|| self.read()).ids.clone()
    }

    /// Learns what the factory answered. What cannot be written costs no more than
    /// another registration in the next run.
    pub(super) fn learn(&self, computed: SchematicId, answered: SchematicId) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let known = now.get_or_insert_with(|| self.read());
        let before = known.clone();
        if computed == answered {
            known.ids.remove(&computed);
        } else {
            known.ids.insert(computed, Registration { id: answered });
        }
        if *known == before || self.read_only {
            return;
        }
        if let Err(error) = keep::write_json(&self.file, FILE_BYTES, known) {
            tracing::warn!(
                file = %self.file.display(),
                reason = %error,
                "cannot save the ids of schematics"
            );
        }
    }

    fn read(&self) -> KnownIdsFile {
        let known = keep::find_json::<KnownIdsFile>(&self.file, FILE_BYTES).or_told();
        let ours = known.filter(|known| known.base == self.base);
        ours.unwrap_or_else(|| KnownIdsFile {
            base: self.base.clone(),
            ids: BTreeMap::new(),
        })
    }
}
