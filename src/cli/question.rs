//! The question before something is pruned from nodes.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::out;
use crate::plan::Plan;
use crate::plan::render::Bytes;

/// How often a question looks whether a signal has come.
const TICK: Duration = Duration::from_millis(100);

/// True if the plan prunes nothing from nodes, nobody is there to be asked, or the
/// answer is yes.
///
/// # Errors
/// When the question cannot be written.
pub(super) fn may_prune(plan: &Plan, stop: &CancellationToken) -> io::Result<bool> {
    let (mut files, mut bytes, mut nodes) = (0, 0, BTreeSet::new());
    for step in &plan.steps {
        if let (Some(size), Some(target)) = (step.action.removes(), step.action.target()) {
            files += 1;
            bytes += size;
            nodes.insert(&target.node);
        }
    }
    if files == 0 || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let mut stderr = anstream::stderr().lock();
    write!(
        stderr,
        "Prune {} ({}) from {}? [y/N] ",
        out::counted(files, "file"),
        Bytes(bytes),
        out::counted(nodes.len(), "node"),
    )?;
    stderr.flush()?;
    drop(stderr);
    let answer = answer(stop);
    if !answer.ends_with('\n') {
        // The cursor is still behind the question.
        out::note("");
    }
    let answer = answer.trim();
    Ok(["y", "yes"]
        .iter()
        .any(|yes| answer.eq_ignore_ascii_case(yes)))
}

/// A line from the terminal; nothing once `stop` is cancelled. A read cannot be ended
/// from outside, so a thread does it, which then goes with the process.
fn answer(stop: &CancellationToken) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        let _ = sender.send(read.map(|_| line).unwrap_or_default());
    });
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(line) => return line,
            Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
            Err(_) => return String::new(),
        }
    }
}
