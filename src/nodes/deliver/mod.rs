//! Delivering a file.

pub(super) mod push;
mod rsync;
pub(super) mod stream;
