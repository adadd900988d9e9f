//! An Image Factory of our own on a loopback port, for `demo` and for tests.
//!
//! [`FactoryStub`] serves the factory's protocol (schematics, versions, images with
//! their redirects, checksums and errors) and as much of GitHub's as is needed to
//! list tags. The [images](image) are small but genuine. Tests can queue
//! [faults](StubFault) and read what was [asked](StubRequest).
//!
//! It is a server of a few hundred lines and not a mock, so that the client is
//! tested over real connections: a short body is a connection that closes.

#![expect(clippy::disallowed_methods, reason = "serves connections")]

mod body;
mod bundle;
mod faults;
mod github;
pub mod image;
mod images;
mod options;
mod requests;
mod schematics;
mod server;
mod shared;
mod stub;
#[cfg(test)]
mod tests;

pub use faults::StubFault;
pub use options::{Redirect, StubOptions};
pub use requests::StubRequest;
pub use stub::FactoryStub;
