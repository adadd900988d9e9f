//! What an operator decided: suspensions and approvals.
//!
//! Files of their own, so that a verb never waits for a run and a run never
//! overwrites a word that was given while it ran. Whoever changes one holds the
//! directory's lock for that moment.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::file::{self, Found};
use super::{StateDir, StateError};
use crate::conclude::Scope;
use crate::facts::{ApprovalId, Suspended};
use crate::io::file::lock::DirLock;

const SUSPENDED: &str = "suspended.json";
const APPROVED: &str = "approved.json";
const LOCK: &str = ".state.lock";

/// A change takes milliseconds; whoever holds the lock for longer hangs.
const LOCK_WAIT: Duration = Duration::from_secs(10);

#[derive(Serialize, Deserialize)]
struct Approved {
    approved: BTreeSet<ApprovalId>,
}

/// What came of ending every suspension.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resumed {
    /// It was suspended.
    pub changed: bool,
    /// Everything is suspended still.
    pub all_left: bool,
    /// Where instructions are kept that could not be read.
    pub aside: Option<PathBuf>,
}

impl StateDir {
    /// What is suspended: everything, where the operator's instructions cannot be read.
    pub(crate) fn suspended(&self) -> Suspended {
        match file::find(&self.file(SUSPENDED)) {
            Found::Nothing => Suspended::default(),
            Found::Content(suspended) => Suspended {
                unreadable: None,
                ..suspended
            },
            Found::Unreadable(why) => Suspended {
                unreadable: Some(why),
                ..Suspended::default()
            },
        }
    }

    /// Changes what is suspended, and returns it as it is then.
    ///
    /// # Errors
    /// [`StateError::Instructions`] where it cannot be read: it is not overwritten. When
    /// the directory cannot be written, or stays locked.
    pub(crate) async fn change_suspended(
        &self,
        change: impl FnOnce(&mut Suspended),
    ) -> Result<Suspended, StateError> {
        let _lock = self.lock().await?;
        let mut suspended = self.suspended();
        if let Some(why) = suspended.unreadable {
            return Err(StateError::Instructions { why });
        }
        change(&mut suspended);
        file::write(&self.file(SUSPENDED), &suspended)?;
        Ok(suspended)
    }

    /// Suspends something; false where it was suspended already.
    ///
    /// # Errors
    /// As [`change_suspended`](Self::change_suspended).
    pub(crate) async fn suspend(&self, scope: &Scope) -> Result<bool, StateError> {
        let mut changed = false;
        let change = |suspended: &mut Suspended| {
            changed = match scope {
                Scope::All => !std::mem::replace(&mut suspended.all, true),
                Scope::Order(id) => suspended.orders.insert(id.clone()),
                Scope::Node(id) => suspended.nodes.insert(id.clone()),
            };
        };
        self.change_suspended(change).await?;
        Ok(changed)
    }

    /// Ends the suspension of something; of everything, every one.
    ///
    /// # Errors
    /// As [`change_suspended`](Self::change_suspended).
    pub(crate) async fn resume(&self, scope: &Scope) -> Result<Resumed, StateError> {
        let mut changed = false;
        let change = |suspended: &mut Suspended| {
            changed = match scope {
                Scope::All => false,
                Scope::Order(id) => suspended.orders.remove(id),
                Scope::Node(id) => suspended.nodes.remove(id),
            };
        };
        match scope {
            Scope::All => self.resume_all().await,
            Scope::Order(_) | Scope::Node(_) => {
                let left = self.change_suspended(change).await?;
                Ok(Resumed {
                    changed,
                    all_left: left.all,
                    aside: None,
                })
            }
        }
    }

    /// Ends every suspension. Instructions that cannot be read are kept under another
    /// name, which is returned.
    ///
    /// # Errors
    /// When the directory cannot be written, or stays locked.
    pub(crate) async fn resume_all(&self) -> Result<Resumed, StateError> {
        let _lock = self.lock().await?;
        let path = self.file(SUSPENDED);
        let before = self.suspended();
        let aside = match before.unreadable {
            Some(_) => Some(file::set_aside(&path)?),
            None => None,
        };
        file::write(&path, &Suspended::default())?;
        Ok(Resumed {
            changed: before != Suspended::default(),
            all_left: false,
            aside,
        })
    }

    /// The removals that an operator has approved: none, where that cannot be read.
    pub(crate) fn approved(&self) -> BTreeSet<ApprovalId> {
        match file::find::<Approved>(&self.file(APPROVED)) {
            Found::Nothing => BTreeSet::new(),
            Found::Content(file) => file.approved,
            Found::Unreadable(why) => {
                tracing::warn!("{why}; nothing counts as approved");
                BTreeSet::new()
            }
        }
    }

    /// Approves a removal. Approvals that cannot be read are kept under another name.
    ///
    /// # Errors
    /// When the directory cannot be written, or stays locked.
    pub(crate) async fn approve(&self, id: ApprovalId) -> Result<(), StateError> {
        self.change_approved(|approved| {
            approved.insert(id);
        })
        .await
    }

    /// Forgets approvals that were used or have become pointless. What was approved
    /// meanwhile stays.
    pub(super) async fn forget_approvals(
        &self,
        spent: &BTreeSet<&ApprovalId>,
    ) -> Result<(), StateError> {
        if spent.is_empty() {
            return Ok(());
        }
        self.change_approved(|approved| approved.retain(|id| !spent.contains(id)))
            .await
    }

    async fn change_approved(
        &self,
        change: impl FnOnce(&mut BTreeSet<ApprovalId>),
    ) -> Result<(), StateError> {
        let _lock = self.lock().await?;
        let mut approved = self.approved();
        change(&mut approved);
        file::write(&self.file(APPROVED), &Approved { approved })
    }

    pub(super) async fn lock(&self) -> Result<DirLock, StateError> {
        self.make()?;
        let lock = DirLock::acquire(self.path(), LOCK, LOCK_WAIT).await?;
        self.give_away(&self.file(LOCK));
        Ok(lock)
    }

    /// Where root was the first to lock, the controller must be able to as well: the
    /// file gets the directory's owner. What is written needs no such care, since it
    /// is replaced and not opened for writing.
    pub(super) fn give_away(&self, path: &Path) {
        let (Ok(dir), Ok(file)) = (std::fs::metadata(self.path()), std::fs::metadata(path)) else {
            return;
        };
        if dir.uid() != file.uid() {
            // For anyone but root this fails, and changes nothing.
            let _ = std::os::unix::fs::chown(path, Some(dir.uid()), Some(dir.gid()));
        }
    }
}
