//! `events`: the steps as they end and what operators did, and what comes.

use std::io::{self, Write};

use super::args::Common;
use super::exit::Exit;
use super::following::AGAIN;
use super::forms::{DataForm, OutputForm};
use super::{signal, style};
use crate::app::App;
use crate::conclude::EventRecord;

/// So many of the past are shown before the new ones.
const PAST: usize = 100;

/// Shows the last steps, and with `watch` those that come.
pub(super) async fn run(common: &Common, watch: bool, output: OutputForm) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let mut reader = app.readable_state()?.events();
    let past = reader.read()?;
    let shown = &past[past.len().saturating_sub(PAST)..];
    if write(shown, output)?.is_gone() || !watch {
        return Ok(Exit::Done);
    }
    let stop = signal::stop_on_signal()?;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(Exit::Done),
            () = tokio::time::sleep(AGAIN) => {}
        }
        if write(&reader.read()?, output)?.is_gone() {
            return Ok(Exit::Done);
        }
    }
}

/// Whether anyone reads what is written.
#[derive(PartialEq, Eq)]
enum StdoutReader {
    There,
    Gone,
}

impl StdoutReader {
    fn is_gone(&self) -> bool {
        *self == Self::Gone
    }
}

fn write(events: &[EventRecord], output: OutputForm) -> io::Result<StdoutReader> {
    let mut out = anstream::stdout().lock();
    let mut write = || {
        for event in events {
            match output.data() {
                Some(DataForm::Json) => writeln!(out, "{}", serde_json::to_string(event)?)?,
                Some(DataForm::Yaml) => {
                    let text = serde_yaml::to_string(event).map_err(io::Error::other)?;
                    write!(out, "---\n{text}")?;
                }
                None => writeln!(out, "{}", line(event))?,
            }
        }
        out.flush()
    };
    match write() {
        Ok(()) => Ok(StdoutReader::There),
        // `events -w | head` ends like this.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(StdoutReader::Gone),
        Err(error) => Err(error),
    }
}

pub(super) fn line(event: &EventRecord) -> String {
    let (at, text) = match event {
        EventRecord::Step(step) => (step.at, style::step(step)),
        EventRecord::Action(action) => (Some(action.at), action.to_string()),
    };
    let at = at.map(|at| format!("{at:.0}  ")).unwrap_or_default();
    format!("{at}{text}")
}
