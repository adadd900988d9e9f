//! What the end of a run means, to the loop and to whoever waits for it.

use std::time::Duration;

use jiff::Timestamp;

use crate::conclude::{Condition, ConditionState, Reason, Status, Verdict};
use crate::daemon::{NextRun, RunResult};

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
        // The git server is asked again anyway, and a run follows where it has something.
        let waits_for_source = |status: &Status| {
            let is_unavailable =
                |condition: &Condition| condition.reason == Some(Reason::SourceUnavailable);
            let mut conditions = status.conditions.iter();
            status.conditions.iter().any(is_unavailable)
                && conditions
                    .all(|condition| condition.state.is_fine() || is_unavailable(condition))
        };
        let next = match verdict {
            Verdict::Retry if after.is_none() && waits_for_source(&status) => NextRun::Scheduled,
            Verdict::Retry | Verdict::Failed => NextRun::Retry { after },
            // An operator has to act for something; the rest is tried again meanwhile.
            Verdict::Stalled if after.is_some() => NextRun::Retry { after },
            Verdict::Converged | Verdict::Stalled => NextRun::Scheduled,
        };
        let total = status.conditions.len();
        let conditions = status.conditions.iter();
        let ready = conditions.filter(|condition| condition.state == ConditionState::Ready);
        let line = match ready.count() {
            count if count == total && status.blocked.is_empty() => {
                format!("{total} of {total} ready")
            }
            count => format!("{count} of {total} ready, {} blocked", status.blocked.len()),
        };
        Self {
            end: RunResult {
                converged: *verdict == Verdict::Converged,
                next,
                due: status.next_due(),
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
                due: None,
                line: why,
            },
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_tried_again_is_also_where_an_operator_has_to_act() {
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
