//! A server of this program: where it listens, and who may use it.

use core::net::{Ipv4Addr, SocketAddr};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

use super::{Invalid, visible_path};

/// Where a program listens: an IP address with a port, or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or `:8080`, which is every address.
    /// Port 0 is any that is free.
    Tcp(SocketAddr),
    /// `unix:/run/talos-order/web.sock`
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') && !path.contains('\0') {
                true => Ok(Self::Unix(path.into())),
                false => Err(refused(text)),
            };
        }
        let port = |port: &str| port.parse().map_err(|_| refused(text));
        if let Some(number) = text.strip_prefix("localhost:") {
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port(number)?).into()));
        }
        if let Some(number) = text.strip_prefix(':') {
            return Ok(Self::Tcp((Ipv4Addr::UNSPECIFIED, port(number)?).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| refused(text))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", visible_path(path)),
        }
    }
}

/// Whoever may act on the status page.
#[derive(Clone)]
pub struct WebToken {
    /// The name for the events.
    pub name: String,
    /// What they prove themselves with.
    pub token: SecretString,
}

impl fmt::Debug for WebToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebToken").field(&self.name).finish()
    }
}

fn refused(text: &str) -> Invalid {
    Invalid::new(format!(
        "{text:?} is no address to listen at; expected ADDRESS:PORT with an IP address, such as \
         127.0.0.1:8080, or unix:/PATH"
    ))
}

super::text_form!(ListenAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, shown) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:80", "127.0.0.1:80"),
            (":9", "0.0.0.0:9"),
            ("unix:/run/a b.sock", "unix:/run/a b.sock"),
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse(), Ok(address));
        }
        for wrong in [
            "",
            "8080",
            "127.0.0.1",
            "host:80",
            ":",
            ":x",
            "unix:",
            "unix:a.sock",
            "unix:/a\0b",
        ] {
            let refused = wrong.parse::<ListenAddress>().unwrap_err();
            assert!(refused.message.contains("expected"), "{wrong}: {refused}");
        }
    }
}
