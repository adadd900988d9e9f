//! A size, with how it is known.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::bytes::Bytes;

/// How many bytes an image has, as far as that is known before it is fetched.
///
/// Nobody asks the factory for it: a factory builds an image before it tells its
/// size, and a plan changes nothing anywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Size {
    /// The file is in the cache, or the store, and has this many bytes.
    Known(u64),
    /// An image of the same version, platform, architecture and format had this many;
    /// another schematic makes it larger or smaller.
    About(u64),
    /// No such image was seen yet.
    #[default]
    Unknown,
}

impl Size {
    /// The bytes, where there is a figure at all.
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Self::Known(bytes) | Self::About(bytes) => Some(bytes),
            Self::Unknown => None,
        }
    }

    /// True where the figure is that of a similar image.
    pub const fn is_about(self) -> bool {
        matches!(self, Self::About(_))
    }
}

/// A size that was seen of a similar image, where there is one.
impl From<Option<u64>> for Size {
    fn from(seen: Option<u64>) -> Self {
        seen.map_or(Self::Unknown, Self::About)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(bytes) => Bytes(*bytes).fmt(f),
            Self::About(bytes) => write!(f, "about {}", Bytes(*bytes)),
            Self::Unknown => f.write_str("size unknown"),
        }
    }
}

/// `"bytes": 104857600, "size": "about"`; to be flattened into what has the size.
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Size", 2)?;
        fields.serialize_field("bytes", &self.bytes())?;
        let size = match self {
            Self::Known(_) => "known",
            Self::About(_) => "about",
            Self::Unknown => "unknown",
        };
        fields.serialize_field("size", size)?;
        fields.end()
    }
}

/// What it is written as.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the form")]
struct WrittenSize {
    /// The size in bytes, where it is known.
    bytes: Option<u64>,
    /// How it is known: known, about for that of a similar image, or unknown.
    size: String,
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenSize::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_says_how_it_is_known() {
        let rows = [
            (
                Size::Known(2048),
                "2.0 KiB",
                r#"{"bytes":2048,"size":"known"}"#,
            ),
            (
                Size::About(2048),
                "about 2.0 KiB",
                r#"{"bytes":2048,"size":"about"}"#,
            ),
            (
                Size::Unknown,
                "size unknown",
                r#"{"bytes":null,"size":"unknown"}"#,
            ),
        ];
        for (size, text, json) in rows {
            assert_eq!(size.to_string(), text);
            assert_eq!(serde_json::to_string(&size).unwrap(), json);
        }
    }
}
