//! The only place that runs processes.
//!
//! A command is a list of words and never a shell line. Its output is bounded,
//! it may stand still only so long, and it cannot outlive whoever asked for it:
//! dropping the future kills the whole process group (rsync and the ssh that it
//! started). The group also keeps a Ctrl-C at the terminal away from children,
//! so that cancelling is decided in one place; the price is that nothing run
//! here can ask for a password at the terminal.

mod error;
mod input;
mod run;
mod tail;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

pub(crate) use error::ProgramError;
pub(crate) use input::InputPiece;
pub(crate) use run::ProgramOutput;

pub(crate) use tail::printable;

/// A program with its words, what it reads, and how long it may take.
#[derive(Debug)]
pub(crate) struct Program {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    without_env: Vec<OsString>,
    input: Input,
    idle: Option<Duration>,
    total: Option<Duration>,
    stdout_limit: usize,
}

/// What a process reads.
#[derive(Debug)]
enum Input {
    Nothing,
    Bytes(Bytes),
    Pieces(mpsc::Receiver<InputPiece>),
}

impl Program {
    /// A program without arguments, input or time limits; at most 1 MiB of its
    /// output is accepted.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            without_env: Vec::new(),
            input: Input::Nothing,
            idle: None,
            total: None,
            stdout_limit: 1024 * 1024,
        }
    }

    /// Adds a word.
    #[must_use]
    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.args.push(word.as_ref().to_owned());
        self
    }

    /// Adds words.
    #[must_use]
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, words: I) -> Self {
        self.args
            .extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Sets a variable in the environment, which is inherited otherwise.
    #[must_use]
    pub(crate) fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Leaves a variable out of the environment that it inherits.
    #[must_use]
    pub(crate) fn without_env(mut self, key: impl AsRef<OsStr>) -> Self {
        self.without_env.push(key.as_ref().to_owned());
        self
    }

    /// Gives it something to read; without this it reads nothing.
    #[must_use]
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(Bytes::from(bytes.into()));
        self
    }

    /// Gives it pieces to read as they come; its input ends with the sender.
    #[must_use]
    pub(crate) fn feed(mut self, pieces: mpsc::Receiver<InputPiece>) -> Self {
        self.input = Input::Pieces(pieces);
        self
    }

    /// Kills it once it has neither read nor written for this long.
    #[must_use]
    pub(crate) fn idle(mut self, limit: Duration) -> Self {
        self.idle = Some(limit);
        self
    }

    /// Kills it once it has run for this long.
    #[must_use]
    pub(crate) fn total(mut self, limit: Duration) -> Self {
        self.total = Some(limit);
        self
    }

    /// Accepts at most this many bytes of output.
    #[must_use]
    pub(crate) fn stdout_limit(mut self, bytes: usize) -> Self {
        self.stdout_limit = bytes;
        self
    }
}
