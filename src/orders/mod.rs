//! Orders: from YAML files to an [`OrderSet`].
//!
//! [`load`] reads a file or a directory of them, [`parse`] one text. One bad
//! position, order or file never stops the others: whatever can be read is used,
//! and everything that cannot is in the set as a fact, with every problem that
//! was found and its place. Only a missing path is an error, because it must not
//! be taken for an empty set.

#![expect(clippy::disallowed_methods, reason = "reads the orders")]

mod collect;
mod error;
mod file;
mod files;
mod hosts;
mod order;
mod position;
mod schematic;
mod version;

use std::path::Path;

pub use error::OrdersError;
pub use schematic::parse_schematic;

use crate::model::{OrderDefaults, OrderSet};
use crate::yaml::Source;
use collect::Collector;

#[cfg(test)]
mod tests;

/// Reads the orders at a path: one file, or all `*.yaml` and `*.yml` files of a
/// directory, recursively, sorted by name. Hidden names are skipped, symbolic
/// links are followed, and a file that is reached twice is read once.
///
/// # Errors
/// Only where the path itself is missing or cannot be read.
pub fn load(path: &Path, defaults: &OrderDefaults) -> Result<OrderSet, OrdersError> {
    let mut collector = Collector::new(defaults);
    for found in files::find(path)? {
        match found.content {
            Ok(source) => collector.add(source),
            Err(problem) => collector.reject_file(&found.file, vec![*problem]),
        }
    }
    Ok(collector.finish())
}

/// Reads the orders in a text.
pub fn parse(file_name: &str, text: &str, defaults: &OrderDefaults) -> OrderSet {
    let mut collector = Collector::new(defaults);
    match Source::from_bytes(file_name, text.as_bytes()) {
        Ok(source) => collector.add(source),
        Err(problem) => collector.reject_file(file_name, vec![*problem]),
    }
    collector.finish()
}

/// The JSON Schema of an orders file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(file::OrdersFile).to_value()
}
