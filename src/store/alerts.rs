//! What was told to whom: `alerts.json`.
//!
//! A message is recorded as delivered after its receiver confirmed it, so a crash between
//! the two sends it again and never loses it. Only one process sends at a time.

use std::time::Duration;

use super::{StateDir, StateError, file};
use crate::conclude::alerts::AlertLedger;
use crate::io::file::lock::DirLock;

const ALERTS: &str = "alerts.json";
const SENDER_LOCK: &str = ".notify.lock";

impl StateDir {
    /// What was told; nothing where no file can be read.
    pub(crate) fn alerts(&self) -> AlertLedger {
        file::read(&self.file(ALERTS)).unwrap_or_default()
    }

    /// Changes what was told, as it is in the file by then.
    ///
    /// # Errors
    /// When the directory cannot be written, or stays locked.
    pub(crate) async fn change_alerts(
        &self,
        change: impl FnOnce(AlertLedger) -> AlertLedger,
    ) -> Result<(), StateError> {
        let _lock = self.lock().await?;
        let before = self.alerts();
        let after = change(before);
        file::write(&self.file(ALERTS), &after)
    }

    /// The right to send.
    ///
    /// # Errors
    /// When another process has it for longer than `wait`, or the file cannot be locked.
    pub(crate) async fn sender_lock(&self, wait: Duration) -> Result<DirLock, StateError> {
        self.make()?;
        let lock = DirLock::acquire(self.path(), SENDER_LOCK, wait).await?;
        self.give_away(&self.file(SENDER_LOCK));
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_survives_its_file_and_a_file_that_is_not_one() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        assert_eq!(state.alerts(), AlertLedger::default());
        let known = |mut ledger: AlertLedger| {
            ledger
                .providers
                .insert("chat".to_owned(), Default::default());
            ledger
        };
        state.change_alerts(known).await.unwrap();
        assert!(state.alerts().providers.contains_key("chat"));
        std::fs::write(state.file(ALERTS), "{\"version\": 1, \"providers\"").unwrap();
        assert_eq!(state.alerts(), AlertLedger::default());
        state.change_alerts(known).await.unwrap();
        assert!(state.alerts().providers.contains_key("chat"));
        let aside = state.file("alerts.json.set-aside-1");
        assert!(
            std::fs::read_to_string(aside)
                .unwrap()
                .starts_with("{\"version\"")
        );
        // A field of a later version is no reason to tell everything again.
        let more = "{\"version\": 1, \"providers\": {\"mail\": {\"new\": 1}}, \"other\": []}";
        std::fs::write(state.file(ALERTS), more).unwrap();
        assert!(state.alerts().providers.contains_key("mail"));
    }
}
