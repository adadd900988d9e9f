//! The header `Range`, as far as it is understood: one range of bytes.

use std::ops::Range;

/// What of a file is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskedRange {
    /// All of it: also where the header is of a form that is not known.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that the file does not have.
    Outside,
}

impl AskedRange {
    /// Reads `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`.
    pub(super) fn read(header: Option<&str>, size: u64) -> Self {
        let Some((first, last)) = header
            .and_then(|text| text.trim().strip_prefix("bytes="))
            .and_then(|range| range.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        let range = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
            (Ok(first), Err(_)) if last.is_empty() => first..size,
            (Err(_), Ok(length)) if first.is_empty() => size.saturating_sub(length)..size,
            _ => return Self::Whole,
        };
        match range.start < range.end {
            true => Self::Part(range),
            false => Self::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read() {
        for (header, expected) in [
            ("bytes=0-", AskedRange::Part(0..10)),
            ("bytes=3-", AskedRange::Part(3..10)),
            ("bytes=3-4", AskedRange::Part(3..5)),
            ("bytes=3-99999999999999999", AskedRange::Part(3..10)),
            ("bytes=-4", AskedRange::Part(6..10)),
            ("bytes=-40", AskedRange::Part(0..10)),
            ("bytes=10-", AskedRange::Outside),
            ("bytes=-0", AskedRange::Outside),
            ("bytes=4-3", AskedRange::Whole),
            ("bytes=0-1,3-4", AskedRange::Whole),
            ("lines=1-2", AskedRange::Whole),
            ("bytes=-", AskedRange::Whole),
        ] {
            assert_eq!(AskedRange::read(Some(header), 10), expected, "{header}");
        }
        assert_eq!(AskedRange::read(None, 10), AskedRange::Whole);
    }
}
