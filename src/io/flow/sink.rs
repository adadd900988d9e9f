//! Where the bytes of a transfer go, as the sending side sees it.

use std::future::Future;

/// Where the bytes of a download go.
pub(crate) trait Sink: Send {
    /// How many bytes are in the sink, and what identifies the version of the
    /// file that they are from. `(0, None)` for a fresh start.
    fn position(&self) -> (u64, Option<Validator>);

    /// Throws away what is in the sink.
    fn restart(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;

    /// Learns what is about to come: the total length and what identifies it.
    fn expect(
        &mut self,
        total: Option<u64>,
        validator: Option<Validator>,
    ) -> impl Future<Output = std::io::Result<()>> + Send;

    /// Takes the next bytes.
    fn write(&mut self, bytes: bytes::Bytes) -> impl Future<Output = std::io::Result<()>> + Send;
}

/// What identifies one version of a file behind a URL, for `If-Range`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Validator {
    /// A strong entity tag, or else a `Last-Modified` date.
    pub value: String,
    /// The total length in bytes, which must agree too.
    pub total: Option<u64>,
}
