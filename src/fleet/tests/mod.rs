//! Tests of what the controllers of a fleet share.

pub(crate) mod disturbed;
mod images;
