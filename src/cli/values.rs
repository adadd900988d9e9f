//! Values of options, read from text.

use std::time::Duration;

/// A filter of the log.
pub(super) fn parse_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A length of time, such as `1h30m`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| format!("{text:?} is not a duration; examples: 30s, 5m, 1h30m"))?;
    Duration::try_from(span).map_err(|_| format!("{text:?} is negative"))
}
