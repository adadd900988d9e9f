//! Writing objects, and what is known afterwards.

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use object_store::{
    ObjectMeta, ObjectStoreExt, PutMode, PutOptions, PutPayload, PutResult, UpdateVersion,
    WriteMultipart,
};
use sha2::Digest;
use tokio::io::AsyncReadExt;

use super::tags::TagForm;
use super::{Bucket, BucketAnswer, BucketError, ObjectKey};
use crate::model::Sha256;

pub(super) const WRITING: &str = "writing";

/// Bytes of one part of a large object. S3 asks for 5 MiB at least, and takes 10000 parts:
/// that is enough for 156 GiB.
const PART: usize = 16 << 20;

/// Parts that are on their way at once.
const PARTS_AT_ONCE: usize = 2;

/// How long it may take to find out why a condition was refused. Callers that wait for less
/// than the patience of the bucket have to hear of the refusal nevertheless.
const LOOK: Duration = Duration::from_secs(1);

/// Which write of an object was seen: its entity tag.
///
/// Servers derive it from the content, so equal content has equal tags, whoever wrote it.
/// An object that is written under a condition has to hold something that is new in each
/// write.
///
/// Some servers put a tag in quotes in one answer and not in another, so that quotes make no
/// difference between two tags.
#[derive(Debug, Clone)]
pub struct ObjectTag {
    /// As it was received. `None` from a server that gives none: nothing is unchanged for it.
    e_tag: Option<String>,
}

/// When an object may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    /// Whatever is there.
    Always,
    /// Only if there is none.
    Absent,
    /// Only if this is there still.
    Unchanged(ObjectTag),
}

/// How writing under a condition went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectWritten {
    /// It is there.
    Done(ObjectTag),
    /// Probably something else is there. S3 answers in the same way where two requests met
    /// and neither may have won, so the object has to be read for what is there.
    Refused,
}

impl ObjectTag {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Self::told(meta.e_tag.clone())
    }

    /// As a server told it. Ceph RGW before 18 leaves the place empty after an upload in
    /// parts: an empty tag says nothing.
    pub(super) fn told(e_tag: Option<String>) -> Self {
        let is_tag = |tag: &String| !TagForm::Bare.of(tag).is_empty();
        Self {
            e_tag: e_tag.filter(is_tag),
        }
    }

    /// True if both are of one write, or of writes with the same bytes. What has no tag is
    /// not known to be the same as anything.
    pub fn is_same_write(&self, other: &Self) -> bool {
        self.e_tag.is_some() && self == other
    }

    /// False where the server did not say which write it was.
    pub fn is_known(&self) -> bool {
        self.e_tag.is_some()
    }

    fn bare(&self) -> Option<&str> {
        self.e_tag.as_deref().map(|tag| TagForm::Bare.of(tag))
    }
}

impl PartialEq for ObjectTag {
    fn eq(&self, other: &Self) -> bool {
        self.bare() == other.bare()
    }
}

impl Eq for ObjectTag {}

impl fmt::Display for ObjectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.bare().unwrap_or("-"))
    }
}

impl WriteCondition {
    /// True where it is told in another way with quotes than without them.
    pub(super) fn has_forms(&self) -> bool {
        let tag = match self {
            Self::Unchanged(tag) => tag.e_tag.as_deref(),
            Self::Always | Self::Absent => None,
        };
        tag.is_some_and(TagForm::has_both)
    }

    fn mode(&self, form: TagForm) -> PutMode {
        match self {
            Self::Always => PutMode::Overwrite,
            Self::Absent => PutMode::Create,
            Self::Unchanged(ObjectTag { e_tag }) => PutMode::Update(UpdateVersion {
                e_tag: e_tag.as_deref().map(|tag| form.of(tag).to_owned()),
                version: None,
            }),
        }
    }
}

/// A file of which the parts are on their way; nobody sees an object of it yet.
#[derive(Debug)]
pub struct SentObject {
    bucket: Bucket,
    key: ObjectKey,
    upload: WriteMultipart,
}

impl SentObject {
    /// Makes it the object, whatever is there. Gives the tag that it has then, which is not
    /// [known](ObjectTag::is_known) from every server.
    ///
    /// # Errors
    /// When the server does not take it. The object may be there nevertheless.
    pub async fn finish(self) -> Result<ObjectTag, BucketError> {
        self.bucket.count();
        let put = self.upload.finish().await;
        let put = put.map_err(|error| BucketError::of(WRITING, &self.key, &error))?;
        Ok(ObjectTag::told(put.e_tag))
    }

    /// There is to be no object of it.
    pub async fn give_up(self) {
        // What the server keeps of it costs space until it is swept.
        let _ = self.upload.abort().await;
    }
}

impl Bucket {
    /// Writes a small object. Under a condition the request is sent once; again only where
    /// the server refused a condition that holds, and compares tags in the other form.
    ///
    /// # Errors
    /// When the server cannot be asked, or says that it failed. The object may have been
    /// written nevertheless: whoever has to know reads it.
    pub async fn put(
        &self,
        key: &ObjectKey,
        bytes: impl Into<Bytes>,
        condition: WriteCondition,
    ) -> Result<ObjectWritten, BucketError> {
        let payload = PutPayload::from_bytes(bytes.into());
        let mut form = self.tags.form();
        let mut put = self.put_as(key, &payload, &condition, form).await?;
        if let Err(error) = &put
            && let Some(other) = self.form_instead(key, &condition, error, form).await
        {
            form = other;
            put = self.put_as(key, &payload, &condition, form).await?;
        }
        match put {
            Ok(put) => {
                if condition.has_forms() {
                    self.tags.prove(form);
                }
                Ok(ObjectWritten::Done(ObjectTag::told(put.e_tag)))
            }
            Err(error) if is_refusal(&error, &condition) => Ok(ObjectWritten::Refused),
            Err(error) => Err(BucketError::of(WRITING, key, &error)),
        }
    }

    /// One request, with a tag in this form. What the server answered is inside.
    pub(super) async fn put_as(
        &self,
        key: &ObjectKey,
        payload: &PutPayload,
        condition: &WriteCondition,
        form: TagForm,
    ) -> Result<object_store::Result<PutResult>, BucketError> {
        let store = match condition {
            WriteCondition::Always => &self.patient,
            WriteCondition::Absent | WriteCondition::Unchanged(_) => &self.once,
        };
        let options = PutOptions::from(condition.mode(form));
        let path = self.path(key);
        let put = async { Ok(store.put_opts(&path, payload.clone(), options).await) };
        let put = self.within(WRITING, key, put).await?;
        if put.as_ref().is_ok_and(|put| put.version.is_some()) {
            self.has_versions.store(true, Ordering::Relaxed);
        }
        Ok(put)
    }

    /// The form to send a condition in again that holds and was refused in this one. What
    /// cannot be found out soon was refused: nothing was written. So was what had been proven
    /// in this form, but then it is proven no longer.
    async fn form_instead(
        &self,
        key: &ObjectKey,
        condition: &WriteCondition,
        error: &object_store::Error,
        sent: TagForm,
    ) -> Option<TagForm> {
        let WriteCondition::Unchanged(tag) = condition else {
            return None;
        };
        let is_refused = matches!(error, object_store::Error::Precondition { .. });
        if !condition.has_forms() || !is_refused {
            return None;
        }
        let look = async {
            let found = self.head(key).await.ok().flatten()?;
            if !found.tag.is_same_write(tag) {
                return None;
            }
            match self.tags.proven() {
                Some(form) if form == sent => {
                    self.tags.forget();
                    None
                }
                // Another write has proven it since this one was sent.
                Some(form) => Some(form),
                None => self.compares_bare().await.then_some(TagForm::Bare),
            }
        };
        let look = tokio::time::timeout(LOOK.min(self.patience), look).await;
        look.unwrap_or(None)
    }

    /// Writes a file as an object, in parts, and whatever is there. Readers see the whole
    /// object or none of it. `sent` is told of the bytes of each part.
    ///
    /// # Errors
    /// When the file cannot be read, or the server does not take it. What was sent of it is
    /// given up, unless the answer to the last request was lost: then the object may be
    /// there.
    pub async fn upload(
        &self,
        key: &ObjectKey,
        file: &Path,
        sent: impl Fn(u64),
    ) -> Result<(), BucketError> {
        self.send(key, file, None, sent).await?.finish().await?;
        Ok(())
    }

    /// The same for a file that has to have this digest, up to the last request: the object
    /// is there after [`SentObject::finish`].
    ///
    /// # Errors
    /// As [`upload`](Self::upload), and where the file has another digest.
    pub async fn upload_checked(
        &self,
        key: &ObjectKey,
        file: &Path,
        sha256: Sha256,
        sent: impl Fn(u64),
    ) -> Result<SentObject, BucketError> {
        self.send(key, file, Some(sha256), sent).await
    }

    async fn send(
        &self,
        key: &ObjectKey,
        file: &Path,
        sha256: Option<Sha256>,
        sent: impl Fn(u64),
    ) -> Result<SentObject, BucketError> {
        let unreadable = |source| BucketError::File {
            path: file.to_owned(),
            source,
        };
        let failed = |error| BucketError::of(WRITING, key, &error);
        let mut source = tokio::fs::File::open(file).await.map_err(unreadable)?;
        let path = self.path(key);
        let begun = self.within(WRITING, key, async {
            self.heavy.put_multipart(&path).await.map_err(failed)
        });
        let mut upload = WriteMultipart::new_with_chunk_size(begun.await?, PART);
        let ended = async {
            let mut digest = sha256.map(|expected| (expected, sha2::Sha256::new()));
            loop {
                let mut piece = Vec::with_capacity(PART);
                let read = (&mut source)
                    .take(PART as u64)
                    .read_to_end(&mut piece)
                    .await;
                let length = read.map_err(unreadable)? as u64;
                if length == 0 {
                    return match digest {
                        Some((expected, digest)) => expect(file, expected, digest),
                        None => Ok(()),
                    };
                }
                if let Some((_, digest)) = &mut digest {
                    digest.update(&piece);
                }
                upload
                    .wait_for_capacity(PARTS_AT_ONCE)
                    .await
                    .map_err(failed)?;
                self.count();
                upload.put(piece.into());
                sent(length);
            }
        }
        .await;
        let sent = SentObject {
            bucket: self.clone(),
            key: key.clone(),
            upload,
        };
        match ended {
            Ok(()) => Ok(sent),
            Err(error) => {
                sent.give_up().await;
                Err(error)
            }
        }
    }

    /// Removes an object. That there is none is fine.
    ///
    /// # Errors
    /// When the server cannot be asked, or does not want to.
    pub async fn remove(&self, key: &ObjectKey) -> Result<(), BucketError> {
        let path = self.path(key);
        self.within("removing", key, async {
            match self.patient.delete(&path).await {
                Ok(()) => Ok(()),
                Err(error @ object_store::Error::NotFound { .. })
                    if BucketAnswer::of(&error).is_no_object() =>
                {
                    Ok(())
                }
                Err(error) => Err(BucketError::of("removing", key, &error)),
            }
        })
        .await
    }
}

/// A file has the digest that it should have.
fn expect(file: &Path, expected: Sha256, digest: sha2::Sha256) -> Result<(), BucketError> {
    let found = Sha256::from_bytes(digest.finalize().into());
    match found == expected {
        true => Ok(()),
        false => Err(BucketError::Differs {
            path: file.to_owned(),
            expected,
            found,
        }),
    }
}

/// True where the condition did not hold, or the server does not say.
pub(super) fn is_refusal(error: &object_store::Error, asked: &WriteCondition) -> bool {
    use object_store::Error;
    match (asked, error) {
        (WriteCondition::Always, _) => false,
        _ if BucketAnswer::of(error).is_no_bucket() => false,
        (
            _,
            Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. },
        ) => true,
        // An object that had to be unchanged and is not there at all has changed.
        (WriteCondition::Unchanged(_), Error::NotFound { .. }) => {
            BucketAnswer::of(error).is_no_object()
        }
        _ => false,
    }
}
