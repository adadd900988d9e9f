//! How a server wants to be told of an entity tag.
//!
//! Servers answer with a tag in quotes, and HTTP wants it back like that. Ceph RGW, and
//! services made of it, compare what stands between the quotes with all that was sent when
//! they write, so no condition would ever hold. Other servers refuse a tag without
//! quotes. Nothing tells which of them answers, and another version may be another one: a
//! condition that is refused although it holds is sent again in the other form, and what
//! worked is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// With or without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagForm {
    /// As HTTP has it, and as it was received.
    Quoted,
    /// What stands between the quotes.
    Bare,
}

impl TagForm {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Quoted => Self::Bare,
            Self::Bare => Self::Quoted,
        }
    }

    /// A tag that was received, in this form.
    pub(super) fn of(self, tag: &str) -> &str {
        match self {
            Self::Quoted => tag,
            Self::Bare => between_quotes(tag).unwrap_or(tag),
        }
    }

    /// True for a tag that is not the same in both forms.
    pub(super) fn has_both(tag: &str) -> bool {
        between_quotes(tag).is_some()
    }
}

/// The form that worked last with a server. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct LearnedForm {
    is_bare: Arc<AtomicBool>,
}

impl LearnedForm {
    pub(super) fn form(&self) -> TagForm {
        match self.is_bare.load(Ordering::Relaxed) {
            true => TagForm::Bare,
            false => TagForm::Quoted,
        }
    }

    pub(super) fn learn(&self, form: TagForm) {
        self.is_bare.store(form == TagForm::Bare, Ordering::Relaxed);
    }
}

fn between_quotes(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tag_in_quotes_has_two_forms() {
        assert_eq!(TagForm::Bare.of("\"ab\""), "ab");
        assert_eq!(TagForm::Quoted.of("\"ab\""), "\"ab\"");
        for tag in ["ab", "W/\"ab\"", "\"", "\"ab", ""] {
            assert!(!TagForm::has_both(tag), "{tag}");
            assert_eq!(TagForm::Bare.of(tag), tag);
        }
    }
}
