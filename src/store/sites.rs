//! Who leads the sites of this controller: `sites.json`. It changes between runs and during
//! them, so it is not in the file that runs write.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, file};
use crate::conclude::SiteLine;
use crate::io::file::atomic::remove_if_there;
use crate::model::SiteName;

const SITES: &str = "sites.json";

#[derive(Default, Serialize, Deserialize)]
struct SitesFile {
    sites: BTreeMap<SiteName, SiteLine>,
}

impl StateDir {
    /// Who leads the sites; nothing where this controller is a single one.
    pub(super) fn sites(&self) -> BTreeMap<SiteName, SiteLine> {
        let file: Option<SitesFile> = file::read(&self.file(SITES));
        file.unwrap_or_default().sites
    }

    /// Writes who leads them; nothing removes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save_sites(&self, sites: BTreeMap<SiteName, SiteLine>) -> Result<(), StateError> {
        let path = self.file(SITES);
        if sites.is_empty() {
            return remove_if_there(&path)
                .map_err(|source| StateError::io("remove", &path, source));
        }
        self.make()?;
        file::tell(&path, &SitesFile { sites })
    }
}
