//! What a server answers in place of what was asked for, in a few words.
//!
//! `object_store` gives it as a sentence around the sentence of its own client around the
//! XML of the server, each of which repeats the next. The code of S3 and the innermost
//! cause are what somebody can act on.

use std::error::Error;
use std::fmt;

use crate::model::visible;

/// The most characters of a server's own words that are shown.
const WORDS: usize = 200;

/// What `object_store` writes before a status.
const STATUS: &str = "status code: ";

/// Why something did not happen: what the server said, or why nothing was heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAnswer {
    status: Option<u16>,
    /// The code of S3, such as `NoSuchBucket`.
    code: Option<String>,
    words: String,
}

impl BucketAnswer {
    /// The HTTP status; `None` where nothing was heard, or something else is wrong.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The code of S3, such as `NoSuchBucket`.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// True where it is not the object that is missing.
    pub(super) fn is_no_bucket(&self) -> bool {
        self.code() == Some("NoSuchBucket")
    }

    /// True where it is the object that is missing. A 404 without the code of S3 is no such
    /// knowledge: a proxy answers like this, and a server of something else.
    pub(super) fn is_no_object(&self) -> bool {
        // What is in memory has no status.
        self.status.is_none() || self.code() == Some("NoSuchKey")
    }

    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        let text = innermost.to_string();
        let Some((_, answer)) = text.split_once(STATUS) else {
            return Self {
                status: None,
                code: None,
                words: shown(&text),
            };
        };
        let (head, body) = answer.split_once(": ").unwrap_or((answer, ""));
        let status = head
            .split(' ')
            .next()
            .and_then(|digits| digits.parse().ok());
        let code = element(body, "Code").map(shown);
        let message = element(body, "Message").map(shown);
        let said: Vec<&str> = [&code, &message]
            .into_iter()
            .filter_map(|part| part.as_deref())
            .filter(|part| !part.is_empty())
            .collect();
        let words = match said.is_empty() {
            true => shown(head),
            false => format!("{}: {}", shown(head), said.join(": ")),
        };
        Self {
            status,
            code,
            words,
        }
    }
}

impl fmt::Display for BucketAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for BucketAnswer {}

/// The text of the first element of this name. The errors of S3 have no others of it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(WORDS).collect();
    visible(short.trim()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> BucketAnswer {
        BucketAnswer::of(&object_store::Error::Generic {
            store: "S3",
            source: text.to_owned().into(),
        })
    }

    #[test]
    fn the_code_and_the_words_of_the_server_are_what_is_shown() {
        let xml = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n\
                   <Error><Code>SignatureDoesNotMatch</Code><Message>The signature\nis wrong\
                   </Message></Error>";
        let denied = answer(xml);
        assert_eq!(denied.status(), Some(403));
        assert_eq!(denied.code(), Some("SignatureDoesNotMatch"));
        assert_eq!(
            denied.to_string(),
            "403 Forbidden: SignatureDoesNotMatch: The signature"
        );
    }

    #[test]
    fn a_page_of_a_proxy_is_its_status() {
        let page = answer("Server returned non-2xx status code: 502 Bad Gateway: <html>\n</html>");
        assert_eq!((page.status(), page.code()), (Some(502), None));
        assert_eq!(page.to_string(), "502 Bad Gateway");
    }

    #[test]
    fn silence_has_no_status() {
        let silence = answer("no answer for 60s");
        assert_eq!(silence.status(), None);
        assert_eq!(silence.to_string(), "no answer for 60s");
    }
}
