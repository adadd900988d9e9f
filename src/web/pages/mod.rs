//! The pages: what the controller knows and does, as HTML.
//!
//! Each page is a function from values to text: it asks nobody, reads no file and knows
//! no server, so that it is tested without one. The values are those of `conclude`, which
//! the command line shows as well. Templates are checked when the program is compiled;
//! what they insert is escaped by `escape.rs`. Every page works without a script.
//! With one, `live.js` fetches the page again when something has changed and exchanges
//! the parts that differ.

pub(crate) mod assets;
mod escape;
mod frame;
mod history;
mod image;
mod message;
mod node;
mod now;
mod order;
mod overview;
mod plan;
mod removals;
mod rollout;
mod source;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use frame::{Access, Visit};
pub(crate) use history::{HistoryQuery, history};
pub(crate) use image::image;
pub(crate) use message::{login, message};
pub(crate) use node::node;
pub(crate) use order::{OrderFiles, order};
pub(crate) use overview::{OverviewQuery, overview};
pub(crate) use plan::{PlanQuery, plan};
pub(crate) use removals::removals;
