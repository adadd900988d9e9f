//! Orders: from YAML files to an [`OrderSet`](crate::model::OrderSet).
//!
//! [`load`] reads a file or a directory of them, [`parse`] one text. One bad
//! position, order or file never stops the others: whatever can be read is used,
//! and everything that cannot is in the set as a fact, with every problem that
//! was found and its place. Only a missing path is an error, because it must not
//! be taken for an empty set.

#![expect(clippy::disallowed_methods, reason = "reads the orders")]

mod collect;
mod draft;
mod error;
mod file;
mod files;
mod host_api;
mod host_nodes;
mod hosts;
mod load;
mod options;
mod order;
mod position;
mod reading;
mod rollout;
mod schematic;
mod template;
mod template_file;
mod template_hardware;
mod template_nodes;
mod template_words;
mod version;
mod windows;

pub(crate) use crate::yaml::MAX_BYTES;
pub use error::OrdersError;
pub use load::{OrdersReader, load, parse, read_file};
pub(crate) use rollout::{RolloutShape, length_of_time, read_rollout};
pub use schematic::parse_schematic;
pub(crate) use windows::{WindowShape, read_windows};

#[cfg(test)]
mod tests;

/// The JSON Schema of an orders file, for editors.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(file::OrdersFile).to_value()
}
