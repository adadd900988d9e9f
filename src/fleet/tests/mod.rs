//! Tests of what the controllers of a fleet share.

mod collect;
pub(crate) mod disturbed;
mod images;
