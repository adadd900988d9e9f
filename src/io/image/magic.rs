//! What a file is, by its first bytes: enough to refuse an error page, or
//! compressed bytes, under the name of an image.

use std::fmt;

/// How many bytes from the start of a file decide what it is: the identifier of
/// an ISO 9660 volume ends there.
pub(crate) const HEAD: usize = ISO_AT + ISO.len();

/// The first volume descriptor is in sector 16 of 2048 bytes; its identifier
/// follows one type byte (ECMA-119, 8.1).
const ISO_AT: usize = 16 * 2048 + 1;
const ISO: &[u8] = b"CD001";
/// The signature of a GPT header, at the second sector (UEFI, 5.3.2).
const GPT: &[u8] = b"EFI PART";
/// The sector sizes that disk images are made for, in bytes.
const SECTORS: [usize; 2] = [512, 4096];

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// An ISO 9660 image, a hybrid one with a partition table included.
    Iso,
    /// A disk image with a GUID partition table.
    Gpt,
    /// A QEMU disk image.
    Qcow2,
    /// xz-compressed data.
    Xz,
    /// zstd-compressed data.
    Zstd,
    /// gzip-compressed data.
    Gzip,
    /// An HTML or XML page.
    Html,
    /// Other text.
    Text,
    /// Only zeros, as far as can be seen.
    Zeros,
    /// No bytes at all.
    Empty,
    /// None of the above.
    Unknown,
}

impl ContentKind {
    /// Says what the first [`HEAD`] bytes (fewer for a shorter file) belong to.
    pub fn of(head: &[u8]) -> Self {
        let at = |offset: usize, what: &[u8]| {
            head.get(offset..)
                .is_some_and(|rest| rest.starts_with(what))
        };
        // Bootable ISO images carry a partition table too, so ISO comes first.
        if at(ISO_AT, ISO) {
            Self::Iso
        } else if at(0, b"QFI\xfb") {
            Self::Qcow2
        } else if at(0, b"\xfd7zXZ\0") {
            Self::Xz
        } else if at(0, b"\x28\xb5\x2f\xfd") || is_zstd_skippable(head) {
            Self::Zstd
        } else if at(0, b"\x1f\x8b\x08") {
            Self::Gzip
        } else if SECTORS.into_iter().any(|sector| at(sector, GPT)) {
            Self::Gpt
        } else if head.is_empty() {
            Self::Empty
        } else if crate::io::file::sparse::is_zero(head) {
            Self::Zeros
        } else {
            text(head).unwrap_or(Self::Unknown)
        }
    }

    /// How many bytes from the start are needed to tell this kind from others.
    pub const fn head_len(self) -> usize {
        match self {
            Self::Xz => 6,
            Self::Zstd | Self::Qcow2 => 4,
            Self::Gzip => 3,
            _ => HEAD,
        }
    }
}

/// A frame of user data (RFC 8878, 3.1.2), which some encoders begin with.
fn is_zstd_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Recognises text by its first bytes: no control characters but white space.
fn text(head: &[u8]) -> Option<ContentKind> {
    let start = &head[..head.len().min(512)];
    let readable = |&byte: &u8| byte >= 0x20 || b"\t\n\x0c\r".contains(&byte);
    if !start.iter().all(readable) {
        return None;
    }
    // A cut may fall into the middle of a character, which is not an error.
    if std::str::from_utf8(start).is_err_and(|error| error.error_len().is_some()) {
        return None;
    }
    let begin = start.trim_ascii_start();
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let page = [&b"<!doctype"[..], b"<html", b"<?xml", b"<head", b"<body"]
        .iter()
        .any(|tag| {
            begin
                .get(..tag.len())
                .is_some_and(|text| text.eq_ignore_ascii_case(tag))
        });
    Some(if page {
        ContentKind::Html
    } else {
        ContentKind::Text
    })
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iso => "an ISO 9660 image",
            Self::Gpt => "a disk image with a GPT partition table",
            Self::Qcow2 => "a qcow2 image",
            Self::Xz => "xz-compressed data",
            Self::Zstd => "zstd-compressed data",
            Self::Gzip => "gzip-compressed data",
            Self::Html => "an HTML or XML page",
            Self::Text => "plain text",
            Self::Zeros => "only zeros",
            Self::Empty => "an empty file",
            Self::Unknown => "data of an unknown type",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(at: usize, what: &[u8]) -> Vec<u8> {
        let mut head = vec![0; HEAD];
        head[at..at + what.len()].copy_from_slice(what);
        head
    }

    #[test]
    fn kinds_are_told_apart() {
        let hybrid = {
            let mut head = with(512, GPT);
            head[ISO_AT..].copy_from_slice(ISO);
            head
        };
        let cases: [(&[u8], ContentKind); 16] = [
            (&with(ISO_AT, ISO), ContentKind::Iso),
            (&hybrid, ContentKind::Iso),
            (&with(512, GPT), ContentKind::Gpt),
            (&with(4096, GPT), ContentKind::Gpt),
            (&with(1024, GPT), ContentKind::Unknown),
            (b"QFI\xfb\0\0\0\x03", ContentKind::Qcow2),
            (b"\xfd7zXZ\0\0\x04", ContentKind::Xz),
            (b"\x28\xb5\x2f\xfd\x04", ContentKind::Zstd),
            (b"\x51\x2a\x4d\x18\x04", ContentKind::Zstd),
            (b"\x1f\x8b\x08\0", ContentKind::Gzip),
            (b"\n <!DOCTYPE html><title>504", ContentKind::Html),
            (b"<HTML>", ContentKind::Html),
            (b"{\"error\": \"payment required\"}", ContentKind::Text),
            ("zu gro\u{df}".as_bytes(), ContentKind::Text),
            (&[0; 700], ContentKind::Zeros),
            (b"", ContentKind::Empty),
        ];
        for (head, kind) in cases {
            assert_eq!(
                ContentKind::of(head),
                kind,
                "{:?}",
                &head[..head.len().min(16)]
            );
        }
    }

    #[test]
    fn a_text_cut_within_a_character_is_still_text() {
        let long = "\u{20ac}".repeat(400);
        assert_eq!(ContentKind::of(long.as_bytes()), ContentKind::Text);
    }
}
