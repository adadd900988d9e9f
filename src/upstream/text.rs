//! Texts from outside made fit to be shown, and URLs without their secrets.

use url::Url;

use crate::model::is_invisible;

/// Characters of an upstream's text that are passed on.
const SHOWN: usize = 300;

/// A text of a server as part of one line of ours: no control characters, no
/// runs of blanks, not too long. `None` where nothing is left.
pub(super) fn shown(text: &str) -> Option<String> {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c))
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    if line.is_empty() {
        return None;
    }
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => Some(format!("{}…", &line[..end])),
        None => Some(line),
    }
}

/// A URL without user, password and fragment, and with the query hidden: object
/// storage puts its signatures there, and factories take a `?token=`.
pub(super) fn public(url: &Url) -> String {
    let mut url = without_user(url);
    url.set_fragment(None);
    if url.query().is_some() {
        url.set_query(Some("…"));
        // The URL type escapes the dots; a user need not see that.
        return url.as_str().replace("%E2%80%A6", "…");
    }
    url.into()
}

/// True for the content type of a web page.
pub(super) fn is_html(content_type: &str) -> bool {
    let kind = content_type.trim_start().to_ascii_lowercase();
    kind.starts_with("text/html") || kind.starts_with("application/xhtml")
}

/// True for a text that begins like a web page.
pub(super) fn is_page(text: &str) -> bool {
    let begin = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let begins = |with: &str| {
        begin
            .get(..with.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(with))
    };
    begins("<!doctype html") || begins("<html")
}

/// A URL without user and password.
pub(super) fn without_user(url: &Url) -> Url {
    let mut url = url.clone();
    // Both refuse only URLs that cannot have a user in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_paint_on_the_terminal() {
        assert_eq!(
            shown("\x1b[31mred\x07\r\n  second\tline \u{202e}evil\n").as_deref(),
            Some("[31mred second line evil")
        );
        assert_eq!(shown(" \n\0"), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = shown(&"ä".repeat(1000)).unwrap();
        assert_eq!(text.chars().count(), SHOWN + 1);
        assert!(text.ends_with('…'));
        assert_eq!(shown(&"ä".repeat(SHOWN)).unwrap().chars().count(), SHOWN);
    }

    #[test]
    fn a_url_is_shown_without_what_is_secret_in_it() {
        let url = Url::parse("https://me:pw@example.org/image/x.iso?token=t0p#frag").unwrap();
        assert_eq!(public(&url), "https://example.org/image/x.iso?…");
        let url = Url::parse("https://example.org/versions").unwrap();
        assert_eq!(public(&url), "https://example.org/versions");
    }
}
