//! What `plan` and `apply` are asked for.

use std::path::PathBuf;

use super::run_args::RunArgs;
use crate::plan::Selection;

/// What a plan is made for, and what of it is shown.
#[derive(Default)]
pub(super) struct PlanShown {
    pub(super) selection: Selection,
    /// Where the plan is saved.
    pub(super) out: Option<PathBuf>,
    pub(super) manifests: ManifestsShown,
}

/// What is shown of the manifests that would change.
#[derive(Default, PartialEq, Eq)]
pub(super) enum ManifestsShown {
    #[default]
    None,
    /// How much each changes.
    Counts,
    Diffs,
}

impl PlanShown {
    pub(super) fn new(selection: Selection, with_manifests: bool, out: Option<PathBuf>) -> Self {
        let manifests = match with_manifests {
            true => ManifestsShown::Diffs,
            false => ManifestsShown::None,
        };
        Self {
            selection,
            out,
            manifests,
        }
    }

    /// The original program's dry run showed the manifests.
    pub(super) fn dry_run(args: &RunArgs) -> Self {
        Self {
            manifests: match args.verbose {
                true => ManifestsShown::Diffs,
                false => ManifestsShown::Counts,
            },
            ..Self::default()
        }
    }
}

/// What `apply` is asked for.
#[derive(Default)]
pub(super) struct ApplyAsked {
    /// A saved plan; it brings its own selection.
    pub(super) file: Option<PathBuf>,
    pub(super) selection: Selection,
    /// Prunes without a question.
    pub(super) yes: bool,
    /// Where the metrics go.
    pub(super) metrics_file: Option<PathBuf>,
}

impl ApplyAsked {
    /// Everything, with or without a question before pruning.
    pub(super) fn all(yes: bool) -> Self {
        Self {
            yes,
            ..Self::default()
        }
    }
}
