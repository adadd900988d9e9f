//! How go-yaml writes a string: plain, quoted or as a block.
//!
//! Two questions decide. Would the bare text be read back as something else
//! (a number, a boolean, a date)? [`reads_as_other`] follows go-yaml's
//! resolver. And do its characters allow the style at all? [`Analysis`] follows
//! its emitter. Where releases of go-yaml disagree about a text, or where what
//! they write cannot be read back, [`is_contested`] says so, and the id that
//! follows is a guess until the factory has answered.

/// The styles that go-yaml chooses between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmittedStyle {
    /// The bare text.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes, with escapes.
    Double,
    /// A `|` block.
    Literal,
}

/// What the characters of a text allow.
struct Analysis {
    plain: bool,
    single: bool,
    block: bool,
}

/// Chooses the style of a string; a key is never written as a block.
pub(super) fn style_of(text: &str, is_key: bool) -> EmittedStyle {
    let wanted = if text.contains('\n') {
        let blank = text.chars().all(char::is_whitespace);
        if text.len() < 2 || blank {
            EmittedStyle::Double
        } else {
            EmittedStyle::Literal
        }
    } else if looks_like_yaml_1_1(text) {
        EmittedStyle::Single
    } else if reads_as_other(text) {
        EmittedStyle::Double
    } else {
        EmittedStyle::Plain
    };
    let allowed = Analysis::of(text);
    match wanted {
        EmittedStyle::Plain if allowed.plain => EmittedStyle::Plain,
        EmittedStyle::Plain | EmittedStyle::Single if allowed.single => EmittedStyle::Single,
        EmittedStyle::Literal if allowed.block && !is_key => EmittedStyle::Literal,
        _ => EmittedStyle::Double,
    }
}

impl Analysis {
    fn of(text: &str) -> Self {
        let mut indicator = text.starts_with("---") || text.starts_with("...");
        let mut special = false;
        let mut tab = false;
        let mut line_break = false;
        let mut break_then_space = false;
        let mut space_then_break = false;
        // The start counts as a blank: a `#` there would begin a comment.
        let mut before = None;
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let next = rest.clone().next();
            let blank_follows = matches!(next, None | Some(' ' | '\t'));
            let first = before.is_none();
            indicator |= match c {
                '#' => before.is_none_or(|b| matches!(b, ' ' | '\t' | '\0') || is_break(b)),
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                '?' | '-' => first && blank_follows,
                ':' => blank_follows,
                _ => false,
            };
            tab |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            line_break |= is_break(c);
            break_then_space |= c == ' ' && before.is_some_and(is_break);
            space_then_break |= is_break(c) && before == Some(' ');
            before = Some(c);
        }
        let edge = |c: char| c == ' ' || is_break(c);
        let ragged = text.starts_with(edge) || text.ends_with(edge);
        let single = !(break_then_space || space_then_break || tab || special);
        Self {
            plain: single && !ragged && !line_break && !indicator,
            single,
            block: !(text.is_empty() || text.ends_with(' ') || space_then_break || special),
        }
    }
}

/// True for what YAML 1.1 takes for the end of a line.
pub(super) const fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// True if go-yaml writes the character as it is. Its test goes by the bytes
/// of UTF-8 and knows no sequence of four, so an emoji counts as unprintable.
pub(super) const fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

/// True if the bare text would be read as something other than a string.
fn reads_as_other(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", ".nan",
        ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf",
        "-.INF",
    ];
    if WORDS.contains(&text) {
        return true;
    }
    match text.as_bytes().first() {
        Some(b'.') => is_point_float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let plain = text.replace('_', "");
            is_timestamp(text) || is_int(&plain) || is_float(&plain)
        }
        _ => false,
    }
}

/// True for what only YAML 1.1 took for something else, and for the merge key:
/// go-yaml reads them as strings, and quotes them for the sake of others.
fn looks_like_yaml_1_1(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "<<", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off",
        "Off", "OFF",
    ];
    WORDS.contains(&text) || is_base_60(text)
}

/// True if releases of go-yaml are known to write the text in different ways,
/// or if it holds characters that they may come to treat differently.
pub(super) fn is_contested(text: &str) -> bool {
    // In double quotes until the release candidates of the fourth major version,
    // in single ones since; `<<` was once written bare.
    let yaml_1_1 = looks_like_yaml_1_1(text);
    // The third major version read a sign after a base prefix.
    let signed_base = text
        .strip_prefix(['0'])
        .and_then(|rest| rest.strip_prefix(['b', 'o']))
        .is_some_and(|rest| rest.replace('_', "").starts_with(['+', '-']));
    // An empty first line, and a text of nothing but blanks, were written in
    // ways that lost a line.
    let empty_line_first = text.starts_with('\n');
    let blank_lines = text.contains('\n') && text.chars().all(char::is_whitespace);
    // A block that starts with a tab is written, and then refused when read.
    let tab_first = text.starts_with('\t') && text.contains('\n');
    // Go once read no more than nine digits of a second's fraction.
    let fraction = text.split(['.', ',']).nth(1).unwrap_or_default();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let fine_timestamp = digits > 9 && is_timestamp(text);
    let odd = |c: char| c != '\t' && (!is_printable(c) || c != '\n' && is_break(c));
    yaml_1_1
        || signed_base
        || empty_line_first
        || blank_lines
        || tab_first
        || fine_timestamp
        || text.contains(odd)
}

/// An integer in Go's syntax, underscores already removed: decimal, `0x`, `0o`,
/// `0b`, or octal with a leading zero; negative ones need 64 bits with a sign,
/// others fit without.
pub(super) fn is_int(text: &str) -> bool {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'+' | b'-') => text.split_at(1),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return false;
    }
    match (sign, u64::from_str_radix(digits, radix)) {
        (_, Err(_)) => false,
        ("", Ok(_)) => true,
        ("-", Ok(value)) => value <= 1 << 63,
        (_, Ok(value)) => value < 1 << 63,
    }
}

/// A decimal float, underscores already removed. One that is too great for 64
/// bits is a string again.
pub(super) fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mantissa_end = unsigned.find(['e', 'E']).unwrap_or(unsigned.len());
    let (mantissa, exponent) = unsigned.split_at(mantissa_end);
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        None => !mantissa.is_empty() && digits(mantissa),
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
    };
    let exponent_fits = exponent.get(1..).is_none_or(|power| {
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        !power.is_empty() && digits(power)
    });
    mantissa_fits && exponent_fits && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// A float that starts with a point. Here go-yaml leaves the underscores in,
/// and Go accepts them between digits.
fn is_point_float(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let separators_fit = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'_')
        .all(|(at, _)| at > 0 && digit_at(at - 1) && digit_at(at + 1));
    separators_fit && is_float(&text.replace('_', ""))
}

/// YAML 1.1's `190:20:30.15`; nobody reads it any more, but it is quoted still.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut parts = unsigned.split(':');
    let separated = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let sixty = |part: &str| match part.as_bytes() {
        [ones] => ones.is_ascii_digit(),
        [tens, ones] => (b'0'..=b'5').contains(tens) && ones.is_ascii_digit(),
        _ => false,
    };
    let first = parts.next().unwrap_or_default();
    if !(first.starts_with(|c: char| c.is_ascii_digit()) && separated(first)) {
        return false;
    }
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else {
        return false;
    };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    rest.into_iter().all(sixty) && sixty(last) && separated(fraction)
}

/// A date, or a date and a time, in one of the four forms that go-yaml reads:
/// `2006-1-2`, with `T` or `t` and a zone, or with a blank and without one.
pub(super) fn is_timestamp(text: &str) -> bool {
    let mut text = Cursor(text);
    let Some(year) = text.digits(4, 4) else {
        return false;
    };
    let date = |text: &mut Cursor<'_>| -> Option<()> {
        text.literal('-')?;
        let month = text.digits(1, 2).filter(|m| (1..=12).contains(m))?;
        text.literal('-')?;
        let day = text.digits(1, 2)?;
        (1..=days_in(year, month)).contains(&day).then_some(())
    };
    let time = |text: &mut Cursor<'_>| -> Option<()> {
        text.digits(1, 2).filter(|hour| *hour < 24)?;
        text.literal(':')?;
        text.digits(1, 2).filter(|minute| *minute < 60)?;
        text.literal(':')?;
        text.digits(1, 2).filter(|second| *second < 60)?;
        let fraction = text.0.strip_prefix(['.', ',']).unwrap_or_default();
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            text.0 = &fraction[digits..];
        }
        Some(())
    };
    if date(&mut text).is_none() {
        return false;
    }
    if text.0.is_empty() {
        return true;
    }
    if text.0.starts_with(' ') {
        text.0 = text.0.trim_start_matches(' ');
        return time(&mut text).is_some() && text.0.is_empty();
    }
    text.0.starts_with(['T', 't']) && {
        text.0 = &text.0[1..];
        time(&mut text).is_some() && is_zone(text.0)
    }
}

/// `Z`, or an offset such as `+02:00`.
fn is_zone(text: &str) -> bool {
    let mut text = Cursor(text);
    let offset = |text: &mut Cursor<'_>| -> Option<()> {
        text.digits(2, 2).filter(|hour| *hour <= 24)?;
        text.literal(':')?;
        text.digits(2, 2).filter(|minute| *minute <= 60)?;
        text.0.is_empty().then_some(())
    };
    if text.0 == "Z" {
        return true;
    }
    (text.literal('+').is_some() || text.literal('-').is_some()) && offset(&mut text).is_some()
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The part of a text that is still to be read.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn literal(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// Between `least` and `most` decimal digits, as many as there are.
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let found = self.0.bytes().take(most).take_while(u8::is_ascii_digit);
        let count = found.count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits.parse().ok()
    }
}
