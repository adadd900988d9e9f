//! Faults where the program meets the world: at each system call by which it, ssh,
//! rsync or a script on a node changes something, at any moment, and at the power.
//!
//! `seam.c` holds such calls and decides on them; `control.rs` tells it what to do.
//! `scenes.rs` has what goes on meanwhile. While anything goes wrong, a reader looks at
//! every final name; behind each fault stands a run without one, which has to come out
//! in sync. Samples run with all other tests; everything runs with
//!
//! ```console
//! $ cargo test --test faults -- --ignored --nocapture
//! ```
//!
//! Nothing here knows the names of temporaries: what is hidden may be anything, what is
//! not hidden is a final name.

#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and may fail where it stands"
)]

mod call_log;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod disk;
mod kills;
mod leaders;
mod places;
mod power;
mod reader;
mod scenes;
mod teeth;
mod truth;
mod walk;

use common::world;
