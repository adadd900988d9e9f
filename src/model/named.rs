//! Types whose values have names.

/// The names of all values, as an error message lists them.
pub(super) fn accepted<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    all.iter()
        .map(|&value| name(value))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Implements the text form of a type whose values have names: `as_str` and
/// `ALL` in, `Display`, `FromStr` and serde out.
macro_rules! named_value {
    ($type:ty, $what:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl std::str::FromStr for $type {
            type Err = $crate::model::Invalid;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str() == text)
                    .ok_or_else(|| {
                        $crate::model::Invalid::new(format!(
                            "{text:?} is not {}; expected {}",
                            $what,
                            $crate::model::named::accepted(&Self::ALL[..], Self::as_str)
                        ))
                    })
            }
        }
        $crate::model::text_form!($type);
    };
}
pub(super) use named_value;
