//! The forms of files.
