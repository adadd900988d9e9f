//! What a server answers to the losers of a race, and where it has failed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};

use super::BucketLab;
use crate::bucket::Bucket;
use crate::nodes::error::NodeError;
use crate::nodes::interface::Nodes;
use crate::nodes::s3::record::BucketRecord;
use crate::nodes::samples::entry;

/// What becomes of a write that is answered with 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteFate {
    /// Another one was written in its place.
    Lost,
    /// Nothing was.
    Undone,
    /// It was written.
    Done,
    /// Another one was written in its place, and nobody can read it.
    Hidden,
}

/// A server that answers one write under a condition with 500: the first one, or the first
/// that replaces something.
#[derive(Debug)]
struct FailingStore {
    right: InMemory,
    fate: WriteFate,
    replaces: bool,
    writes: AtomicU32,
    failed: AtomicU32,
}

fn failed() -> Error {
    let text = "Server returned non-2xx status code: 500 Internal Server Error: \
                <Error><Code>UnknownError</Code></Error>";
    Error::Generic {
        store: "S3",
        source: text.into(),
    }
}

/// The record that another controller writes.
fn theirs() -> String {
    let mut record = BucketRecord::default();
    let placed = entry("theirs.iso");
    record.entries.insert(placed.name.clone(), placed);
    record.write()
}

impl fmt::Display for FailingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.right.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for FailingStore {
    async fn put_opts(&self, path: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        let is_meant = match &how.mode {
            PutMode::Overwrite => return self.right.put_opts(path, bytes, how).await,
            PutMode::Create => !self.replaces,
            PutMode::Update(_) => self.replaces,
        };
        self.writes.fetch_add(1, Ordering::Relaxed);
        if !is_meant || self.failed.fetch_add(1, Ordering::Relaxed) > 0 {
            return self.right.put_opts(path, bytes, how).await;
        }
        match self.fate {
            WriteFate::Lost | WriteFate::Hidden => {
                self.right.put(path, theirs().into()).await?;
            }
            WriteFate::Done => {
                self.right.put_opts(path, bytes, how).await?;
            }
            WriteFate::Undone => {}
        }
        Err(failed())
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.right.put_multipart_opts(path, how).await
    }

    async fn get_opts(&self, path: &Path, how: GetOptions) -> Result<GetResult> {
        match (self.fate, self.failed.load(Ordering::Relaxed)) {
            (WriteFate::Hidden, 1..) => Err(failed()),
            _ => self.right.get_opts(path, how).await,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.right.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.right.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.right.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.right.copy_opts(from, to, how).await
    }
}

/// A delivery to such a server: how it ended, how often its record was written, and the
/// names in it.
async fn delivered(fate: WriteFate, replaces: bool) -> (Result<(), NodeError>, u32, Vec<String>) {
    let server = Arc::new(FailingStore {
        right: InMemory::new(),
        fate,
        replaces,
        writes: AtomicU32::new(0),
        failed: AtomicU32::new(0),
    });
    if replaces {
        let path = Path::from("images/.talos-order.jsonl");
        let mut first = BucketRecord::default();
        let placed = entry("before.iso");
        first.entries.insert(placed.name.clone(), placed);
        server.right.put(&path, first.write().into()).await.unwrap();
    }
    let mut lab = BucketLab::new();
    lab.bucket = Bucket::over(Arc::clone(&server) as Arc<dyn ObjectStore>, "s3://failing");
    let delivery = lab.delivery(b"one", false);
    let ended = lab.single().deliver(&lab.node, &delivery).await;
    lab.bucket = Bucket::over(Arc::new(server.right.fork()), "s3://failing");
    let record = lab.look().await.record;
    let names = record.into_keys().map(|name| name.to_string()).collect();
    (
        ended.map(drop),
        server.writes.load(Ordering::Relaxed),
        names,
    )
}

/// Ceph RGW before 20 answers the losers with 500.
#[tokio::test]
async fn whoever_loses_a_race_writes_after_the_winner() {
    for replaces in [false, true] {
        let (ended, writes, names) = delivered(WriteFate::Lost, replaces).await;
        ended.unwrap();
        assert_eq!(writes, 2, "{replaces}");
        assert_eq!(names, ["a.iso", "theirs.iso"], "{replaces}");
    }
}

#[tokio::test]
async fn a_write_that_is_there_is_done_whatever_was_answered() {
    for replaces in [false, true] {
        let (ended, writes, names) = delivered(WriteFate::Done, replaces).await;
        ended.unwrap();
        assert_eq!(writes, 1, "{replaces}");
        assert!(names.contains(&"a.iso".to_owned()), "{names:?}");
    }
}

/// It may still arrive: nobody writes again.
#[tokio::test]
async fn a_write_that_is_not_seen_is_unknown() {
    for fate in [WriteFate::Undone, WriteFate::Hidden] {
        for replaces in [false, true] {
            let (ended, writes, names) = delivered(fate, replaces).await;
            assert!(
                matches!(
                    ended,
                    Err(NodeError::Unreachable {
                        transient: true,
                        ..
                    })
                ),
                "{fate:?} {ended:?}"
            );
            assert_eq!(writes, 1, "{fate:?}");
            assert!(!names.contains(&"a.iso".to_owned()), "{names:?}");
        }
    }
}
