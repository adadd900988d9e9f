//! The last text of the metrics.

use std::time::Duration;

use axum::body::Bytes;
use tokio::time::Instant;

/// How long a text serves everybody who asks: many scrapers cost no more than one, in time
/// and in memory.
const SERVES: Duration = Duration::from_secs(1);

/// The last text of the metrics.
#[derive(Debug, Default)]
pub(super) struct LastText(Option<MadeText>);

#[derive(Debug)]
struct MadeText {
    text: Bytes,
    /// The version of what it was made from.
    version: u64,
    at: Instant,
}

impl LastText {
    /// The text, if it is still good.
    pub(super) fn serving(&self, version: u64) -> Option<Bytes> {
        let made = self.0.as_ref()?;
        let is_good = made.version == version && made.at.elapsed() < SERVES;
        is_good.then(|| made.text.clone())
    }

    /// Keeps a text that was made now.
    pub(super) fn keep(&mut self, version: u64, text: String) -> Bytes {
        let text = Bytes::from(text);
        self.0 = Some(MadeText {
            text: text.clone(),
            version,
            at: Instant::now(),
        });
        text
    }
}
