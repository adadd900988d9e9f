//! What is remembered, as a file.

use std::collections::BTreeSet;

use super::{StateDir, StateError, file};
use crate::facts::{ApprovalId, Memory, Suspended};

const MEMORY: &str = "memory.json";

impl StateDir {
    /// What is remembered, with what an operator suspended and approved.
    pub(crate) fn memory(&self) -> Memory {
        let memory: Memory = file::read(&self.file(MEMORY)).unwrap_or_default();
        Memory {
            suspended: self.suspended(),
            approved: self.approved(),
            ..memory
        }
    }

    /// Keeps the memory of a run that began with `before`. What an operator decided
    /// meanwhile stays as it is; approvals that are in `before` only are forgotten.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(crate) async fn save_memory(
        &self,
        before: &Memory,
        after: &Memory,
    ) -> Result<(), StateError> {
        self.make()?;
        let spent: BTreeSet<&ApprovalId> = before.approved.difference(&after.approved).collect();
        let own = Memory {
            suspended: Suspended::default(),
            approved: BTreeSet::new(),
            ..after.clone()
        };
        file::write(&self.file(MEMORY), &own)?;
        self.forget_approvals(&spent).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::StepId;

    #[tokio::test]
    async fn it_survives_the_file_and_an_operators_word_survives_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        assert_eq!(state.memory(), Memory::default());
        let pruned = StepId::fetch(&"a.iso".parse().unwrap());
        let learned = Memory {
            unwanted_since: BTreeMap::from([(pruned, "2026-01-01T00:00:00Z".parse().unwrap())]),
            ..Memory::default()
        };
        let (old, new) = (ApprovalId("old".to_owned()), ApprovalId("new".to_owned()));
        state.approve(old.clone()).await.unwrap();
        let before = state.memory();
        // An operator suspends something during the run.
        state.approve(new.clone()).await.unwrap();
        state
            .change_suspended(|suspended| {
                suspended.nodes.insert("pve".parse().unwrap());
            })
            .await
            .unwrap();
        state.save_memory(&before, &learned).await.unwrap();
        let read = state.memory();
        assert_eq!(read.unwanted_since, learned.unwanted_since);
        assert_eq!(read.approved, BTreeSet::from([new]));
        assert!(read.suspended.nodes.contains(&"pve".parse().unwrap()));

        std::fs::write(state.file(MEMORY), "{\"version\":1,\"unwan").unwrap();
        let read = state.memory();
        assert!(read.unwanted_since.is_empty());
        assert!(read.suspended.nodes.contains(&"pve".parse().unwrap()));
    }
}
