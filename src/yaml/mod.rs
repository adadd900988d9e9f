//! Reading YAML that people write, without losing where anything stands.
//!
//! A text becomes a [`Document`]: a tree whose scalars keep their spelling
//! (`1.10` is not 1.1) and whose nodes know their place and key path. From any
//! subtree [`read`] makes a plain serde struct, and reports *everything* that
//! does not fit it, not only the first thing; what does fit is still read. An
//! [`At`] in such a struct keeps the place, so that a later check of meaning can
//! point there. YAML itself is parsed by the `serde_yaml` dependency; this room
//! knows nothing of orders or configuration.

mod at;
mod blanks;
mod build;
mod decode;
mod misfit;
mod numbers;
mod raw;
mod read;
mod report;
mod secrets;
mod source;
mod style;
mod suspect;
mod syntax;
mod tree;
mod words;

pub(crate) use at::{At, ListOr, TextOr};
pub(crate) use numbers::read_apart;
pub(crate) use read::read;
pub(crate) use report::ProblemReport;
pub(crate) use source::{MAX_BYTES, SourceText};
pub(crate) use tree::{Document, NodeRef, YamlEntry, YamlKind, YamlNode};
pub(crate) use words::{one_of, shown};

#[cfg(test)]
mod tests;
