//! What an answer says of lengths and ranges, read strictly.

use reqwest::header::CONTENT_LENGTH;

use super::UpstreamError;
use super::client::UpstreamResponse;

/// The length that an answer tells, which has to be one number however often it is told.
pub(super) fn length(response: &UpstreamResponse) -> Result<Option<u64>, UpstreamError> {
    let mut told = None;
    for value in response.inner.headers().get_all(CONTENT_LENGTH) {
        let number = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        match (number, told) {
            (Some(number), None) => told = Some(number),
            (Some(number), Some(told)) if number == told => {}
            _ => {
                return Err(UpstreamError::Answer {
                    url: response.from.clone(),
                    reason: "lengths that contradict each other, or are none".into(),
                });
            }
        }
    }
    Ok(told)
}

/// `Content-Range: bytes FIRST-LAST/TOTAL`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub first: u64,
    pub last: u64,
    pub total: u64,
}

impl ContentRange {
    /// `None` for every other form: an unknown total proves nothing.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (range, total) = value
            .trim()
            .strip_prefix("bytes ")?
            .trim()
            .split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let range = Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
            total: total.parse().ok()?,
        };
        (range.first <= range.last && range.last < range.total).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_strictly() {
        assert_eq!(
            ContentRange::parse("bytes 5-9/10"),
            Some(ContentRange {
                first: 5,
                last: 9,
                total: 10
            })
        );
        for wrong in [
            "bytes 5-10/10",
            "bytes 6-5/10",
            "bytes 5-9/*",
            "bytes */10",
            "5-9/10",
            "bytes 5-9",
            "items 5-9/10",
            "bytes -5-9/10",
        ] {
            assert_eq!(ContentRange::parse(wrong), None, "{wrong}");
        }
    }
}
