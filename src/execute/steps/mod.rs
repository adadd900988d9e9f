//! What a step does at its place, once its turn has come.

mod cache;
mod fetch;
mod nodes;
mod templates;

pub(super) use nodes::PushStep;
