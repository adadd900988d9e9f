//! Where a request came from.

use std::fmt;

/// Where a request came from: an IP address, or `local` over a Unix socket.
#[derive(Debug, Clone)]
pub(super) struct Peer(pub String);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
