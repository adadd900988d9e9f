//! The steps as they end, and what operators do: `events.jsonl`, one line each, to be
//! followed.
//!
//! Lines are appended; a file that has grown large becomes `events.1.jsonl` and a
//! new one begins, so two files is all it ever takes. A follower looks again now and
//! then rather than being told: the file may be on any file system, and a second is
//! soon enough for the user.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{StateDir, StateError};
use crate::conclude::EventRecord;
use crate::io::file::{input, make_way};

const EVENTS: &str = "events.jsonl";
const OLDER: &str = "events.1.jsonl";

/// When a new file begins, in bytes: about ten thousand steps.
const BYTES_MAX: u64 = 2 << 20;

/// A follower takes in so much at once, in bytes.
const CHUNK: u64 = 1 << 20;

impl StateDir {
    /// Adds events.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add_events(&self, events: &[EventRecord]) -> Result<(), StateError> {
        if events.is_empty() {
            return Ok(());
        }
        self.make()?;
        let path = self.file(EVENTS);
        let failed = |source: io::Error| StateError::io("write", &path, source);
        // Writing to a pipe may wait for ever, and a link may lead anywhere.
        make_way(&path).map_err(failed)?;
        if std::fs::metadata(&path).is_ok_and(|file| file.len() >= BYTES_MAX) {
            std::fs::rename(&path, self.file(OLDER)).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .map_err(failed)?;
        let mut text = Vec::new();
        if ends_torn(&mut file).map_err(failed)? {
            text.push(b'\n');
        }
        for event in events {
            serde_json::to_writer(&mut text, event).map_err(|error| failed(error.into()))?;
            text.push(b'\n');
        }
        // In one write, so that lines of two processes do not mix.
        file.write_all(&text).map_err(failed)
    }

    /// A reader of the events, from the oldest that is kept.
    pub(crate) fn events(&self) -> EventReader {
        EventReader {
            older: Some(self.file(OLDER)),
            path: self.file(EVENTS),
            file: None,
            torn: Vec::new(),
        }
    }
}

/// True if a crash cut the last line.
fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}

/// Reads events in the order they happened, and goes on where it stopped.
#[derive(Debug)]
pub(crate) struct EventReader {
    older: Option<PathBuf>,
    path: PathBuf,
    file: Option<File>,
    /// The begin of a line whose end is not there yet.
    torn: Vec<u8>,
}

impl EventReader {
    /// The events that have come since the last call; empty if there are none.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub(crate) fn read(&mut self) -> Result<Vec<EventRecord>, StateError> {
        let mut events = Vec::new();
        self.read_into(&mut events)
            .map_err(|source| StateError::io("read", &self.path, source))?;
        Ok(events)
    }

    fn read_into(&mut self, events: &mut Vec<EventRecord>) -> io::Result<()> {
        if let Some(older) = self.older.take() {
            self.file = open(&older)?;
        }
        loop {
            if let Some(file) = &mut self.file {
                while take_chunk(file, &mut self.torn, events)? > 0 {}
            }
            // To the end of this one; a file of another inode has taken its place.
            let next = open(&self.path)?;
            match (&self.file, next) {
                (_, None) => return Ok(()),
                (Some(file), Some(next)) if file.metadata()?.ino() == next.metadata()?.ino() => {
                    return Ok(());
                }
                (_, Some(next)) => {
                    self.file = Some(next);
                    self.torn.clear();
                }
            }
        }
    }
}

fn open(path: &std::path::Path) -> io::Result<Option<File>> {
    match input::open_file(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads on, and returns how many bytes came; whole lines become events.
fn take_chunk(
    file: &mut File,
    torn: &mut Vec<u8>,
    events: &mut Vec<EventRecord>,
) -> io::Result<usize> {
    let count = Read::by_ref(file).take(CHUNK).read_to_end(torn)?;
    let Some(end) = torn.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(count);
    };
    let rest = torn.split_off(end + 1);
    let lines = torn.split(|byte| *byte == b'\n');
    events.extend(lines.filter_map(|line| serde_json::from_slice(line).ok()));
    *torn = rest;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conclude::{ActionRecord, OperatorAction, StepRecord};
    use crate::facts::Outcome;
    use crate::facts::StepId;

    fn step(name: &str) -> EventRecord {
        let step = StepId::fetch(&name.parse().unwrap());
        EventRecord::Step(StepRecord::new(None, &step, None, &Outcome::Cancelled))
    }

    #[test]
    fn a_follower_sees_every_step_once_over_rotations_and_torn_lines() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        let mut reader = state.events();
        assert_eq!(reader.read().unwrap(), []);
        state.add_events(&[step("a"), step("b")]).unwrap();
        assert_eq!(reader.read().unwrap(), [step("a"), step("b")]);
        assert_eq!(reader.read().unwrap(), []);

        // A line that comes in two parts.
        let line = serde_json::to_vec(&step("c")).unwrap();
        let mut file = OpenOptions::new()
            .append(true)
            .open(state.file(EVENTS))
            .unwrap();
        file.write_all(&line[..5]).unwrap();
        assert_eq!(reader.read().unwrap(), []);
        file.write_all(&line[5..]).unwrap();
        file.write_all(b"\n").unwrap();
        assert_eq!(reader.read().unwrap(), [step("c")]);

        // What an operator did is among them.
        let action = EventRecord::Action(ActionRecord {
            at: jiff::Timestamp::UNIX_EPOCH,
            action: OperatorAction::Suspend,
            what: "order web".to_owned(),
            by: "alice".to_owned(),
            from: "command line".to_owned(),
        });
        state.add_events(std::slice::from_ref(&action)).unwrap();
        assert_eq!(reader.read().unwrap(), [action]);

        // A crash in the middle of a line costs that line.
        file.write_all(b"{\"step\":").unwrap();
        state.add_events(&[step("d")]).unwrap();
        assert_eq!(reader.read().unwrap(), [step("d")]);

        file.set_len(BYTES_MAX).unwrap();
        state.add_events(&[step("e")]).unwrap();
        assert_eq!(reader.read().unwrap(), [step("e")]);
        let mut fresh = state.events();
        let all = fresh.read().unwrap();
        assert_eq!(all.first(), Some(&step("a")));
        assert_eq!(all.last(), Some(&step("e")));
    }
}
