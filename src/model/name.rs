//! File names: made and read here, and nowhere else.
//!
//! A name carries everything that decides the bytes, the schematic included, so
//! that two customizations of one version never meet under one name. Making and
//! reading stand side by side so that what is written can be read back.

mod file_name;
mod piece;
mod read;
mod template;
#[cfg(test)]
mod tests;

pub use file_name::FileName;
pub use read::NameParts;
pub use template::NameTemplate;
