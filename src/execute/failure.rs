//! From the errors of the places to the failure of a step.

use crate::cache::CacheError;
use crate::error::chain;
use crate::facts::{Failure, FailureKind, Outcome};
use crate::io::flow::StagingError;
use crate::nodes::NodeError;
use crate::upstream::UpstreamError;

/// Each room's error knows whether a retry may help, and a hint for the user.
macro_rules! failures {
    ($($error:ty)+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(&error, error.is_transient(), error.hint())
            }
        }
    )+};
}
failures!(UpstreamError CacheError NodeError);

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed { failure }
    }
}

/// A step that ends with the leadership has not failed: it waits for nothing, and the next
/// leader plans it again.
impl From<NodeError> for Outcome {
    fn from(error: NodeError) -> Self {
        match error.is_leadership_lost() {
            true => Self::Cancelled,
            false => Failure::from(error).into(),
        }
    }
}

impl Failure {
    /// Flattens an error with its causes.
    pub fn new(
        error: &(dyn std::error::Error + 'static),
        transient: bool,
        hint: Option<impl Into<String>>,
    ) -> Self {
        Self {
            error: chain(error),
            hint: hint.map(Into::into),
            transient,
            kind: FailureKind::of(error),
        }
    }
}

impl FailureKind {
    /// The first error of the chain that says something decides.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source());
        chain.into_iter().find_map(kind_of).unwrap_or(Self::Other)
    }
}

fn kind_of(error: &(dyn std::error::Error + 'static)) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<NodeError>() {
        if error.is_permission() {
            return Some(FailureKind::PermissionDenied);
        }
        return match error {
            NodeError::Unreachable { .. } | NodeError::CutShort { .. } => {
                Some(FailureKind::Unreachable)
            }
            NodeError::NoSpace { .. } => Some(FailureKind::NoSpace),
            NodeError::DigestDiffers { .. } => Some(FailureKind::WrongBytes),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<UpstreamError>() {
        return match error {
            // What the sink said is the cause.
            UpstreamError::Sink { .. } => None,
            UpstreamError::GaveUp { source, .. } => kind_of(&**source),
            UpstreamError::Status { status: 429, .. } => Some(FailureKind::RateLimited),
            UpstreamError::Status {
                status: 401 | 403, ..
            } => Some(FailureKind::PermissionDenied),
            // Another path that is not there is a wrong URL.
            UpstreamError::Status {
                status: 404, url, ..
            } if url.contains("/image/") => Some(FailureKind::NoSuchImage),
            error if error.is_rate_limit() => Some(FailureKind::RateLimited),
            _ => Some(FailureKind::Upstream),
        };
    }
    if let Some(error) = error.downcast_ref::<CacheError>() {
        return match error {
            // It shows itself as its cause and would be missing from the chain.
            CacheError::Staging(error) => kind_of(error),
            CacheError::Foreign { .. } => Some(FailureKind::InTheWay),
            CacheError::Damaged { .. } => Some(FailureKind::WrongBytes),
            _ => None,
        };
    }
    if let Some(StagingError::Digest { .. } | StagingError::WrongContent { .. }) =
        error.downcast_ref()
    {
        return Some(FailureKind::WrongBytes);
    }
    let error = error.downcast_ref::<std::io::Error>()?;
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Some(FailureKind::NoSpace)
        }
        std::io::ErrorKind::PermissionDenied => Some(FailureKind::PermissionDenied),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: impl std::error::Error + 'static) -> FailureKind {
        Failure::new(&error, false, None::<String>).kind
    }

    #[test]
    fn a_step_that_ends_with_the_leadership_has_not_failed() {
        let site: crate::model::SiteName = "prague".parse().unwrap();
        let outranked = NodeError::Outranked {
            node: "pve-01".parse().unwrap(),
            site: site.clone(),
            epoch: crate::model::LeaderEpoch::new(7),
        };
        let not_leading = NodeError::from(crate::nodes::NotLeading { site });
        for error in [outranked, not_leading] {
            assert_eq!(Outcome::from(error), Outcome::Cancelled);
        }
        // A controller that has no fleet has to be told so.
        let of_fleet = NodeError::OfFleet {
            node: "pve-01".parse().unwrap(),
            site: "prague".to_owned(),
        };
        assert!(matches!(Outcome::from(of_fleet), Outcome::Failed { .. }));
    }

    #[test]
    fn a_failure_is_sorted_by_the_first_cause_that_says_something() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let sink = UpstreamError::Sink {
            url: "u".to_owned(),
            source: full(),
        };
        assert_eq!(kind(sink), FailureKind::NoSpace);
        let staging = StagingError::Io {
            doing: "write",
            path: "p".into(),
            source: full(),
        };
        assert_eq!(kind(CacheError::Staging(staging)), FailureKind::NoSpace);
        let limited = UpstreamError::RateLimited {
            url: "u".to_owned(),
            retry_after: None,
        };
        let gave_up = UpstreamError::GaveUp {
            retries: 3,
            source: Box::new(limited),
        };
        assert_eq!(kind(gave_up), FailureKind::RateLimited);
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(kind(refused), FailureKind::PermissionDenied);
        let status = |status| UpstreamError::Status {
            method: "GET",
            url: "http://factory/image/a/v1.11.3/metal-amd64.iso".to_owned(),
            status,
            text: None,
            retry_after: None,
        };
        assert_eq!(kind(status(404)), FailureKind::NoSuchImage);
        assert_eq!(kind(status(403)), FailureKind::PermissionDenied);
        assert_eq!(kind(status(500)), FailureKind::Upstream);
    }
}
