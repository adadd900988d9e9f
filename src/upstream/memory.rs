//! What is remembered of the sources of versions, from one run to the next.
//!
//! One small JSON file per source: the last good list with the entity tags of its
//! pages, and until when it must not be asked. A file that cannot be
//! read is as good as none, and is kept under another name; a file that cannot be
//! written costs no more than the next run's knowledge. In a dry run nothing is written, and what was learnt is
//! remembered for the life of the process only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::config::UpstreamConfig;
use crate::io::file::keep;
use crate::model::ListSource;
use crate::model::TalosVersion;

/// More than any list of versions, in bytes: what a source may answer is bounded as well.
const FILE_BYTES: u64 = 64 << 20;

/// What is remembered of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The source's base URL: another factory has other versions.
    pub base: String,
    /// The last good list.
    pub listing: Option<Listing>,
    /// The source is not asked before: it has a rate limit.
    pub not_before: Option<Timestamp>,
}

/// A list of versions as it came, page by page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    /// When the source last said that this is the list.
    pub fetched_at: Timestamp,
    pub pages: Vec<ListPage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListPage {
    pub url: Url,
    /// The entity tag it came with.
    pub etag: Option<String>,
    pub next: Option<Url>,
    pub versions: BTreeSet<TalosVersion>,
}

impl Listing {
    pub(super) fn versions(&self) -> BTreeSet<TalosVersion> {
        let pages = self.pages.iter();
        pages
            .flat_map(|page| page.versions.iter().cloned())
            .collect()
    }
}

/// The versions of the last list of each source, as far as they are on disk.
pub(crate) fn remembered_versions(config: &UpstreamConfig) -> BTreeSet<TalosVersion> {
    let lists = config.versions.iter().filter_map(|&source| {
        let base = match source {
            ListSource::Factory => &config.factory,
            ListSource::Github => &config.github,
        };
        let memory = ListMemory::new(&config.state_dir, true, source, base);
        Some(memory.recall().listing?.versions())
    });
    lists.flatten().collect()
}

/// The memory of one source.
#[derive(Debug)]
pub(super) struct ListMemory {
    file: PathBuf,
    read_only: bool,
    base: String,
    /// Read from disk when it is first asked for.
    now: Mutex<Option<Remembered>>,
}

impl ListMemory {
    pub(super) fn new(state_dir: &Path, read_only: bool, source: ListSource, base: &Url) -> Self {
        let name = match source {
            ListSource::Factory => "versions-factory.json",
            ListSource::Github => "versions-github.json",
        };
        Self {
            file: state_dir.join(name),
            read_only,
            base: base.to_string(),
            now: Mutex::default(),
        }
    }

    pub(super) fn recall(&self) -> Remembered {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.get_or_insert_with(|| self.read()).clone()
    }

    /// Remembers something else from now on.
    pub(super) fn keep(&self, remembered: Remembered) {
        if !self.read_only
            && let Err(error) = keep::write_json(&self.file, FILE_BYTES, &remembered)
        {
            tracing::warn!(
                file = %self.file.display(),
                reason = %error,
                "cannot save the list of versions"
            );
        }
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(remembered);
    }

    fn read(&self) -> Remembered {
        let found = keep::find_json::<Remembered>(&self.file, FILE_BYTES).or_told();
        let ours = found.filter(|remembered| remembered.base == self.base);
        ours.unwrap_or_else(|| Remembered {
            base: self.base.clone(),
            ..Remembered::default()
        })
    }
}
