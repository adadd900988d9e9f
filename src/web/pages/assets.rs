//! The stylesheet, the script and the icon, which are part of the program.

use std::sync::LazyLock;

/// The stylesheet.
pub(crate) const STYLE: &str = include_str!("templates/style.css");
/// The script that keeps a page up to date.
pub(crate) const SCRIPT: &str = include_str!("templates/live.js");
/// The icon of the tab.
pub(crate) const ICON: &str = include_str!("templates/icon.svg");

/// A text that is another one with any other content of the files, so that a browser may
/// keep them forever.
pub(super) fn edition() -> &'static str {
    static EDITION: LazyLock<String> = LazyLock::new(|| {
        use sha2::{Digest as _, Sha256 as Hasher};
        let mut hasher = Hasher::new();
        for text in [STYLE, SCRIPT, ICON] {
            hasher.update(text);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let digest = crate::model::Sha256::from_bytes(digest);
        format!("{:.10}", digest.to_string())
    });
    &EDITION
}
