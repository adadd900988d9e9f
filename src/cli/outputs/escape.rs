//! Escapes that the strings of YAML and HCL have in common.

use crate::model::is_invisible;

/// The escape of a character that nobody would see; `None` for one that stays.
pub(super) fn escape(c: char) -> Option<String> {
    if !c.is_control() && !is_invisible(c) {
        return None;
    }
    Some(match u32::from(c) {
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    })
}
