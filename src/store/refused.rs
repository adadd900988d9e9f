//! Why the configuration of the last reload was refused: `refused.json`. It is known between
//! runs, so it is not in the file that runs write.

use serde::{Deserialize, Serialize};

use super::{StateDir, StateError, file};
use crate::io::file::atomic::remove_if_there;

const REFUSED: &str = "refused.json";

#[derive(Serialize, Deserialize)]
struct RefusedFile {
    why: String,
}

impl StateDir {
    /// Why the last configuration was refused, if it was.
    pub(super) fn refused_config(&self) -> Option<String> {
        let file: Option<RefusedFile> = file::read(&self.file(REFUSED));
        file.map(|file| file.why)
    }

    /// Writes why it was refused; nothing removes the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save_refused_config(&self, why: Option<String>) -> Result<(), StateError> {
        let path = self.file(REFUSED);
        let Some(why) = why else {
            return remove_if_there(&path)
                .map_err(|source| StateError::io("remove", &path, source));
        };
        self.make()?;
        file::tell(&path, &RefusedFile { why })
    }
}
