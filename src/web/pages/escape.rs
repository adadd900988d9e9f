//! How text of others gets into a page: nothing of it is markup, and nothing of it is
//! invisible. Every template uses this; `askama.toml` names it.

use std::fmt;

use askama::filters::{Escaper, Html};

use crate::model::visible_lines;

/// Escapes HTML, and shows what would not be seen as its code.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EscapedText;

impl Escaper for EscapedText {
    fn write_escaped_str<W: fmt::Write>(&self, to: W, text: &str) -> fmt::Result {
        Html.write_escaped_str(to, &visible_lines(text))
    }
}
