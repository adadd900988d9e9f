//! The byte pipeline: a download from the network to its file, and a file's data to
//! whoever wants them.

mod content;
pub(crate) mod convert;
mod error;
pub(crate) mod growing;
pub(crate) mod intake;
pub(crate) mod outflow;
pub(crate) mod pace;
mod partial_file;
mod prove;
pub(crate) mod resume;
mod sink;
mod staged;
pub(crate) mod temporary;
mod trailing;
pub(crate) mod unpack;
mod writeout;

pub(crate) use error::StagingError;
pub(crate) use sink::{Sink, Validator};
pub(crate) use staged::StagedFile;
