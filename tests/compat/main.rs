//! What an earlier version left behind, and what it finds after this one.
//!
//! `0.1.0/` holds what the program of that version wrote on its own: state, cache
//! records, manifests, records and leases on nodes. [`scenes`] says in which
//! situations, [`fixture`] how they are kept. Each test puts one of them back, runs
//! today's program over it, and looks for what was promised to whoever wrote it.
//!
//! The program of that version is not kept. The tests in [`before`] need it and are
//! ignored: `tests/compat/run` builds it, runs them, and writes the files anew if
//! asked to.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod before;
mod carried;
#[path = "../common/mod.rs"]
mod common;
mod fixture;
mod forms;
mod old;
mod scenes;

use common::world;
