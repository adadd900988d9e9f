//! Writing a file of which the digest is known.

#![expect(clippy::disallowed_methods, reason = "reads the files that it uploads")]

use std::path::Path;

use object_store::{ObjectStoreExt, WriteMultipart};
use sha2::Digest;
use tokio::io::AsyncReadExt;

use super::write::{PART, PARTS_AT_ONCE};
use super::{Bucket, BucketError, ListedObject, ObjectKey, ObjectTag, modified};
use crate::model::Sha256;

impl Bucket {
    /// What a listing would say of one object. `None` if there is none.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ListedObject>, BucketError> {
        match self.patient.head(&self.path(key)).await {
            Ok(meta) => Ok(Some(ListedObject {
                key: key.clone(),
                size: meta.size,
                modified: modified(&meta),
                tag: ObjectTag::of(&meta),
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BucketError::of("reading", key, error)),
        }
    }

    /// Writes a file as an object, in parts, and whatever is there. Readers see the whole
    /// object or none of it, and none if the file has another digest. `sent` is told of the
    /// bytes of each part. Gives the tag that the object has then.
    ///
    /// # Errors
    /// When the file cannot be read or has another digest, or the server does not take it.
    /// What was sent of it is given up.
    pub async fn upload_checked(
        &self,
        key: &ObjectKey,
        file: &Path,
        sha256: Sha256,
        sent: impl Fn(u64),
    ) -> Result<ObjectTag, BucketError> {
        let unreadable = |source| BucketError::File {
            path: file.to_owned(),
            source,
        };
        let failed = |error| BucketError::of("writing", key, error);
        let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let upload = self.patient.put_multipart(&self.path(key)).await;
        let mut upload = WriteMultipart::new_with_chunk_size(upload.map_err(failed)?, PART);
        let ended = async {
            let mut digest = sha2::Sha256::new();
            loop {
                let mut piece = Vec::with_capacity(PART);
                let mut part = (&mut source).take(PART as u64);
                let read = part.read_to_end(&mut piece).await;
                let length = read.map_err(unreadable)? as u64;
                if length == 0 {
                    break;
                }
                digest.update(&piece);
                upload
                    .wait_for_capacity(PARTS_AT_ONCE)
                    .await
                    .map_err(failed)?;
                upload.put(piece.into());
                sent(length);
            }
            let found = Sha256::from_bytes(digest.finalize().into());
            match found == sha256 {
                true => Ok(()),
                false => Err(BucketError::Differs {
                    path: file.to_owned(),
                    expected: sha256,
                    found,
                }),
            }
        }
        .await;
        match ended {
            Ok(()) => upload.finish().await.map(ObjectTag::from).map_err(failed),
            Err(error) => {
                // What the server keeps of it costs space until it is swept.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }
}
