//! SHA-256 digests as values; computing them is `io`'s work.

use std::fmt;
use std::str::FromStr;

use super::{Invalid, text_form};

/// A SHA-256 digest (32 bytes), written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// A digest of a content that costs only what its data cost: long runs of zeros are
/// not hashed, so it is the same wherever they are holes. How it is made stands in
/// `io::hash`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub struct DataDigest {
    /// The digest.
    pub sha256: Sha256,
    /// How many bytes of the content are in blocks that are not all zeros.
    pub bytes: u64,
}

impl Sha256 {
    /// Wraps the raw bytes of a digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digits of a digest: written in one piece, for they are in every name and URL.
pub(super) fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&hex(&self.0)).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl FromStr for Sha256 {
    type Err = Invalid;

    /// Accepts 64 hex digits of either case, with or without a `sha256:` prefix.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let refuse = || {
            Invalid::new(format!(
                "{text:?} is not a SHA-256 digest; expected 64 hex digits"
            ))
        };
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(refuse());
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or_else(refuse)?;
            let low = char::from(pair[1]).to_digit(16).ok_or_else(refuse)?;
            *byte = u8::try_from(high << 4 | low).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

text_form!(Sha256);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_digest_is_refused() {
        let digits = "0123456789abcdef".repeat(4);
        assert!(digits.parse::<Sha256>().is_ok());
        for text in [
            "",
            &digits[1..],
            &format!("{digits}0"),
            &format!(" {digits}"),
            &format!("md5:{digits}"),
            &format!("sha256:sha256:{digits}"),
            &format!("+{}", &digits[1..]),
            &"é".repeat(32),
            &"g".repeat(64),
        ] {
            assert!(text.parse::<Sha256>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_digest_reads_back(bytes in any::<[u8; 32]>()) {
            let digest = Sha256::from_bytes(bytes);
            let shown = digest.to_string();
            prop_assert!(shown.len() == 64 && shown == shown.to_lowercase());
            prop_assert_eq!(shown.to_uppercase().parse::<Sha256>(), Ok(digest));
            prop_assert_eq!(format!("sha256:{shown}").parse::<Sha256>(), Ok(digest));
            let json = serde_json::to_string(&digest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sha256>(&json).unwrap(), digest);
        }
    }
}
