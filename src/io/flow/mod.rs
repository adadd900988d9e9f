//! The byte pipeline: a download on its way to the disk, and a file on its way out.

mod gate;
pub mod intake;
pub mod landing;
pub mod outflow;
pub mod pace;
pub mod partial;
mod prove;
mod sink;
pub mod unpack;
mod writeout;

pub use gate::Bound;
pub use sink::{Sink, Validator};
