//! Whether an object can be written in parts, as images are.

use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::{ProbeFault, refusal};
use crate::bucket::{Bucket, BucketError, ObjectKey};

const UPLOADING: &str = "uploading";

impl Bucket {
    /// Uploads an object of one part, which may have any length.
    pub(super) async fn uploads(&self, key: &ObjectKey) -> Result<Option<ProbeFault>, BucketError> {
        let failed = |error| BucketError::of(UPLOADING, key, &error);
        let uploaded = self.within(UPLOADING, key, async {
            let mut upload = self.begin(key).await?;
            let ended = async {
                upload.put_part(PutPayload::from_static(b"parts")).await?;
                upload.complete().await
            };
            match ended.await {
                Ok(_) => Ok(()),
                Err(error) => {
                    // What the server keeps of it is swept.
                    let _ = upload.abort().await;
                    Err(failed(error))
                }
            }
        });
        match uploaded.await {
            Ok(()) => self.holds(key, b"parts").await,
            Err(error) => Ok(Some(refusal(error)?)),
        }
    }

    /// Begins an upload, sends a part and gives it up: no object may come of it.
    pub(super) async fn gives_up(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<ProbeFault>, BucketError> {
        let given_up = self.within(UPLOADING, key, async {
            let failed = |error| BucketError::of(UPLOADING, key, &error);
            let mut upload = self.begin(key).await?;
            let sent = upload.put_part(PutPayload::from_static(b"parts")).await;
            // In any case: what stays takes space.
            let aborted = upload.abort().await;
            sent.map_err(failed)?;
            Ok(aborted)
        });
        if let Err(error) = given_up.await? {
            // Only the right to do this may be missing.
            let error = BucketError::of("giving up", key, &error);
            let answer = error.answer().filter(|answer| answer.status().is_some());
            return match answer {
                Some(answer) => Ok(Some(ProbeFault::NotDone(answer.to_string()))),
                None => Err(error),
            };
        }
        let found = self.get(key).await?;
        Ok(found.map(|_| ProbeFault::wrong("there is an object of it")))
    }

    async fn begin(&self, key: &ObjectKey) -> Result<Box<dyn MultipartUpload>, BucketError> {
        let begun = self.heavy.put_multipart(&self.path(key)).await;
        begun.map_err(|error| BucketError::of(UPLOADING, key, &error))
    }
}
