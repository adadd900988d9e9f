//! What a run means to the loop, and what the loop's causes mean to the record: the one
//! place that knows the words of both.

use std::time::Duration;

use jiff::Timestamp;

use crate::conclude::{Cause, ConditionState, Status, Verdict};
use crate::daemon::{NextRun, RunResult, WakeCause, WakeCauses};

/// What the end of a run means, to the loop and to whoever waits.
pub(super) struct RunEnd {
    pub end: RunResult,
    pub status: Option<Status>,
}

impl RunEnd {
    /// `next` is when something that failed can be tried again.
    pub(super) fn of(
        verdict: &Verdict,
        status: Status,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let after = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        let next = match verdict {
            Verdict::Retry | Verdict::Failed => NextRun::Retry { after },
            // An operator has to act for something; the rest is tried again meanwhile.
            Verdict::Stalled if after.is_some() => NextRun::Retry { after },
            Verdict::Converged | Verdict::Stalled => NextRun::Scheduled,
        };
        let total = status.conditions.len();
        let conditions = status.conditions.iter();
        let ready = conditions.filter(|condition| condition.state == ConditionState::Ready);
        let line = match ready.count() {
            count if count == total && status.held.is_empty() => {
                format!("{total} of {total} ready")
            }
            count => format!("{count} of {total} ready, {} blocked", status.held.len()),
        };
        Self {
            end: RunResult {
                converged: *verdict == Verdict::Converged,
                next,
                line,
            },
            status: Some(status),
        }
    }

    /// There was no run, or what came of it could not be kept.
    pub(super) fn failed(why: String, status: Option<Status>) -> Self {
        Self {
            end: RunResult {
                converged: false,
                next: NextRun::Retry { after: None },
                line: why,
            },
            status,
        }
    }
}

/// Of several causes the one that a user would name.
pub(super) fn cause(causes: WakeCauses) -> Cause {
    let ranked = [
        (WakeCause::Request, Cause::Request),
        (WakeCause::Orders, Cause::Change),
        (WakeCause::Reload, Cause::Reload),
        (WakeCause::Start, Cause::Start),
        (WakeCause::Retry, Cause::Retry),
    ];
    let named = ranked
        .into_iter()
        .find(|(called, _)| causes.contains(*called));
    named.map_or(Cause::Schedule, |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_causes_the_one_that_a_person_would_name_is_recorded() {
        let both = |one, other| cause(WakeCauses::from(one).with(other));
        assert_eq!(both(WakeCause::Schedule, WakeCause::Orders), Cause::Change);
        assert_eq!(both(WakeCause::Orders, WakeCause::Request), Cause::Request);
        assert_eq!(both(WakeCause::Retry, WakeCause::Start), Cause::Start);
        assert_eq!(
            both(WakeCause::Versions, WakeCause::Verify),
            Cause::Schedule
        );
    }

    #[test]
    fn what_can_be_tried_again_is_also_where_a_person_has_to_act() {
        let now = Timestamp::UNIX_EPOCH;
        let of = |verdict, wait: Option<u64>| {
            let next = wait.map(|wait| now + Duration::from_secs(wait));
            let RunEnd { end, .. } = RunEnd::of(&verdict, Status::default(), next, now);
            assert_eq!(end.line, "0 of 0 ready");
            (end.converged, end.next)
        };
        let retry = |after: Option<u64>| NextRun::Retry {
            after: after.map(Duration::from_secs),
        };
        assert_eq!(of(Verdict::Converged, Some(9)), (true, NextRun::Scheduled));
        assert_eq!(of(Verdict::Retry, None), (false, retry(None)));
        assert_eq!(of(Verdict::Retry, Some(9)), (false, retry(Some(9))));
        assert_eq!(of(Verdict::Stalled, Some(9)), (false, retry(Some(9))));
        assert_eq!(of(Verdict::Stalled, None), (false, NextRun::Scheduled));
    }
}
