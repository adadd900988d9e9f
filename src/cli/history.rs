//! `history`: the last runs, what each did and why.

use super::args::Common;
use super::exit::Exit;
use super::forms::OutputForm;
use super::table::one_line;
use super::{out, style};
use crate::app::App;
use crate::conclude::RunRecord;

/// Shows the last runs, the newest last: where the prompt is.
pub(super) fn run(common: &Common, number: usize, output: OutputForm) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let runs = app.readable_state()?.history();
    let shown = &runs[runs.len().saturating_sub(number)..];
    match output.data() {
        Some(form) => out::value(form, &shown)?,
        None if shown.is_empty() => {
            let state = app.state();
            let dir = state.path().display();
            out::note(&format!("no runs recorded in {dir}"));
        }
        None => out::text(&shown.iter().map(text).collect::<String>())?,
    }
    Ok(Exit::Done)
}

/// A run in a line, and each step it did in a line below.
pub(super) fn text(run: &RunRecord) -> String {
    let took = (run.finished.as_millisecond() - run.started.as_millisecond()).max(0);
    let mut head = format!(
        "{:.0}  {:9}  {:8}  {:.1} s",
        run.started,
        run.verdict,
        run.trigger,
        took as f64 / 1000.0
    );
    if let Some(revision) = &run.revision {
        head.push_str(&format!("  {}", short(revision)));
    }
    let mut text = format!("{}\n", style::heading(&head));
    if let Some(error) = &run.error {
        text.push_str(&format!("    {}\n", one_line(error)));
    }
    for step in &run.steps {
        let why = step
            .why
            .as_ref()
            .map(|why| format!("  ({})", one_line(why)));
        let why = why.unwrap_or_default();
        text.push_str(&format!("    {}{why}\n", style::step(step)));
    }
    if run.more_steps > 0 {
        text.push_str(&format!("    … and {} more\n", run.more_steps));
    }
    if run.error.is_none() {
        let blocked = match run.blocked {
            0 => String::new(),
            blocked => format!(", {blocked} blocked"),
        };
        text.push_str(&format!("    {} in sync{blocked}\n", run.in_sync));
    }
    text
}

/// A revision with its commit cut to what people recognise.
fn short(revision: &str) -> String {
    const SHOWN: usize = 12;
    match revision.rsplit_once(':') {
        Some((kind, commit)) => {
            let (commit, mark) = match commit.split_once('-') {
                Some((commit, mark)) => (commit, format!("-{}", one_line(mark))),
                None => (commit, String::new()),
            };
            let commit: String = commit.chars().take(SHOWN).collect();
            format!("{}:{}{mark}", one_line(kind), one_line(&commit))
        }
        None => one_line(revision),
    }
}
