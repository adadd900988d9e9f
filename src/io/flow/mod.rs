//! The byte pipeline: a download from the network to its file, and a file's data to
//! whoever wants them.

mod content;
mod error;
pub mod intake;
pub mod outflow;
pub mod pace;
mod partial_file;
mod prove;
pub mod resume;
mod sink;
mod staged;
pub mod temporary;
pub mod unpack;
mod writeout;

pub use error::StagingError;
pub use sink::{Sink, Validator};
pub use staged::StagedFile;
