//! Names that the configuration gives to things: one alphabet for all of them.

/// Makes the type of such a name: 1 to 64 letters, digits and `. _ -`. `what` is what has
/// the name, as an error says it.
macro_rules! label {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::model::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                if (1..=64).contains(&text.len()) && text.chars().all(is_plain) {
                    return Ok(Self(text.to_owned()));
                }
                Err($crate::model::Invalid::new(format!(
                    "{text:?} is not a name for {}; expected 1 to 64 letters, digits and . _ -",
                    $what
                )))
            }
        }

        $crate::model::text_form!($type);
    };
}
pub(super) use label;
