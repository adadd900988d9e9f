//! The scripts that run on a node, and the frame around their answers.
//!
//! The same text runs through `sh -s` over ssh and on this machine, so there is
//! one protocol and one parser for both. `scripts/common.sh` describes the
//! frame; making and reading it stand side by side here.

use super::quote::for_shell;
use crate::io::process::printable;

/// What runs on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Observe,
    Prepare,
    Place,
    Receive,
    Discard,
    Clear,
    Renew,
    Release,
    Remove,
    Verify,
}

macro_rules! scripts {
    ($($name:literal)+) => {
        concat!($(include_str!(concat!("scripts/", $name, ".sh"))),+)
    };
}

/// What every script under a lease begins with.
macro_rules! lease {
    ($($name:literal)+) => {
        scripts!("common" "private" "lease" "digest" "record" $($name)+)
    };
}

impl Script {
    const fn body(self) -> &'static str {
        match self {
            Self::Observe => scripts!("common" "roots" "observe"),
            Self::Prepare => lease!("roots" "delivery" "prepare"),
            Self::Place => lease!("delivery" "place"),
            Self::Receive => lease!("delivery" "receive"),
            Self::Discard => lease!("discard"),
            Self::Clear => lease!("clear"),
            Self::Renew => lease!("renew"),
            Self::Release => lease!("release"),
            Self::Remove => lease!("remove"),
            Self::Verify => lease!("verify"),
        }
    }

    /// The programs for perl that a script runs, by the variable they are in.
    const fn programs(self) -> &'static [(&'static str, &'static str)] {
        const DATA: (&str, &str) = ("data_pl", include_str!("scripts/data.pl"));
        const RECEIVE: (&str, &str) = ("receive_pl", include_str!("scripts/receive.pl"));
        match self {
            Self::Prepare | Self::Place => &[DATA],
            Self::Receive => &[DATA, RECEIVE],
            Self::Observe
            | Self::Discard
            | Self::Clear
            | Self::Renew
            | Self::Release
            | Self::Remove
            | Self::Verify => &[],
        }
    }

    /// The text to feed to `sh -s`.
    ///
    /// The call stands between braces: a shell that does not get the closing
    /// one does not run it, not even with the words that did arrive.
    pub fn text(self, nonce: &str, words: &[&str]) -> String {
        let call = self.call(nonce, words);
        format!("{}{{ {call} </dev/null\n}}\n", self.head())
    }

    /// The command line of a script that reads a stream: the script cannot come the
    /// same way.
    pub fn line(self, nonce: &str, words: &[&str]) -> String {
        let text = format!("{}{}\n", self.head(), self.call(nonce, words));
        format!("sh -c {}", for_shell(&text))
    }

    fn head(self) -> String {
        let mut head = String::new();
        for (name, program) in self.programs() {
            head.push_str(&format!("{name}={}\n", for_shell(program)));
        }
        head + self.body()
    }

    fn call(self, nonce: &str, words: &[&str]) -> String {
        let mut call = format!("main {}", for_shell(nonce));
        for word in words {
            call.push(' ');
            call.push_str(&for_shell(word));
        }
        call
    }
}

/// The command line of a program that sends on what lies on a node, behind its first
/// `from` bytes, as `receive.sh` reads it.
pub(super) fn sender(path: &str, from: u64) -> String {
    let program = for_shell(include_str!("scripts/send.pl"));
    format!("perl -e {program} -- {} {from}", for_shell(path))
}

/// A word that no login shell prints by chance.
pub(super) fn nonce() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// A whole answer: its fields, and what was printed before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// What the login shell printed; empty for a clean one.
    pub noise: String,
    /// First word and rest of each field.
    pub fields: Vec<(&'a str, &'a [u8])>,
}

/// Why some output is no whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The script did not begin; this is what was printed instead.
    NotBegun(String),
    /// The script began, and its end is missing.
    CutShort,
}

/// How much of foreign text is shown, in characters.
const SHOWN: usize = 120;

/// The beginning of foreign text.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let text = printable(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Reads the output of a script.
pub(super) fn answer<'a>(output: &'a [u8], nonce: &str) -> Result<Answer<'a>, NoAnswer> {
    let begin = format!("\0begin {nonce}\0");
    let end = format!("end {nonce}");
    let at = output
        .windows(begin.len())
        .position(|window| window == begin.as_bytes())
        .ok_or_else(|| NoAnswer::NotBegun(excerpt(output)))?;
    let mut fields = Vec::new();
    let mut rest = &output[at + begin.len()..];
    while let Some(length) = rest.iter().position(|&byte| byte == 0) {
        let (field, after) = rest.split_at(length);
        rest = &after[1..];
        if field == end.as_bytes() {
            return Ok(Answer {
                noise: excerpt(&output[..at]),
                fields,
            });
        }
        let cut = field.iter().position(|&byte| byte == b' ');
        let (tag, value) = match cut {
            Some(cut) => (&field[..cut], &field[cut + 1..]),
            None => (field, &[][..]),
        };
        // Every tag is ours and plain; another is a field nobody asks for.
        fields.push((std::str::from_utf8(tag).unwrap_or_default(), value));
    }
    Err(NoAnswer::CutShort)
}

impl<'a> Answer<'a> {
    /// The value of the first field with this tag.
    pub fn first(&self, tag: &str) -> Option<&'a [u8]> {
        self.all(tag).next()
    }

    /// The values of all fields with this tag.
    pub fn all<'s>(&'s self, tag: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields
            .iter()
            .filter(move |(found, _)| *found == tag)
            .map(|&(_, value)| value)
    }

    /// The numbers in the first field with this tag.
    pub fn numbers<const N: usize>(&self, tag: &str) -> Option<[u64; N]> {
        let text = std::str::from_utf8(self.first(tag)?).ok()?;
        let numbers: Vec<u64> = text
            .split(' ')
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()?;
        numbers.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"Welcome!\n\0begin n1\0tool rsync\0tick\0file 0 12 a b\nc\0end n1\0bye";

    #[test]
    fn noise_is_told_from_the_answer() {
        let read = answer(ANSWER, "n1").unwrap();
        assert_eq!(read.noise, "Welcome!");
        assert_eq!(
            read.fields,
            [
                ("tool", &b"rsync"[..]),
                ("tick", b""),
                ("file", b"0 12 a b\nc")
            ]
        );
        assert_eq!(read.numbers::<2>("file"), None);
    }

    #[test]
    fn every_proper_beginning_of_an_answer_is_refused() {
        let whole = ANSWER.len() - b"bye".len();
        for length in 0..whole {
            assert!(answer(&ANSWER[..length], "n1").is_err(), "{length}");
        }
        assert!(answer(&ANSWER[..whole], "n1").is_ok());
    }

    #[test]
    fn another_answer_s_end_is_no_end() {
        let forged = b"\0begin n1\0file 0 1 end n2\0end n2\0";
        assert_eq!(answer(forged, "n1"), Err(NoAnswer::CutShort));
    }

    #[tokio::test]
    async fn a_script_that_did_not_arrive_whole_does_nothing() {
        let text = Script::Observe.text("n1", &["", "/"]);
        let whole = crate::io::process::Program::new("sh")
            .arg("-s")
            .stdin(text.clone());
        let whole = whole.run().await.unwrap();
        assert!(answer(&whole.stdout, "n1").is_ok());
        let call = text.rfind("{ main").unwrap();
        for cut in [call + 8, text.len() - 15, text.len() - 3] {
            let part = crate::io::process::Program::new("sh")
                .arg("-s")
                .stdin(&text[..cut]);
            let part = part.run().await.unwrap();
            assert_eq!(part.stdout, b"", "{:?}", &text[call..cut]);
        }
    }
}
