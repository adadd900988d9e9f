//! Servers in memory with the faults that real ones are known for.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use talos_order::bucket::Bucket;

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// As Garage: the headers are not read.
    IgnoresConditions,
    /// Only `If-None-Match` is known.
    IgnoresTags,
    /// As MinIO before 2025-08: what is not there is unchanged.
    CreatesUnchanged,
    /// As B2.
    KnowsNoConditions,
    /// Looks, and then writes.
    LooksFirst,
    /// The first who meet are all told to try again.
    GivesWay,
    /// What was written is listed later.
    ListsLate,
    /// The whole object is sent, whatever the range.
    SendsAll,
    /// As Ceph RGW: a tag is answered in quotes, and is the right one only without them.
    ComparesBare,
    /// Understands a tag in quotes, and writes whatever is there under one without them.
    IgnoresBare,
    /// The same, and refuses all that have quotes.
    RefusesQuotes,
    /// Has no uploads in parts.
    NoUploads,
    /// As Ceph RGW where versions are suspended: the mark of a removal is an object.
    KeepsMarks,
    /// As Ceph RGW where versions are kept.
    KeepsVersions,
}

#[derive(Debug)]
struct WrongServer {
    right: InMemory,
    wrong: Wrong,
    writes: AtomicU32,
    removed: Arc<Mutex<Vec<Path>>>,
}

impl fmt::Display for WrongServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.wrong)
    }
}

fn answered(text: &str) -> Error {
    Error::Generic {
        store: "S3",
        source: text.to_owned().into(),
    }
}

fn not_implemented() -> Error {
    answered(
        "Server returned non-2xx status code: 501 Not Implemented: \
         <Error><Code>NotImplemented</Code></Error>",
    )
}

impl WrongServer {
    fn was_removed(&self, path: &Path) -> bool {
        self.removed.lock().unwrap().contains(path)
    }

    async fn written(&self, path: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        let is_there = self.right.head(path).await.is_ok();
        let as_is = PutOptions::from(PutMode::Overwrite);
        match (self.wrong, &how.mode) {
            (_, PutMode::Overwrite) => self.right.put_opts(path, bytes, how).await,
            (Wrong::KnowsNoConditions, _) => Err(not_implemented()),
            // Those of the first race, after seven that are alone.
            (Wrong::GivesWay, _)
                if (7..15).contains(&self.writes.fetch_add(1, Ordering::Relaxed)) =>
            {
                Err(answered(
                    "Server returned non-2xx status code: 500 Internal Server Error: ",
                ))
            }
            (Wrong::IgnoresConditions | Wrong::KeepsVersions, _)
            | (Wrong::IgnoresTags, PutMode::Update(_)) => {
                self.right.put_opts(path, bytes, as_is).await
            }
            (Wrong::CreatesUnchanged, PutMode::Update(_)) if !is_there => {
                self.right.put_opts(path, bytes, as_is).await
            }
            (Wrong::LooksFirst, PutMode::Create) => {
                tokio::task::yield_now().await;
                match is_there {
                    true => self.right.put_opts(path, bytes, how).await,
                    false => self.right.put_opts(path, bytes, as_is).await,
                }
            }
            (Wrong::KeepsMarks, PutMode::Create) if self.was_removed(path) => {
                Err(Error::AlreadyExists {
                    path: path.to_string(),
                    source: "it was removed".into(),
                })
            }
            (Wrong::IgnoresBare | Wrong::RefusesQuotes, PutMode::Update(version)) => {
                let tag = version.e_tag.as_deref().unwrap_or_default();
                match (self.wrong, tag.starts_with('"')) {
                    (_, false) => self.right.put_opts(path, bytes, as_is).await,
                    (Wrong::IgnoresBare, true) => self.right.put_opts(path, bytes, how).await,
                    (_, true) => Err(Error::Precondition {
                        path: path.to_string(),
                        source: "it has quotes".into(),
                    }),
                }
            }
            _ => self.right.put_opts(path, bytes, how).await,
        }
    }
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

#[async_trait]
impl ObjectStore for WrongServer {
    async fn put_opts(&self, path: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        let mut put = self.written(path, bytes, how).await?;
        if self.wrong == Wrong::ComparesBare {
            put.e_tag = put.e_tag.as_deref().map(quoted);
        }
        if self.wrong == Wrong::KeepsVersions {
            put.version = Some("1".to_owned());
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.wrong {
            Wrong::NoUploads => Err(not_implemented()),
            _ => self.right.put_multipart_opts(path, how).await,
        }
    }

    async fn get_opts(&self, path: &Path, how: GetOptions) -> Result<GetResult> {
        match (self.wrong, &how.range) {
            (Wrong::SendsAll, Some(_)) => Err(answered(
                "Received non-partial response when range requested",
            )),
            (Wrong::ComparesBare, _) => {
                let mut found = self.right.get_opts(path, how).await?;
                found.meta.e_tag = found.meta.e_tag.as_deref().map(quoted);
                Ok(found)
            }
            _ => self.right.get_opts(path, how).await,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let removed = Arc::clone(&self.removed);
        let paths = paths.inspect_ok(move |path| removed.lock().unwrap().push(path.clone()));
        self.right.delete_stream(paths.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.wrong {
            Wrong::ListsLate => stream::empty().boxed(),
            _ => self.right.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.right.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        self.right.copy_opts(from, to, how).await
    }
}

/// A bucket on such a server, in memory.
pub fn bucket(wrong: Wrong) -> Bucket {
    let server = WrongServer {
        right: InMemory::new(),
        wrong,
        writes: AtomicU32::new(0),
        removed: Arc::default(),
    };
    Bucket::over(Arc::new(server), "s3://wrong")
}
