//! A mail as bytes (RFC 5322, 2045, 2047): one kind, plain text and the same as HTML.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::mail;
use crate::conclude::alerts::AlertMessage;

/// Bytes of a text in one encoded word, which has at most 75 characters.
const WORD_MOST: usize = 42;

/// Characters in one line of base64.
const LINE_MOST: usize = 76;

/// A line that is longer is encoded; SMTP takes 998 characters.
const PLAIN_MOST: usize = 900;

/// Who a mail is from and to: a name, which may be empty, and an address.
pub(in crate::notifications) type Person = (String, String);

/// The bytes of a mail.
pub(in crate::notifications) fn bytes(
    message: &AlertMessage,
    from: &Person,
    to: &[Person],
) -> Vec<u8> {
    let to: Vec<String> = to.iter().map(person).collect();
    let domain = from.1.rsplit('@').next().unwrap_or("localhost");
    let boundary = format!("talos-order-{}", message.id);
    let headers = [
        ("From", person(from)),
        ("To", to.join(",\r\n ")),
        ("Subject", words(&mail::subject(message))),
        (
            "Date",
            message
                .at
                .strftime("%a, %d %b %Y %H:%M:%S +0000")
                .to_string(),
        ),
        // A second attempt is seen as the same mail.
        ("Message-ID", format!("<{}@{domain}>", message.id)),
        ("MIME-Version", "1.0".to_owned()),
        // Nobody's absence answers it.
        ("Auto-Submitted", "auto-generated".to_owned()),
        (
            "User-Agent",
            concat!("talos-order/", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        (
            "Content-Type",
            format!("multipart/alternative;\r\n boundary=\"{boundary}\""),
        ),
    ];
    let mut mail: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    for (kind, text) in [
        ("plain", mail::plain(message)),
        ("html", mail::html(message)),
    ] {
        let (encoding, body) = encoded(&text);
        mail.push_str(&format!(
            "\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{body}"
        ));
    }
    mail.push_str(&format!("\r\n--{boundary}--\r\n"));
    mail.into_bytes()
}

fn person((name, address): &Person) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_".contains(c);
    match name.as_str() {
        "" => address.clone(),
        name if name.chars().all(is_plain) => format!("{name} <{address}>"),
        name => format!("{} <{address}>", encoded_words(name)),
    }
}

/// A header of free text.
fn words(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
    match text.chars().all(is_plain) && !text.contains("=?") {
        true => text.to_owned(),
        false => encoded_words(text),
    }
}

fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_MOST));
        words.push(format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(word)));
        rest = after;
    }
    words.join("\r\n ")
}

/// A text as it is where that is fit for every server, and in base64 otherwise.
fn encoded(text: &str) -> (&'static str, String) {
    if text.is_ascii() && text.lines().all(|line| line.len() <= PLAIN_MOST) {
        return ("7bit", text.to_owned());
    }
    let base64 = BASE64_STANDARD.encode(text);
    let mut lines = String::with_capacity(base64.len() + base64.len() / 30);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_MOST));
        lines.push_str(line);
        lines.push_str("\r\n");
        rest = after;
    }
    ("base64", lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_no_character_of_others_that_means_something() {
        assert_eq!(words("plain [text]: 1"), "plain [text]: 1");
        assert_eq!(words("Größe"), "=?utf-8?B?R3LDtsOfZQ==?=");
        assert_eq!(words("=?utf-8?Q?x?="), encoded_words("=?utf-8?Q?x?="));
        let long = words(&"ä".repeat(100));
        assert!(long.lines().all(|line| line.trim().len() <= 75), "{long}");
        let who = |name: &str| person(&(name.to_owned(), "a@b.c".to_owned()));
        assert_eq!(who(""), "a@b.c");
        assert_eq!(who("Ops Team"), "Ops Team <a@b.c>");
        assert_eq!(
            who("a\" <x@y.z>, \"b"),
            "=?utf-8?B?YSIgPHhAeS56PiwgImI=?= <a@b.c>"
        );
    }

    #[test]
    fn a_text_is_encoded_only_where_it_has_to_be() {
        assert_eq!(encoded("a\r\nb\r\n"), ("7bit", "a\r\nb\r\n".to_owned()));
        assert_eq!(encoded("ä"), ("base64", "w6Q=\r\n".to_owned()));
        let (encoding, text) = encoded(&"x".repeat(1000));
        assert_eq!(encoding, "base64");
        assert!(text.lines().all(|line| line.len() <= 76));
    }
}
