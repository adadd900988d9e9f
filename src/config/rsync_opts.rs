//! Options for rsync that a delivery cannot work with.
//!
//! Options often come from a script that did something else with rsync: mirrored a
//! directory, moved files away. Here one file goes to a hidden name, is checked there and
//! renamed. What takes the source away, writes to another name, or skips the file breaks
//! that, and often only after a whole image was sent.

/// An option, and why it is refused. A long one that ends in `*` stands for all that
/// begin so.
type Refused = (&'static str, &'static str);

const TAKES_AWAY: &str = "it removes the image from the cache";
const REMOVES: &str = "it removes other files on the node; use `prune` for that";
const RENAMES: &str = "it writes a file name that talos-order does not verify";
const SKIPS: &str = "it may skip the file";
const NOTHING: &str = "it transfers nothing";
const ELSEWHERE: &str = "it transfers other files, or to another directory";
const UNCHECKED: &str = "it keeps existing files without comparing them";

/// Long options.
const LONG: &[Refused] = &[
    ("remove-source-files", TAKES_AWAY),
    ("remove-sent-files", TAKES_AWAY),
    ("del", REMOVES),
    ("delete*", REMOVES),
    ("backup*", RENAMES),
    ("suffix", RENAMES),
    ("dry-run", NOTHING),
    ("list-only", NOTHING),
    ("existing", SKIPS),
    ("ignore-existing", SKIPS),
    ("ignore-non-existing", SKIPS),
    ("update", SKIPS),
    ("size-only", SKIPS),
    ("max-size", SKIPS),
    ("min-size", SKIPS),
    ("exclude*", SKIPS),
    ("include*", SKIPS),
    ("filter", SKIPS),
    ("cvs-exclude", SKIPS),
    ("files-from", ELSEWHERE),
    ("compare-dest", ELSEWHERE),
    ("copy-dest", ELSEWHERE),
    ("link-dest", ELSEWHERE),
    ("read-batch", ELSEWHERE),
    ("write-batch", ELSEWHERE),
    ("only-write-batch", ELSEWHERE),
    ("daemon", ELSEWHERE),
    ("server", ELSEWHERE),
    ("sender", ELSEWHERE),
    ("remote-option", ELSEWHERE),
    ("relative", ELSEWHERE),
    ("append", UNCHECKED),
    ("version", NOTHING),
    ("help", NOTHING),
    ("stop-after", SKIPS),
    ("stop-at", SKIPS),
    ("time-limit", SKIPS),
];

/// Short options, alone or among others, as in `-avn`.
const SHORT: &[(char, &str)] = &[
    ('b', RENAMES),
    ('M', ELSEWHERE),
    ('R', ELSEWHERE),
    ('V', NOTHING),
    ('n', NOTHING),
    ('u', SKIPS),
    ('f', SKIPS),
    ('F', SKIPS),
    ('C', SKIPS),
];

/// Short options that take the rest of their word as a value.
const WITH_VALUE: &str = "eTB@";

/// The first option that is refused, as it is written, with the reason.
pub(super) fn refused(words: &[String]) -> Option<(String, &'static str)> {
    words.iter().find_map(|word| {
        if let Some(long) = word.strip_prefix("--") {
            let name = long.split('=').next().unwrap_or_default();
            let (_, why) = LONG
                .iter()
                .find(|(option, _)| match option.strip_suffix('*') {
                    Some(begin) => name.starts_with(begin),
                    None => name == *option,
                })?;
            return Some((format!("--{name}"), *why));
        }
        for letter in word.strip_prefix('-')?.chars() {
            if let Some((_, why)) = SHORT.iter().find(|(option, _)| *option == letter) {
                return Some((format!("-{letter}"), *why));
            }
            if WITH_VALUE.contains(letter) {
                break;
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(text: &str) -> Option<String> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        refused(&words).map(|(option, _)| option)
    }

    #[test]
    fn what_would_break_a_delivery_is_refused() {
        for (text, expected) in [
            ("-av --remove-source-files", "--remove-source-files"),
            ("--delete-after", "--delete-after"),
            ("-avn", "-n"),
            ("-u -a", "-u"),
            ("-bv", "-b"),
            ("--backup-dir=/x", "--backup-dir"),
            ("--files-from list", "--files-from"),
            ("--exclude=*.iso", "--exclude"),
            ("--append", "--append"),
            ("-M--dry-run", "-M"),
            ("-aR", "-R"),
            ("--version", "--version"),
        ] {
            assert_eq!(option(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_accepted() {
        for text in [
            "-av --progress --inplace",
            "-av --bwlimit=5m --partial-dir=.tmp --delay-updates --no-inplace",
            "--rsync-path=/opt/bin/rsync -z --append-verify --info=progress2",
            "-esshn -B8192",
            "--timeout=60 --numeric-ids -W -S",
        ] {
            assert_eq!(option(text), None, "{text}");
        }
    }
}
