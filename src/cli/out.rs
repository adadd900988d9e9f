//! Writing to the two streams.
//!
//! A reader that has gone (`talos-order apply | head`) ends nothing: what was asked
//! for is the work, and the text only tells of it. The `print!` macros would panic.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::forms::DataForm;
use super::safe;

/// Writes text to stdout, its colours as the terminal wants them.
///
/// # Errors
/// When stdout cannot be written, as on a full disk; not when its reader has gone.
pub(super) fn text(text: &str) -> io::Result<()> {
    plain(&safe::terminal(text))
}

/// Writes data that another program may read: as it is, unless a terminal shows it.
///
/// # Errors
/// As [`text`].
pub(super) fn data(data: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        text(data)
    } else {
        bytes(data.as_bytes())
    }
}

fn plain(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    unless_gone(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes a value to stdout as data.
///
/// # Errors
/// As [`text`], and when the value has no such form.
pub(super) fn value(form: DataForm, value: &impl Serialize) -> anyhow::Result<()> {
    match form {
        DataForm::Json => json(value),
        DataForm::Yaml => Ok(data(&serde_yaml::to_string(value)?)?),
    }
}

/// Writes a value to stdout as JSON.
///
/// # Errors
/// As [`text`], and when the value has no form in JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(value)?;
    json.push('\n');
    Ok(plain(&safe::json(&json))?)
}

/// Writes bytes to stdout as they are.
///
/// # Errors
/// As [`text`].
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    unless_gone(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Writes a line to stderr. There is no place to tell of a failure.
pub(super) fn note(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", safe::terminal(line));
}

/// Lines on a terminal that does not tell its width are this wide.
const WIDTH: usize = 80;

/// The columns of the terminal that standard output is, within what can be read well.
/// What another program reads is searched line by line, so nothing is broken there.
pub(super) fn width() -> usize {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return usize::MAX;
    }
    match rustix::termios::tcgetwinsize(&stdout) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col).clamp(40, 160),
        _ => WIDTH,
    }
}

/// A count with its noun: `1 order`, `2 orders`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
