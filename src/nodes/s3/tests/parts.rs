//! What a server says of an upload in parts.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::BucketLab;
use crate::bucket::Bucket;
use crate::nodes::error::NodeError;
use crate::nodes::interface::Nodes;

/// How it tells the entity tag of what was made of the parts.
type Told = fn(String) -> String;

/// A server that tells entity tags of uploads in its own way.
#[derive(Debug, Clone)]
struct TellingServer {
    right: Arc<InMemory>,
    told: Told,
    /// Somebody else writes right after an upload.
    is_overtaken: bool,
}

#[derive(Debug)]
struct ToldUpload {
    server: TellingServer,
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for ToldUpload {
    fn put_part(&mut self, bytes: PutPayload) -> UploadPart {
        self.upload.put_part(bytes)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let mut put = self.upload.complete().await?;
        put.e_tag = put.e_tag.map(self.server.told);
        if self.server.is_overtaken {
            let other = PutPayload::from_static(b"two");
            self.server.right.put(&self.path, other).await?;
        }
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

impl fmt::Display for TellingServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.right.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for TellingServer {
    async fn put_opts(&self, path: &Path, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        self.right.put_opts(path, bytes, how).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(ToldUpload {
            server: self.clone(),
            path: path.clone(),
            upload: self.right.put_multipart_opts(path, how).await?,
        }))
    }

    async fn get_opts(&self, path: &Path, how: GetOptions) -> Result<GetResult> {
        self.right.get_opts(path, how).await
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

/// Ceph RGW 16 tells none, 18 tells it without the quotes that it has elsewhere.
#[tokio::test]
async fn an_upload_is_known_again_whatever_is_told_of_it() {
    let ways: [Told; 3] = [|_| String::new(), |tag| tag, |tag| tag.replace('"', "")];
    for (way, told) in ways.into_iter().enumerate() {
        for is_overtaken in [false, true] {
            let server = TellingServer {
                right: Arc::new(InMemory::new()),
                told,
                is_overtaken,
            };
            let mut lab = BucketLab::new();
            lab.bucket = Bucket::over(Arc::new(server), "s3://told");
            let delivery = lab.delivery(b"one", false);
            let ended = lab.single().deliver(&lab.node, &delivery).await;
            match is_overtaken {
                false => assert!(ended.unwrap().copied, "{way}"),
                true => assert!(
                    matches!(ended, Err(NodeError::Refused { .. })),
                    "{way}: {ended:?}"
                ),
            }
            let is_recorded = lab.look().await.record.contains_key(&lab.file);
            assert_eq!(is_recorded, !is_overtaken, "{way}");
        }
    }
}
