//! The metrics of a run in a file, for the textfile collector of node_exporter.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::conclude::alerts::DeliveryNumbers;
use crate::conclude::{Report, Status};
use crate::facts::{Memory, SourceUse, UpstreamUse};
use crate::io::file::atomic;
use crate::metrics::{self, LastLook, MetricsScene};

/// A file for metrics.
#[derive(Debug)]
pub(crate) struct MetricsFile(PathBuf);

/// Why metrics cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics to {}", .path.display())]
pub(crate) struct MetricsFileError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl MetricsFile {
    /// # Errors
    /// When the path is no place for a file: told before a run rather than after it.
    pub(crate) fn new(path: PathBuf) -> Result<Self, MetricsFileError> {
        match atomic::check_place(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(MetricsFileError { path, source }),
        }
    }

    /// Writes what a run came to; `last` is what it saw, if it could look.
    ///
    /// # Errors
    /// Any error of the file system; what was in the file before is still there then.
    pub(crate) fn write(
        &self,
        status: &Status,
        last: Option<(&Report, &Memory)>,
        upstream: &UpstreamUse,
        source: SourceUse,
        notifications: &BTreeMap<String, DeliveryNumbers>,
    ) -> Result<(), MetricsFileError> {
        let last = last.map(|(report, memory)| LastLook { report, memory });
        let text = metrics::text(&MetricsScene {
            status,
            last,
            live: None,
            upstream,
            source,
            notifications,
        });
        atomic::write_readable(&self.0, text.as_bytes()).map_err(|source| MetricsFileError {
            path: self.0.clone(),
            source,
        })
    }
}
