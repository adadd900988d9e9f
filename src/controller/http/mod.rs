//! What a running controller answers over HTTP, and the client for it.
//!
//! HTTP/1.1 over a Unix socket beside the controller's files. Whoever may enter the
//! directory of the socket may ask; the controller keeps it to its own user and root.
//! `routes` makes a `Router` of a value and knows of no socket, so that another
//! listener can serve it as well; `socket` listens, with bounds; [`client`] is what
//! the command line asks with. Nothing is decided here: a request for a run goes into a
//! queue, and the loop answers it after the run. A run is a whole one whatever was asked
//! for; an order or a node only says whose back-off is reset and whose result is
//! shown.
//!
//! Answers are JSON: a status where one was asked for, else `{"message": …}`.

#![expect(
    clippy::disallowed_methods,
    reason = "listens on a socket, connects to it, and bounds how long a client may take"
)]

mod body;
pub(crate) mod client;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod routes;
mod socket;
#[cfg(test)]
mod tests;

pub(crate) use error::ControlError;
pub(super) use routes::Api;
pub(super) use socket::ControlSocket;
