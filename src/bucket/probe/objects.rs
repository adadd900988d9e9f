//! Whether objects are read, listed and removed as they were written.

use futures_util::TryStreamExt;

use super::keys::{ProbeKeys, is_of_probe};
use super::{ProbeFault, refusal};
use crate::bucket::{Bucket, BucketError, ObjectKey, ObjectPrefix, ObjectWritten, WriteCondition};

/// How long the objects of a probe stay that came to no end, by the server's clock.
const LEFTOVER_SECONDS: i64 = 60 * 60;

pub(super) const UNCONDITIONAL: &str = "writing without a condition is refused";
const ABSENT: &str = "what was written is not there";

impl Bucket {
    pub(super) async fn reads_back(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<ProbeFault>, BucketError> {
        let ObjectWritten::Done(tag) = self.put(key, "probe", WriteCondition::Always).await? else {
            return Ok(Some(ProbeFault::not_done(UNCONDITIONAL)));
        };
        Ok(match self.get(key).await? {
            Some(found) if *found.bytes != *b"probe" => {
                Some(ProbeFault::wrong("other bytes are read"))
            }
            Some(found) if found.tag != tag => Some(ProbeFault::Wrong(format!(
                "the entity tag is {tag} when writing and {} when reading",
                found.tag
            ))),
            Some(_) => None,
            None => Some(ProbeFault::not_done(ABSENT)),
        })
    }

    pub(super) async fn reads_from_an_offset(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<ProbeFault>, BucketError> {
        let read = async {
            let Some(reading) = self.read(key, 3).await? else {
                return Ok(None);
            };
            let pieces: Vec<bytes::Bytes> = reading.pieces.try_collect().await?;
            Ok(Some(pieces.concat()))
        };
        Ok(match read.await {
            Ok(Some(bytes)) if bytes == b"be" => None,
            Ok(Some(_)) => Some(ProbeFault::wrong("other bytes are read")),
            Ok(None) => Some(ProbeFault::not_done(ABSENT)),
            Err(error) => Some(refusal(error)?),
        })
    }

    pub(super) async fn lists(
        &self,
        keys: &ProbeKeys,
        key: &ObjectKey,
    ) -> Result<Option<ProbeFault>, BucketError> {
        let all = ObjectPrefix::known(self.probes.to_owned());
        let found = self.list(&all).await?;
        let Some(listed) = found.iter().find(|listed| listed.key == *key) else {
            let wrong = "what was written is not in the list";
            return Ok(Some(ProbeFault::not_done(wrong)));
        };
        let is_old = |modified: jiff::Timestamp| {
            listed.modified.as_second() - modified.as_second() > LEFTOVER_SECONDS
        };
        for old in &found {
            let is_of_other = is_of_probe(self.probes, &old.key) && !keys.is_own(&old.key);
            if is_of_other && is_old(old.modified) {
                // It is in nobody's way.
                let _ = self.remove(&old.key).await;
            }
        }
        Ok((listed.size != 5).then(|| ProbeFault::wrong("the list has another length")))
    }

    pub(super) async fn removes(&self, key: &ObjectKey) -> Result<Option<ProbeFault>, BucketError> {
        self.remove(key).await?;
        let found = self.get(key).await?;
        Ok(found.map(|_| ProbeFault::not_done("what was removed is still there")))
    }

    pub(super) async fn holds(
        &self,
        key: &ObjectKey,
        bytes: &[u8],
    ) -> Result<Option<ProbeFault>, BucketError> {
        Ok(match self.get(key).await? {
            Some(found) if found.bytes == bytes => None,
            Some(_) => Some(ProbeFault::wrong("the object holds what was refused")),
            None => Some(ProbeFault::not_done(ABSENT)),
        })
    }
}
