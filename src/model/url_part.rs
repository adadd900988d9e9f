//! A name as one part of the path of a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const KEPT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'@');

/// A name as one part of the path of a URL, whatever is in it. The pages of the controller
/// are named so.
pub fn url_part(name: &str) -> String {
    utf8_percent_encode(name, &KEPT).to_string()
}
