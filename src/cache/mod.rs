//! The local store of images: what was fetched, with a record of each file.
//!
//! Beside a file `NAME` of ours are `NAME.sha256`, for `sha256sum -c`, and
//! `.NAME.meta.json`, the record. The record is what makes a file ours: one
//! without is foreign, is listed, and is never touched. A new file comes in this
//! order: content complete and checked in `.NAME.part`, record, `NAME.sha256`,
//! and last the rename to `NAME`. So a file of ours never lacks its record; a
//! crash in between leaves a record whose size or time the file does not match,
//! or no file at all, and a look at the cache sees either as not current.
//! `.NAME.part.json` says which URL a partial download is from.
//!
//! A [`Cache`] is a value without open files; whoever changes anything holds
//! [`Cache::lock`]. Methods that are not `async` do short work on the file system.

#![expect(clippy::disallowed_methods, reason = "this room keeps files")]

mod directory;
mod error;
mod instance;
mod names;
mod observe;
mod receive;
mod record;
#[cfg(test)]
mod tests;
mod tidy;
mod unpack;
mod whole;

pub(crate) use directory::Cache;
pub(crate) use error::CacheError;
pub(crate) use receive::{Receive, Received};
