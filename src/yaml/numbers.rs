//! Whole numbers as YAML writes them.

/// Why a number is refused that readers of YAML read apart: with a zero in front it
/// is octal to some, and decimal to others.
pub(crate) fn read_apart(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let rest = digits.strip_prefix('0')?;
    let whole = rest.trim_start_matches('_').trim_start_matches('0');
    if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '_')
        || !rest.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    {
        return None;
    }
    let whole = whole.replace('_', "");
    let decimal = if whole.is_empty() { "0" } else { &whole };
    let octal = u64::from_str_radix(&whole, 8).ok();
    let octal = octal
        .map(|value| format!(" or {value}"))
        .unwrap_or_default();
    Some(format!(
        "the number {text} begins with 0; some programs read it as octal, others as decimal: \
         write {decimal}{octal}"
    ))
}

/// The value of a whole number as YAML writes it.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let value = i128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    Some(sign * value)
}
