//! What go-yaml reads in an unquoted scalar of an overlay's options.
//!
//! Options are any YAML, and the factory hands on what its reader made of them. Other
//! readers, among them ours, take some scalars for something else: `010` for ten, `yes`
//! for true, `2026-01-01` for text. An image with another value than the one that was
//! meant boots all the same, so such a scalar is refused, with what to write in its
//! place; everything else gets the value that go-yaml gives it.

use serde_json::{Number, Value};

use super::scalar::{is_float, is_int, is_timestamp};

/// The value of an unquoted scalar.
///
/// # Errors
/// Why readers of YAML disagree about it; what a message says after the text.
pub fn plain_value(text: &str) -> Result<Value, &'static str> {
    const OLD_BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    const NO_NUMBERS: [&str; 3] = [".inf", ".nan", "inf"];
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let lower = text.to_ascii_lowercase();
    if OLD_BOOLEANS.contains(&lower.as_str()) || ["true", "false"].contains(&lower.as_str()) {
        return Err("is text for some YAML parsers and a boolean for others");
    }
    if lower == "null" {
        return Err("is text for some YAML parsers and null for others");
    }
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if NO_NUMBERS.contains(&unsigned) && text.contains('.') {
        return Err("is not a number that can be passed on");
    }
    if is_timestamp(text) {
        return Err("is a date for some YAML parsers and text for others");
    }
    let first = text.as_bytes().first().copied().unwrap_or_default();
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Ok(Value::String(text.to_owned()));
    }
    number(text)
}

/// A text that begins like a number.
fn number(text: &str) -> Result<Value, &'static str> {
    let digits = text.replace('_', "");
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    let leading_zero =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    if leading_zero && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err("starts with 0, which some YAML parsers read as octal");
    }
    if is_int(&digits) {
        return match integer(&digits) {
            Some(value) if value.is_zero_with_sign(&digits) => Err(NEGATIVE_ZERO),
            Some(value) => Ok(Value::Number(value.0)),
            None => Err(TOO_GREAT),
        };
    }
    let looks_whole = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
    let has_base = unsigned.len() > 2 && unsigned.starts_with('0') && {
        let base = unsigned.as_bytes()[1].to_ascii_lowercase();
        matches!(base, b'x' | b'o' | b'b') && unsigned[2..].bytes().all(|b| b.is_ascii_hexdigit())
    };
    if looks_whole || has_base {
        return Err(TOO_GREAT);
    }
    if is_float(&digits) {
        if text.contains('_') {
            return Err("is a number for some YAML parsers and text for others");
        }
        let value: f64 = digits.parse().map_err(|_| TOO_GREAT)?;
        if value == 0.0 && value.is_sign_negative() {
            return Err(NEGATIVE_ZERO);
        }
        return Number::from_f64(value).map(Value::Number).ok_or(TOO_GREAT);
    }
    // In the form of a number, and too great for one.
    if digits.parse::<f64>().is_ok() {
        return Err(TOO_GREAT);
    }
    Ok(Value::String(text.to_owned()))
}

const NEGATIVE_ZERO: &str = "is written differently by different factory releases";
const TOO_GREAT: &str = "is too large: YAML parsers round it or read it as text";

struct Whole(Number);

impl Whole {
    fn is_zero_with_sign(&self, text: &str) -> bool {
        self.0.as_u64() == Some(0) && text.starts_with('-')
    }
}

/// A whole number in Go's syntax, of which [`is_int`] has said that it is one.
fn integer(text: &str) -> Option<Whole> {
    let negative = text.starts_with('-');
    let digits = text
        .strip_prefix(['+', '-'])
        .unwrap_or(text)
        .to_ascii_lowercase();
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits.as_str()),
    };
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    let number = match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => Number::from(value),
        (_, Ok(value)) => Number::from(value),
        _ => return None,
    };
    Some(Whole(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_has_the_value_that_go_yaml_gives_it_or_is_refused() {
        for (text, value) in [
            ("mydata", json!("mydata")),
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("True", json!(true)),
            ("FALSE", json!(false)),
            ("0", json!(0)),
            ("4096", json!(4096)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("0X1f", json!(31)),
            ("0o17", json!(15)),
            ("0b101", json!(5)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("10.0.0.1", json!("10.0.0.1")),
            ("1.2.3", json!("1.2.3")),
            ("12:30", json!("12:30")),
            ("-", json!("-")),
            ("-a", json!("-a")),
            ("0xg", json!("0xg")),
            ("yesterday", json!("yesterday")),
        ] {
            assert_eq!(plain_value(text), Ok(value), "{text}");
        }
        for text in [
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "N",
            "tRUE",
            "nULL",
            "010",
            "-010",
            "08",
            "0_8",
            "00",
            "-0",
            "-0.0",
            ".inf",
            "-.INF",
            ".NaN",
            "2026-01-01",
            "2026-1-2 10:00:00",
            "18446744073709551616",
            "-9223372036854775809",
            "0x1ffffffffffffffff",
            "1e400",
            "1_0.5",
        ] {
            assert!(plain_value(text).is_err(), "{text}");
        }
    }
}
