//! What is written after a run, and told where it cannot be: the run itself is not undone.

use super::{out, style};
use crate::app::{App, StartError};
use crate::conclude::{Report, Status};
use crate::controller::{MetricsFile, Notifier, RunError, Session};
use crate::error::chain;
use crate::facts::Memory;
use crate::plan::Notice;
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
    let told = Notifier::new(app).numbers();
    if let Err(error) = file.write(status, last, &app.tally().read(), app.asked().read(), &told) {
        warn(&error, None);
    }
}

/// True if a run failed before planning, and not the question that was asked. Where another
/// run is in progress, the status is that one's.
pub(super) fn is_of_run(error: &anyhow::Error, app: &App) -> bool {
    let failed = error.is::<StartError>() || error.is::<ReconcileError>();
    failed && app.is_locked() != Some(true)
}

/// Tells people that a run failed before planning, and has its metrics say so.
pub(super) async fn failure(
    file: Option<&MetricsFile>,
    app: &App,
    session: &Session<'_>,
    error: &anyhow::Error,
) {
    let why = chain(error.as_ref());
    tell(app, &session.failed(&why), None, false).await;
    let Some(file) = file else { return };
    match session.unable(&why) {
        Ok(status) => metrics(file, app, &status, None),
        Err(error) => warn(&error, error.hint()),
    }
}

/// Tells people how a run left things; it takes seconds at the most.
pub(super) async fn tell(app: &App, status: &Status, notices: Option<&[Notice]>, is_partial: bool) {
    let notifier = Notifier::new(app);
    notifier.run_ended(status, notices, is_partial).await;
    for why in notifier.deliver().await {
        let note = style::warning("note:");
        out::note(&format!(
            "{note} a notification was not delivered and is kept for the next run: {why}"
        ));
    }
}

/// The causes that have hints and exit codes of their own are distinguished above.
pub(super) fn error_of(error: RunError) -> anyhow::Error {
    match error {
        RunError::Start(error) => error.into(),
        RunError::Reconcile(error) => error.into(),
        RunError::Show(error) => error.into(),
        error @ RunError::Stopped => error.into(),
    }
}
