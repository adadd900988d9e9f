//! Whether an object can be written in parts, as images are.

use futures_util::TryFutureExt;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::{ProbeFault, refusal};
use crate::bucket::{Bucket, BucketError, ObjectKey};

const UPLOADING: &str = "uploading";
const GIVING_UP: &str = "giving up";

impl Bucket {
    /// Uploads an object of one part, which may have any length.
    pub(super) async fn uploads(&self, key: &ObjectKey) -> Result<Option<ProbeFault>, BucketError> {
        let uploaded = async {
            let mut upload = self.begin(key).await?;
            let ended = async {
                self.send_part(key, upload.as_mut()).await?;
                let complete = upload.complete();
                self.ends(UPLOADING, key, complete).await
            };
            if let Err(error) = ended.await {
                // What stays takes space, and cannot be found again.
                let _ = self.ends(GIVING_UP, key, upload.abort()).await;
                return Err(error);
            }
            Ok(())
        };
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
        let mut upload = self.begin(key).await?;
        let sent = self.send_part(key, upload.as_mut()).await;
        // In any case: what stays takes space.
        let given_up = self.ends(GIVING_UP, key, upload.abort()).await;
        sent?;
        if let Err(error) = given_up {
            // Only the right to do this may be missing.
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
        let path = self.path(key);
        self.ends(UPLOADING, key, self.heavy.put_multipart(&path))
            .await
    }

    async fn send_part(
        &self,
        key: &ObjectKey,
        upload: &mut dyn MultipartUpload,
    ) -> Result<(), BucketError> {
        let sending = upload.put_part(PutPayload::from_static(b"parts"));
        self.ends(UPLOADING, key, sending).await
    }

    /// One request, which ends in time.
    async fn ends<T>(
        &self,
        what: &'static str,
        key: &ObjectKey,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, BucketError> {
        let work = work.map_err(|error| BucketError::of(what, key, &error));
        self.within(what, key, work).await
    }
}
