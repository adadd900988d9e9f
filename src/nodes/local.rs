//! Copying to a directory of this machine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::NodeError;
use crate::io::Meter;

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

/// Bytes per read and write.
const BLOCK: usize = 1024 * 1024;

fn copy(source: &Path, target: &Path, meter: &Meter, stop: &AtomicBool) -> Result<(), NodeError> {
    let reading = |error| NodeError::Source {
        path: source.to_owned(),
        source: error,
    };
    let writing = |error| NodeError::Copy {
        path: target.to_owned(),
        source: error,
    };
    let mut from = File::open(source).map_err(reading)?;
    let mut to = File::create(target).map_err(writing)?;
    let mut block = vec![0_u8; BLOCK];
    meter.set_done(0);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(writing(io::Error::from(io::ErrorKind::Interrupted)));
        }
        let count = from.read(&mut block).map_err(reading)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&block[..count]).map_err(writing)?;
        meter.add(count as u64);
    }
}

#[cfg(test)]
mod tests {
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
