//! How things are, as a file.

use std::collections::BTreeMap;

use super::{StateDir, StateError, file};
use crate::conclude::Status;

const STATUS: &str = "status.json";

impl StateDir {
    /// How things are; `None` where no controller ever was.
    pub(crate) fn status(&self) -> Option<Status> {
        let status: Option<Status> = file::read(&self.file(STATUS));
        let (sites, refused_config) = (self.sites(), self.refused_config());
        match status {
            Some(status) => Some(Status {
                sites,
                refused_config,
                ..status
            }),
            // On standby a controller does no run.
            None => (!sites.is_empty()).then(|| Status {
                sites,
                refused_config,
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
        if status.sites.is_empty() && status.refused_config.is_none() {
            return file::tell(&self.file(STATUS), status);
        }
        let status = Status {
            sites: BTreeMap::new(),
            refused_config: None,
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

    #[test]
    fn what_has_a_file_of_its_own_is_in_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        let why = Some("it is wrong".to_owned());
        state.save_status(&Status::default()).unwrap();
        state.save_refused_config(why.clone()).unwrap();
        let status = state.status().unwrap();
        assert_eq!(status.refused_config, why);
        state.save_status(&status).unwrap();
        state.save_refused_config(None).unwrap();
        assert_eq!(state.status().unwrap().refused_config, None);
    }
}
