//! The alphabet of names that end up on command lines.

/// The longest text accepted for names of hosts, logins and nodes (DNS's limit).
const NAME_MAX: usize = 253;

/// True for letters, digits and the extra characters.
pub(super) fn plain(text: &str, extra: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_MAX
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// A type around a shared text that is shown and written as it is.
macro_rules! shared_text {
    ($type:ty) => {
        impl $type {
            /// The text that was accepted.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
        crate::model::text_form!($type);
    };
}
pub(super) use shared_text;
