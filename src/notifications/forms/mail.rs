//! Mail: a subject, plain text, and the same as HTML without anything that is loaded.

use super::super::escape::{html as escaped, plain as safe, short};
use crate::conclude::alerts::{AlertMessage, MessageText, Tone};

/// A mail has room for more than a chat.
const ITEMS_MOST: usize = 50;

/// Bytes of one text.
const TEXT_MOST: usize = 1000;

/// One line: what would end a header is shown as its code, and what looks like the encoding
/// of a header is none.
pub(in crate::notifications) fn subject(message: &AlertMessage) -> String {
    safe(&message.text(ITEMS_MOST).title).replace("=?", "=\u{2060}?")
}

pub(in crate::notifications) fn plain(message: &AlertMessage) -> String {
    let words = message.text(ITEMS_MOST).plain();
    let lines: Vec<String> = words.lines().map(safe).collect();
    lines.join("\r\n") + "\r\n"
}

pub(in crate::notifications) fn html(message: &AlertMessage) -> String {
    let text = message.text(ITEMS_MOST);
    format!(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>{}</title></head><body>{}</body></html>",
        escaped(&text.title),
        fragment(&text, TEXT_MOST)
    )
}

/// The part of a page, each text with at most so many bytes before it is escaped, with elements that mail and Matrix both know.
pub(super) fn fragment(text: &MessageText, most: usize) -> String {
    let mut html = format!(
        "<h4><font color=\"{}\">{}</font></h4>",
        mark(text.tone),
        escaped(&text.title)
    );
    for item in &text.items {
        let mark = mark(item.tone);
        html.push_str("<p>");
        if let Some(head) = &item.head {
            let head = escaped(&short(head, most));
            let head = match &item.link {
                Some(link) => format!("<a href=\"{}\">{head}</a>", escaped(link)),
                None => head,
            };
            html.push_str(&format!("<font color=\"{mark}\"><b>{head}</b></font><br>"));
        }
        html.push_str(&escaped(&short(&item.message, most)));
        for (label, value) in &item.facts {
            let value = escaped(&short(value, most));
            html.push_str(&format!("<br><b>{label}:</b> {value}"));
        }
        html.push_str("</p>");
    }
    let footer = text.footer.iter();
    let footer = footer.map(|(label, value)| format!("{label}: {}", escaped(&short(value, most))));
    let link = text.link.as_ref().map(|link| {
        let link = escaped(link);
        format!("<a href=\"{link}\">Status page</a>")
    });
    let footer: Vec<String> = footer.chain(link).collect();
    html.push_str(&format!("<p>{}</p>", footer.join("<br>")));
    html
}

const fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Error => "#d73a49",
        Tone::Warning => "#b08800",
        Tone::Good => "#28a745",
    }
}
