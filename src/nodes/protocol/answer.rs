//! Reads what a script printed: the frame around an answer, and its fields.
//!
//! `scripts/common.sh` describes and writes it.

use crate::io::process::printable;
use crate::model::Sha256;

/// A whole answer: its fields, and what was printed before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScriptAnswer<'a> {
    /// What the login shell printed; empty for a clean one.
    pub noise: String,
    /// The tag and the value of each field.
    pub fields: Vec<(&'a str, &'a [u8])>,
}

/// Why some output is no whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The script did not begin; this is what was printed instead.
    NotBegun(String),
    /// The script began, and its end is missing.
    CutShort,
}

/// How much of foreign text is shown, in characters.
const SHOWN: usize = 120;

/// The beginning of foreign text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let text = printable(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Reads the output of a script that got this nonce.
pub(crate) fn read<'a>(output: &'a [u8], nonce: &str) -> Result<ScriptAnswer<'a>, NoAnswer> {
    match read_so_far(output, nonce)? {
        (answer, true) => Ok(answer),
        (_, false) => Err(NoAnswer::CutShort),
    }
}

/// The same while the script still runs: the fields that are complete, and whether these
/// are all.
pub(crate) fn read_so_far<'a>(
    output: &'a [u8],
    nonce: &str,
) -> Result<(ScriptAnswer<'a>, bool), NoAnswer> {
    let begin = format!("\0begin {nonce}\0");
    let end = format!("end {nonce}");
    let at = output
        .windows(begin.len())
        .position(|window| window == begin.as_bytes())
        .ok_or_else(|| NoAnswer::NotBegun(excerpt(output)))?;
    let mut answer = ScriptAnswer {
        noise: excerpt(&output[..at]),
        fields: Vec::new(),
    };
    let mut rest = &output[at + begin.len()..];
    while let Some(length) = rest.iter().position(|&byte| byte == 0) {
        let (field, after) = rest.split_at(length);
        rest = &after[1..];
        if field == end.as_bytes() {
            return Ok((answer, true));
        }
        let cut = field.iter().position(|&byte| byte == b' ');
        let (tag, value) = match cut {
            Some(cut) => (&field[..cut], &field[cut + 1..]),
            None => (field, &[][..]),
        };
        // Every tag is ours and plain; another is a field nobody asks for.
        let tag = std::str::from_utf8(tag).unwrap_or_default();
        answer.fields.push((tag, value));
    }
    Ok((answer, false))
}

impl<'a> ScriptAnswer<'a> {
    /// The value of the first field with this tag.
    pub(crate) fn first(&self, tag: &str) -> Option<&'a [u8]> {
        self.all(tag).next()
    }

    /// The values of all fields with this tag.
    pub(crate) fn all<'s>(&'s self, tag: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.fields
            .iter()
            .filter(move |(found, _)| *found == tag)
            .map(|&(_, value)| value)
    }

    /// The digest that is the first field with this tag.
    pub(crate) fn digest(&self, tag: &str) -> Option<Sha256> {
        std::str::from_utf8(self.first(tag)?).ok()?.parse().ok()
    }

    /// The numbers in the first field with this tag.
    pub(crate) fn numbers<const N: usize>(&self, tag: &str) -> Option<[u64; N]> {
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
        let answer = read(ANSWER, "n1").unwrap();
        assert_eq!(answer.noise, "Welcome!");
        assert_eq!(
            answer.fields,
            [
                ("tool", &b"rsync"[..]),
                ("tick", b""),
                ("file", b"0 12 a b\nc")
            ]
        );
        assert_eq!(answer.numbers::<2>("file"), None);
    }

    #[test]
    fn every_proper_beginning_of_an_answer_is_refused() {
        let whole = ANSWER.len() - b"bye".len();
        for length in 0..whole {
            assert!(read(&ANSWER[..length], "n1").is_err(), "{length}");
        }
        assert!(read(&ANSWER[..whole], "n1").is_ok());
    }

    #[test]
    fn another_answer_s_end_is_no_end() {
        let forged = b"\0begin n1\0file 0 1 end n2\0end n2\0";
        assert_eq!(read(forged, "n1"), Err(NoAnswer::CutShort));
    }
}
