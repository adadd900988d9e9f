//! Whether a server compares entity tags without their quotes.
//!
//! A server that ignores such a tag would write whatever is there, so no object of anybody
//! is written under one before the server has refused an old tag on an object of a probe.

use object_store::PutPayload;

use super::probe::ProbeKeys;
use super::tags::TagForm;
use super::write::{WRITING, is_refusal};
use super::{Bucket, BucketError, ObjectKey, ObjectTag, WriteCondition};

impl Bucket {
    /// True where the server takes a tag without quotes that is right, and refuses an old
    /// one. Whatever else came of it is tried again by the next who asks: another release
    /// may answer by then.
    pub(super) async fn compares_bare(&self) -> bool {
        let bucket = self.clone();
        // Goes on where nobody waits for it any more, so that its object is removed.
        let tried = tokio::spawn(async move {
            let trial = bucket.tags.compares_bare();
            let tried = trial.get_or_try_init(|| async {
                let key = ProbeKeys::new(bucket.probes).next();
                let tried = bucket.tries_bare(&key).await;
                // What stays is removed by a later probe.
                let _ = bucket.remove(&key).await;
                let reason = match tried {
                    Ok(true) => return Ok(()),
                    Ok(false) => "they are not compared".to_owned(),
                    Err(error) => match error.answer() {
                        Some(answer) => format!("{error}: {answer}"),
                        None => error.to_string(),
                    },
                };
                tracing::warn!(
                    reason,
                    "{} refuses a conditional write although the condition holds, and entity \
                     tags without quotes cannot be used either",
                    bucket.name()
                );
                Err(())
            });
            tried.await.is_ok()
        });
        tried.await.unwrap_or(false)
    }

    async fn tries_bare(&self, key: &ObjectKey) -> Result<bool, BucketError> {
        let put = async |text: &'static str, condition: &WriteCondition| {
            let text = PutPayload::from_static(text.as_bytes());
            match self.put_as(key, &text, condition, TagForm::Bare).await? {
                Ok(put) => Ok(Some(ObjectTag::told(put.e_tag))),
                Err(error) if is_refusal(&error, condition) => Ok(None),
                Err(error) => Err(BucketError::of(WRITING, key, &error)),
            }
        };
        let Some(tag) = put("one", &WriteCondition::Always).await? else {
            return Ok(false);
        };
        let unchanged = WriteCondition::Unchanged(tag);
        let is_right_taken = put("two", &unchanged).await?.is_some();
        if !is_right_taken || put("three", &unchanged).await?.is_some() {
            return Ok(false);
        }
        let found = self.get(key).await?;
        Ok(found.is_some_and(|found| found.bytes == "two"))
    }
}
