//! How things are, as a file.

use std::collections::BTreeMap;

use super::{StateDir, StateError, file};
use crate::conclude::Status;

const STATUS: &str = "status.json";

impl StateDir {
    /// How things are; `None` where no controller ever was.
    pub(crate) fn status(&self) -> Option<Status> {
        let status: Option<Status> = file::read(&self.file(STATUS));
        let sites = self.sites();
        match status {
            Some(status) => Some(Status { sites, ..status }),
            // On standby a controller does no run.
            None => (!sites.is_empty()).then(|| Status {
                sites,
                ..Status::default()
            }),
        }
    }

    /// Writes how things are.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save_status(&self, status: &Status) -> Result<(), StateError> {
        self.make()?;
        if status.sites.is_empty() {
            return file::tell(&self.file(STATUS), status);
        }
        let status = Status {
            sites: BTreeMap::new(),
            ..status.clone()
        };
        file::tell(&self.file(STATUS), &status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        assert_eq!(state.status(), None);
        let status = Status {
            owner: "homelab".to_owned(),
            ..Status::default()
        };
        state.save_status(&status).unwrap();
        assert_eq!(state.status(), Some(status));
    }
}
