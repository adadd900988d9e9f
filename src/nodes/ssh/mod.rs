//! ssh: its arguments, its shared connections, what its errors mean, quoting.

pub(super) mod args;
pub(super) mod diagnosis;
pub(super) mod quote;
