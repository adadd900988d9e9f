//! Whether the conditions of writes hold.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;

use super::keys::ProbeKeys;
use super::objects::UNCONDITIONAL;
use super::{ProbeFault, refusal};
use crate::bucket::{Bucket, BucketError, ObjectKey, ObjectWritten, WriteCondition};

/// Writers that meet.
const WRITERS: usize = 8;

/// How often they meet, where no answer says that one of them has won.
const MEETINGS: usize = 3;

impl Bucket {
    pub(super) async fn creates(&self, key: &ObjectKey) -> Result<Option<ProbeFault>, BucketError> {
        match self.put(key, "one", WriteCondition::Absent).await {
            Ok(ObjectWritten::Done(_)) => {}
            Ok(ObjectWritten::Refused) => return Ok(Some(ProbeFault::not_done("it is refused"))),
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        match self.put(key, "two", WriteCondition::Absent).await {
            Ok(ObjectWritten::Refused) => {}
            Ok(ObjectWritten::Done(_)) => {
                return Ok(Some(ProbeFault::wrong("the condition is ignored")));
            }
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        if let Some(wrong) = self.holds(key, b"one").await? {
            return Ok(Some(wrong));
        }
        // Where versions are suspended, a mark of the removal may count as an object.
        self.remove(key).await?;
        match self.put(key, "three", WriteCondition::Absent).await {
            Ok(ObjectWritten::Done(_)) => self.holds(key, b"three").await,
            Ok(ObjectWritten::Refused) => {
                self.has_versions.store(true, Ordering::Relaxed);
                Ok(Some(ProbeFault::wrong("what was removed counts as there")))
            }
            Err(error) => Ok(Some(refusal(error)?)),
        }
    }

    pub(super) async fn swaps(
        &self,
        key: &ObjectKey,
        absent: &ObjectKey,
    ) -> Result<Option<ProbeFault>, BucketError> {
        let ObjectWritten::Done(first) = self.put(key, "one", WriteCondition::Always).await? else {
            return Ok(Some(ProbeFault::not_done(UNCONDITIONAL)));
        };
        match self
            .put(key, "two", WriteCondition::Unchanged(first.clone()))
            .await
        {
            Ok(ObjectWritten::Done(_)) => {}
            Ok(ObjectWritten::Refused) => return Ok(Some(ProbeFault::not_done("it is refused"))),
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        if let Some(wrong) = self.holds(key, b"two").await? {
            return Ok(Some(wrong));
        }
        let old = WriteCondition::Unchanged(first.clone());
        match self.put(key, "three", old).await {
            Ok(ObjectWritten::Refused) => {}
            Ok(ObjectWritten::Done(_)) => {
                return Ok(Some(ProbeFault::wrong("the condition is ignored")));
            }
            Err(error) => return Ok(Some(refusal(error)?)),
        }
        if let Some(wrong) = self.holds(key, b"two").await? {
            return Ok(Some(wrong));
        }
        let written = self
            .put(absent, "one", WriteCondition::Unchanged(first))
            .await;
        let is_there = self.get(absent).await?.is_some();
        Ok(match written {
            _ if is_there => Some(ProbeFault::wrong(
                "an object that is not there counts as unchanged",
            )),
            Ok(ObjectWritten::Done(_)) => Some(ProbeFault::wrong("it is confirmed and not done")),
            Ok(ObjectWritten::Refused) => None,
            Err(error) => Some(refusal(error)?),
        })
    }

    pub(super) async fn has_one_winner(
        &self,
        keys: &mut ProbeKeys,
    ) -> Result<Option<ProbeFault>, BucketError> {
        for is_there in [false, true] {
            if let Some(wrong) = self.meet(keys, is_there).await? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    /// Several create one object at once, or replace it where it is there. One of them has
    /// to win, and its bytes have to be there.
    async fn meet(
        &self,
        keys: &mut ProbeKeys,
        is_there: bool,
    ) -> Result<Option<ProbeFault>, BucketError> {
        let mut refused = String::new();
        for _ in 0..MEETINGS {
            let key = keys.next();
            let condition = match is_there {
                false => WriteCondition::Absent,
                true => match self.put(&key, "before", WriteCondition::Always).await? {
                    ObjectWritten::Done(tag) => WriteCondition::Unchanged(tag),
                    ObjectWritten::Refused => WriteCondition::Absent,
                },
            };
            let writers = (0..WRITERS).map(|number| {
                let (key, condition) = (&key, condition.clone());
                async move { self.put(key, format!("writer {number}"), condition).await }
            });
            let ended = join_all(writers).await;
            let has_won = |one: &Result<ObjectWritten, BucketError>| {
                matches!(one, Ok(ObjectWritten::Done(_)))
            };
            let winners = ended.iter().filter(|one| has_won(one)).count();
            match ended.iter().position(has_won) {
                Some(number) if winners == 1 => {
                    return self
                        .holds(&key, format!("writer {number}").as_bytes())
                        .await;
                }
                Some(_) => {
                    return Ok(Some(ProbeFault::Wrong(format!(
                        "{winners} of {WRITERS} writers won"
                    ))));
                }
                // Answers were lost, or they met and gave way to each other.
                None => {
                    let error = ended.into_iter().find_map(Result::err);
                    refused = error.map_or_else(String::new, |error| format!(": {error}"));
                }
            }
        }
        Ok(Some(ProbeFault::NotDone(format!(
            "none of {WRITERS} writers won{refused}"
        ))))
    }
}
