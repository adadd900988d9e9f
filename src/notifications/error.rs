//! What comes of sending a message.

use std::time::Duration;

/// The receiver has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// What the receiver answered, on one line.
    pub answer: String,
}

/// Why a message did not arrive, or may not have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The client could not be made.
    #[error("cannot prepare the connection: {why}")]
    Setup {
        /// What is wrong.
        why: String,
    },
    /// Nobody was reached.
    #[error("cannot connect to {to}: {why}")]
    Connect {
        /// Where to.
        to: String,
        /// What went wrong.
        why: String,
    },
    /// The connection broke.
    #[error("no answer from {to}: {why}")]
    Transport {
        /// Where to.
        to: String,
        /// What went wrong.
        why: String,
    },
    /// It took too long.
    #[error("no answer from {to} within {}s", after.as_secs_f64())]
    Timeout {
        /// Where to.
        to: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The receiver answered, and does not have it.
    #[error("{to} answered {answer}")]
    Refused {
        /// Who.
        to: String,
        /// The status, and what was said, on one line.
        answer: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// What helps.
        hint: Option<&'static str>,
    },
    /// There is no such message: a sender or a recipient cannot be used.
    #[error("cannot write the mail: {why}")]
    Form {
        /// What is wrong.
        why: String,
    },
}

impl SendError {
    /// How long the receiver asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// A hint for the user.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { hint, .. } => *hint,
            Self::Connect { .. } => Some("check the address, the proxy and the certificates"),
            Self::Timeout { .. } => Some("check that it is reachable, or set a longer `timeout`"),
            Self::Setup { .. } | Self::Transport { .. } | Self::Form { .. } => None,
        }
    }
}
