//! ssh: its arguments ([`args`]), shared connections ([`control`]), what its standard
//! error means ([`diagnosis`]), and quoting for whoever splits a command line ([`quote`]).
//!
//! The first session to a node opens a master connection (`ControlMaster`), and every
//! later one, rsync's included, goes through it: 0.12 s instead of 0.39 s each.

pub(crate) mod args;
mod control;
pub(crate) mod diagnosis;
pub(crate) mod quote;
