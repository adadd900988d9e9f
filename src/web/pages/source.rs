//! Where the orders are from, where the controller fetches them itself.

use askama::filters::Safe;

use super::frame::Visit;
use super::text::{Moment, moment};
use crate::conclude::{SourceLine, SourceState};

/// The commit in effect, for a template.
pub(super) struct SourceView<'a> {
    pub url: &'a str,
    pub reference: &'a str,
    /// The first digits of the commit, with all of them.
    pub commit: Option<(&'a str, &'a str)>,
    pub subject: &'a str,
    pub author: &'a str,
    pub date: Option<Safe<Moment>>,
    pub signer: Option<&'a str>,
    pub checked: Option<Safe<Moment>>,
    /// Why a newer one is not in effect.
    pub trouble: Option<String>,
    /// The class of the notice that says so.
    pub class: &'static str,
}

impl<'a> SourceView<'a> {
    pub(super) fn of(visit: &Visit<'a>) -> Option<Self> {
        let source: &SourceLine = visit.view.status.source.as_ref()?;
        let commit = source.commit.as_deref();
        let trouble = match source.state {
            SourceState::Ok => None,
            SourceState::Rejected | SourceState::Unavailable => {
                let why = source
                    .message
                    .as_deref()
                    .unwrap_or("the reason is not known");
                let hint = source.hint.as_deref().map(|hint| format!("; {hint}"));
                Some(format!("{why}{}", hint.unwrap_or_default()))
            }
        };
        Some(Self {
            url: &source.url,
            reference: &source.reference,
            commit: commit.map(|commit| (commit.get(..12).unwrap_or(commit), commit)),
            subject: source.subject.as_deref().unwrap_or_default(),
            author: source.author.as_deref().unwrap_or_default(),
            date: source.date.map(|at| moment(at, visit.now)),
            signer: source.signer.as_deref(),
            checked: source.checked_at.map(|at| moment(at, visit.now)),
            trouble,
            class: match source.state {
                SourceState::Rejected => "bad",
                SourceState::Ok | SourceState::Unavailable => "blocked",
            },
        })
    }
}
