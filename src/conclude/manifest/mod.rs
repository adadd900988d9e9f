//! The record of a run, one file per order.
//!
//! Assembling is pure: what was wanted, planned and came of it goes in, a
//! [`Manifest`] comes out. A dry run assembles the manifest that the run would
//! write and shows the difference to the last one, so the two cannot disagree.

mod assemble;
mod form;
mod results;

pub(super) use assemble::features;
pub use assemble::{Context, assemble, refused};
pub use form::{
    CachePolicyForm, Catalogue, Decompressed, Download, Failed, Manifest, ManifestEntry,
    ManifestImage, ManifestTemplate, OrderForm, PushStatus, Pushed,
};
pub use results::Results;
