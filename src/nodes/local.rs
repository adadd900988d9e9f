//! Copying to a directory of this machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::NodeError;
use crate::io::{Meter, sparse};

/// Copies a file to a path, which is written anew. Dropping the future stops
/// the copy at the next block and leaves what was written.
///
/// The digest is not taken here: the file is read back afterwards, as on any
/// other node, because what counts is what lies there.
pub(super) async fn copy_local(
    source: PathBuf,
    target: PathBuf,
    meter: Arc<Meter>,
) -> Result<(), NodeError> {
    let stop = StopOnDrop(Arc::default());
    let stopped = Arc::clone(&stop.0);
    let copy = tokio::task::spawn_blocking(move || copy(&source, &target, &meter, &stopped));
    match copy.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Copies data extents only: what is a hole here is one there.
fn copy(source: &Path, target: &Path, meter: &Meter, stop: &AtomicBool) -> Result<(), NodeError> {
    // Opened here as well, so that a missing source is told from a full target.
    File::open(source).map_err(|error| NodeError::Source {
        path: source.to_owned(),
        source: error,
    })?;
    sparse::copy_sparse(source, target, meter, stop)
        .map(drop)
        .map_err(|error| NodeError::Copy {
            path: target.to_owned(),
            source: error,
        })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_from_other_errors() {
        let source = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(source.path(), "bytes").unwrap();
        let copy = |target: &str| copy_local(source.path().into(), target.into(), Arc::default());
        let full = copy("/dev/full").await.unwrap_err();
        match full {
            NodeError::Copy { source, .. } => {
                assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            }
            error => panic!("{error:?}"),
        }
        let absent = copy_local("/no/such/file".into(), "/dev/null".into(), Arc::default()).await;
        assert!(matches!(absent, Err(NodeError::Source { .. })));
    }
}
