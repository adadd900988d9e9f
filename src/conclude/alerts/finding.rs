//! What is looked at after a run, and what is found of each thing.

use super::alert::Alert;
use crate::conclude::Status;
use crate::model::Network;
use crate::plan::Notice;

/// What a run left.
#[derive(Debug, Clone, Copy)]
pub struct RunView<'a> {
    /// The status after it.
    pub status: &'a Status,
    /// What its plan had to say of clusters; `None` if there was no plan.
    pub notices: Option<&'a [Notice]>,
    /// What it did cannot be saved; the status says why, and is otherwise of an earlier run.
    pub is_unsaved: bool,
    /// It was stopped, or for some orders or nodes only.
    pub is_partial: bool,
    /// Which node belongs to which site.
    pub network: &'a Network,
}

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is not as it should be.
    Firing(Box<Alert>),
    /// It is as it should be, or is left alone on request; how it is now.
    Fine(String),
    /// Something else that is firing says it, too.
    Covered,
    /// The run could not tell.
    Unknown,
}
