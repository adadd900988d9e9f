//! How an Image Factory is asked, and what is believed of its answers.
//!
//! The configuration names these, and the client of the factory uses them.

use secrecy::SecretString;

/// How requests to a factory are authorised.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Not at all.
    None,
    /// `Authorization: Basic`.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// `Authorization: Bearer`.
    Bearer(SecretString),
}

/// What has to vouch for an image that is fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImageTrust {
    /// Nothing: no checksum is asked for.
    None,
    /// The factory's checksum where it offers one, else nothing.
    #[default]
    Offered,
    /// The factory's checksum.
    Checksum,
    /// A signature with this key.
    Signature {
        /// An ECDSA key on the curve P-256, as a DER-encoded `SubjectPublicKeyInfo`; empty
        /// where it was not read because nothing is sent.
        key: Vec<u8>,
    },
}

/// A source of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListSource {
    /// The factory's `/versions`: what can really be built.
    Factory,
    /// The repository's tags.
    Github,
}
