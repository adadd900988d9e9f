//! Values as Perl writes them: numbers that may be strings, booleans that are 0, 1 or
//! missing.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number, or the text of one.
pub(super) fn number<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(d)?;
    read_number(&value).ok_or_else(|| serde::de::Error::custom(format!("{value} is no number")))
}

/// The same, where it may be missing or null.
pub(super) fn maybe_number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    Ok(read_number(&Value::deserialize(d)?))
}

/// The same, where it may be negative.
pub(super) fn maybe_signed<'de, D: Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(d)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// 0, 1, a string of one of them, or a boolean; with `default` also missing.
pub(super) fn switch<'de, D: Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(d)?;
    Ok(match &value {
        Value::Null => false,
        Value::Bool(switch) => *switch,
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "false"),
        other => read_number(other).is_some_and(|number| number != 0),
    })
}

/// A list of words, separated by commas, in order.
pub(super) fn words<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let text = Option::<String>::deserialize(d)?.unwrap_or_default();
    let mut words: Vec<String> = text
        .split([',', ';', ' '])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.sort();
    Ok(words)
}

fn read_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(whole) => Some(whole),
            // A size beyond 2^53 may come as a float.
            None => number
                .as_f64()
                .filter(|n| *n >= 0.0)
                .map(|n| format!("{n:.0}"))
                .and_then(|text| text.parse().ok()),
        },
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Answer {
        #[serde(deserialize_with = "super::number")]
        size: u64,
        #[serde(default, deserialize_with = "super::switch")]
        active: bool,
        #[serde(default, deserialize_with = "super::words")]
        content: Vec<String>,
    }

    #[test]
    fn what_perl_writes_is_read() {
        let read = |text: &str| serde_json::from_str::<Answer>(text);
        for text in [
            r#"{"size":5,"active":1,"content":"iso,backup"}"#,
            r#"{"size":"5","active":"1","content":"backup,iso","more":[]}"#,
            r#"{"size":5.0,"active":true,"content":"iso backup"}"#,
        ] {
            let answer = read(text).unwrap();
            assert_eq!((answer.size, answer.active), (5, true), "{text}");
            assert_eq!(answer.content, ["backup", "iso"], "{text}");
        }
        let answer = read(r#"{"size":0}"#).unwrap();
        assert!(!answer.active && answer.content.is_empty());
        assert!(read(r#"{"size":"many"}"#).is_err());
    }
}
