//! `--wait`: until everything that is selected is ready.

use std::time::Duration;

use super::load::{Loaded, OutputsReader};
use crate::cli::following::Deadline;
use crate::cli::{out, style};

/// Waits; `None`, and what is missing on stderr, where the time is over.
pub(super) async fn until_ready(
    reader: &OutputsReader<'_>,
    timeout: Duration,
) -> anyhow::Result<Option<Loaded>> {
    let deadline = Deadline::after(timeout);
    let mut is_told = false;
    loop {
        // Before the look: what changes after it is seen in the next round.
        let sources = reader.sources()?;
        let loaded = reader.load()?;
        let missing = [loaded.complaints(), loaded.selected.not_ready()].concat();
        if missing.is_empty() {
            return Ok(Some(loaded));
        }
        if !is_told {
            let count = out::counted(missing.len(), "output");
            out::note(&format!("waiting for {count}: {}", missing[0]));
            is_told = true;
        }
        loop {
            if !deadline.pause().await {
                for line in missing {
                    out::note(&format!("{} not ready: {line}", style::error("error:")));
                }
                return Ok(None);
            }
            if reader.sources()? != sources {
                break;
            }
        }
    }
}
