//! What is written after a run, and told where it cannot be: the run itself is not undone.

use super::{out, style};
use crate::app::{App, StartError};
use crate::conclude::{Report, Status};
use crate::controller::{MetricsFile, Session};
use crate::error::chain;
use crate::facts::Memory;
use crate::reconcile::ReconcileError;

/// Says what could not be written.
pub(super) fn warn(error: &(dyn std::error::Error + 'static), hint: Option<String>) {
    let hint = hint.map(|hint| format!("\n  hint: {hint}"));
    let (warning, hint) = (style::warning("warning:"), hint.unwrap_or_default());
    out::note(&format!("{warning} {}{hint}", chain(error)));
}

/// Writes the metrics of a run; `last` is what it saw, if it could look.
pub(super) fn metrics(
    file: &MetricsFile,
    app: &App,
    status: &Status,
    last: Option<(&Report, &Memory)>,
) {
    if let Err(error) = file.write(status, last, &app.tally().read()) {
        warn(&error, None);
    }
}

/// True if a run failed before planning, and not the question that was asked. Where another
/// run is in progress, the status is that one's.
pub(super) fn is_of_run(error: &anyhow::Error, app: &App) -> bool {
    let failed = error.is::<StartError>() || error.is::<ReconcileError>();
    failed && app.is_locked() != Some(true)
}

/// Keeps that a run failed before planning, so that its metrics say so.
pub(super) fn failure(file: &MetricsFile, app: &App, session: &Session<'_>, error: &anyhow::Error) {
    match session.unable(&chain(error.as_ref())) {
        Ok(status) => metrics(file, app, &status, None),
        Err(error) => warn(&error, error.hint()),
    }
}
