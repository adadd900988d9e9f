//! How a server wants to be told of an entity tag.
//!
//! Servers answer with a tag in quotes, and HTTP wants it back like that. Ceph RGW, and
//! services made of it, compare what stands between the quotes with all that was sent when
//! they write, so no condition would ever hold. Other servers refuse a tag without
//! quotes, and one that ignores it would write whatever is there. Nothing tells which of
//! them answers, so it is tried: quotes are proven by a condition that was taken, and a tag
//! without them only by an object of its own, whose old tag has to be refused. What is
//! proven is all that is sent from then on, until it is refused although it holds: another
//! server answers now, or another release, and the next write begins anew.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// With or without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagForm {
    /// As HTTP has it, and as it was received.
    Quoted,
    /// What stands between the quotes.
    Bare,
}

impl TagForm {
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

/// The form that a server was seen to understand. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ProvenForm {
    seen: Arc<Mutex<SeenForms>>,
}

#[derive(Debug, Default)]
struct SeenForms {
    taken: Option<TagForm>,
    /// Set once tags without quotes were seen to be compared.
    compares_bare: Arc<OnceCell<()>>,
}

impl ProvenForm {
    /// The form to send a tag in: as HTTP has it, until another one is proven.
    pub(super) fn form(&self) -> TagForm {
        self.proven().unwrap_or(TagForm::Quoted)
    }

    pub(super) fn proven(&self) -> Option<TagForm> {
        self.with(|seen| seen.taken)
    }

    /// A condition in this form was taken. The first one that is proven stays: with two, a
    /// condition that is refused would be sent again.
    pub(super) fn prove(&self, form: TagForm) {
        self.with(|seen| {
            seen.taken.get_or_insert(form);
        });
    }

    /// What was proven is so no longer, and what was tried has to be tried again.
    pub(super) fn forget(&self) {
        self.with(|seen| *seen = SeenForms::default());
    }

    /// Set by a trial that saw tags without quotes compared, for all who want to know it.
    pub(super) fn compares_bare(&self) -> Arc<OnceCell<()>> {
        self.with(|seen| Arc::clone(&seen.compares_bare))
    }

    fn with<T>(&self, act: impl FnOnce(&mut SeenForms) -> T) -> T {
        // Whole at every moment, also where somebody panicked.
        act(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
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
