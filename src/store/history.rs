//! The last runs: `history.jsonl`, one line each, the oldest first.
//!
//! The file is written anew with every run. That costs a few hundred kilobytes
//! each ten minutes, and a reader never sees half a line.

use super::{StateDir, StateError, file};
use crate::conclude::RunRecord;
use crate::io::file::atomic;

const HISTORY: &str = "history.jsonl";

/// Three days of a run each ten minutes, and more than anyone reads.
const RUNS_MAX: usize = 500;

#[derive(Default)]
struct History {
    runs: Vec<RunRecord>,
    /// There is more in the file than can be read.
    is_damaged: bool,
}

impl StateDir {
    /// The last runs, the oldest first; lines that cannot be read are left out.
    pub(crate) fn history(&self) -> Vec<RunRecord> {
        self.read_history().runs
    }

    fn read_history(&self) -> History {
        let path = self.file(HISTORY);
        let mut history = History::default();
        let text = match file::bytes(&path) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), reason = %error, "cannot read the history");
                history.is_damaged = true;
                return history;
            }
        };
        for line in text.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(run) => history.runs.push(run),
                Err(_) if line.is_empty() => {}
                Err(why) => {
                    tracing::warn!(path = %path.display(), reason = %why, "skipping a line of the history");
                    history.is_damaged = true;
                }
            }
        }
        history
    }

    /// Adds a run and forgets the oldest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn add_to_history(&self, run: &RunRecord) -> Result<(), StateError> {
        self.make()?;
        let History { runs, is_damaged } = self.read_history();
        if is_damaged {
            file::set_aside(&self.file(HISTORY))?;
        }
        let kept = runs.len().saturating_sub(RUNS_MAX - 1);
        let path = self.file(HISTORY);
        let failed = |source| StateError::io("write", &path, source);
        let mut text = Vec::new();
        for run in runs[kept..].iter().chain([run]) {
            serde_json::to_writer(&mut text, run).map_err(|error| failed(error.into()))?;
            text.push(b'\n');
        }
        atomic::write(&path, &text).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::conclude::record::Occasion;

    fn run(second: i64) -> RunRecord {
        let at = Timestamp::from_second(second).unwrap();
        let occasion = Occasion {
            owner: "homelab".to_owned(),
            started: at,
            finished: at,
            trigger: crate::model::Trigger::Schedule,
            revision: Some("main@sha1:0".to_owned()),
            source: None,
            requests: crate::facts::RequestCounts::new(),
            source_use: crate::facts::SourceUse::default(),
        };
        RunRecord::unable(&occasion, "the cache is\nnot there".to_owned())
    }

    #[test]
    fn the_last_runs_are_kept_and_a_torn_line_costs_itself_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        assert_eq!(state.history(), []);
        let many: Vec<u8> = (0..RUNS_MAX as i64)
            .flat_map(|second| {
                let mut line = serde_json::to_vec(&run(second)).unwrap();
                line.push(b'\n');
                line
            })
            .collect();
        state.make().unwrap();
        std::fs::write(state.file(HISTORY), many).unwrap();
        state.add_to_history(&run(9999)).unwrap();
        let history = state.history();
        assert_eq!(history.len(), RUNS_MAX);
        assert_eq!(history[0], run(1));
        assert_eq!(history.last(), Some(&run(9999)));

        let mut torn = std::fs::read(state.file(HISTORY)).unwrap();
        torn.truncate(torn.len() - 10);
        torn.extend(b"\n\xff\n");
        std::fs::write(state.file(HISTORY), torn).unwrap();
        assert_eq!(state.history().len(), RUNS_MAX - 1);
    }

    #[test]
    fn lines_that_cannot_be_read_are_kept_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path());
        for (number, damage) in ["garbage", "{\"started\": \"2026", "{\"version\": 2}\n"]
            .into_iter()
            .enumerate()
        {
            std::fs::write(state.file(HISTORY), damage).unwrap();
            state.add_to_history(&run(1)).unwrap();
            assert_eq!(state.history(), [run(1)]);
            let kept = state.file(&format!("{HISTORY}.set-aside-{}", number + 1));
            assert_eq!(std::fs::read_to_string(kept).unwrap(), damage);
        }
    }
}
