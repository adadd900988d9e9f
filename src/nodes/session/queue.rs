//! Operations of this process on one directory of a node, one after another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::model::{Dir, NodeId};

type DirLocks = BTreeMap<(NodeId, Dir), Weak<tokio::sync::Mutex<()>>>;

/// Who waits for each directory that this process works in.
#[derive(Debug, Default)]
pub(crate) struct DirQueue(Mutex<DirLocks>);

impl DirQueue {
    /// Waits until every operation that came before is over.
    pub(crate) async fn enter(&self, node: &NodeId, dir: &Dir) -> OwnedMutexGuard<()> {
        self.lock_of(node, dir).lock_owned().await
    }

    fn lock_of(&self, node: &NodeId, dir: &Dir) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        let key = (node.clone(), dir.clone());
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}
