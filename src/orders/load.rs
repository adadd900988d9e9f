//! From a path or a text to a set of orders.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::collect::Collector;
use super::error::OrdersError;
use super::files::{self, FoundFile};
use crate::io::file::input;
use crate::model::{OrderDefaults, OrderSet};
use crate::yaml::{MAX_BYTES, SourceText};

/// Reads the orders at a path: one file, or all `*.yaml` and `*.yml` files of a
/// directory, recursively, sorted by name. Hidden names are skipped, symbolic
/// links are followed within the directory and never out of it, and each file is
/// read once.
///
/// # Errors
/// Only where the path itself is missing or cannot be read.
pub fn load(path: &Path, defaults: &OrderDefaults) -> Result<OrderSet, OrdersError> {
    Ok(gather(files::find(path)?, defaults))
}

fn gather(found: Vec<FoundFile>, defaults: &OrderDefaults) -> OrderSet {
    let mut collector = Collector::new(defaults);
    for found in found {
        match found.content {
            Ok(source) => collector.add(source),
            Err(problem) => collector.reject_file(&found.file, vec![*problem]),
        }
    }
    collector.finish()
}

/// Reads orders again and again, and understands them anew only where a byte of them
/// changed.
///
/// What is kept is the set as a whole and not what each file said: ids and the names
/// of nodes are unique over all files, so one that changes can change what is to be
/// said of another.
#[derive(Debug, Default)]
pub struct OrdersReader {
    last: Option<(OrderDefaults, [u8; 32], Arc<OrderSet>)>,
}

impl OrdersReader {
    /// The same as [`load`].
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(
        &mut self,
        path: &Path,
        defaults: &OrderDefaults,
    ) -> Result<Arc<OrderSet>, OrdersError> {
        self.load_as(path, path, defaults)
    }

    /// The same, with another path in messages and manifests: what is read may have a path
    /// that nobody knows, or that is another one each time.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load_as(
        &mut self,
        path: &Path,
        shown: &Path,
        defaults: &OrderDefaults,
    ) -> Result<Arc<OrderSet>, OrdersError> {
        let found = files::find_as(path, shown)?;
        let digest = digest(&found);
        if let Some((known, same, orders)) = &self.last
            && (known, same) == (defaults, &digest)
        {
            return Ok(Arc::clone(orders));
        }
        let orders = Arc::new(gather(found, defaults));
        self.last = Some((defaults.clone(), digest, Arc::clone(&orders)));
        Ok(orders)
    }
}

/// The digest of all files, with their names and with what kept them from being read.
fn digest(found: &[FoundFile]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for FoundFile { file, content } in found {
        let (kind, content) = match content {
            Ok(source) => (0_u8, source.text.to_string()),
            Err(problem) => (1, format!("{problem:?}")),
        };
        // Lengths keep the end of one from being taken for the begin of the next.
        for text in [file.as_str(), content.as_str()] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        hasher.update([kind]);
    }
    hasher.finalize().into()
}

/// Reads the orders in a text.
pub fn parse(file_name: &str, text: &str, defaults: &OrderDefaults) -> OrderSet {
    let mut collector = Collector::new(defaults);
    match SourceText::from_bytes(file_name, text.as_bytes()) {
        Ok(source) => collector.add(source),
        Err(problem) => collector.reject_file(file_name, vec![*problem]),
    }
    collector.finish()
}

/// The bytes of a single file that the user named, at most one more than
/// 1 MiB.
///
/// # Errors
/// Where it cannot be read, or is neither a file nor a pipe.
pub fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    input::read(path, MAX_BYTES)
}
