//! What rsync prints and how it ends: its progress lines, its messages, its exit codes.

use crate::io::Meter;

/// Reads rsync's progress as it arrives: `  1234567  45%  1.2MB/s  0:00:01`,
/// each over the last with a carriage return.
pub(crate) struct RsyncProgress<'a> {
    meter: &'a Meter,
    line: Vec<u8>,
    sent: Option<u64>,
}

impl<'a> RsyncProgress<'a> {
    pub(crate) fn new(meter: &'a Meter) -> Self {
        Self {
            meter,
            line: Vec::new(),
            sent: None,
        }
    }

    /// The bytes that rsync says it sent, where it was asked to say so much.
    pub(crate) fn sent(&self) -> Option<u64> {
        self.sent
    }

    /// Takes the next piece of rsync's output.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if matches!(byte, b'\r' | b'\n') {
                if let Some(done) = done(&self.line) {
                    self.meter.set_done(done);
                }
                self.sent = sent(&self.line).or(self.sent);
                self.line.clear();
            } else if self.line.len() < 256 {
                self.line.push(byte);
            }
        }
    }
}

/// The bytes that a progress line tells of. rsync groups digits unless it does
/// as `--no-human-readable` says, which old versions do not.
fn done(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let (bytes, percent) = (words.next()?, words.next()?);
    percent.strip_suffix('%')?.parse::<u8>().ok()?;
    bytes.replace([',', '.'], "").parse().ok()
}

/// `sent 1234 bytes  received 35 bytes  …`, which `-v` brings.
fn sent(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("sent ")?;
    let (bytes, rest) = line.split_once(' ')?;
    rest.starts_with("bytes").then_some(())?;
    bytes.replace([',', '.'], "").parse().ok()
}

/// How rsync begins a line about something of its own.
const LINE: &str = "rsync: ";

/// How rsync sums up what it told of before.
const SUMMARY: &str = "rsync error: ";

/// How lines begin that tell of a mode, an owner, a time or the like that was not set.
/// The texts are rsync's own, which it never translates.
const ATTRIBUTES: [&str; 6] = [
    "failed to set ",
    "chown ",
    "chgrp ",
    "set_acl: ",
    "rsync_xal_set: ",
    "failed to write xattr ",
];

/// True if an exit code 23 is about nothing but modes, owners, times and the like: then
/// every byte was sent. Whether they are the right ones is for the digest to say.
pub(crate) fn lacks_only_attributes(code: i32, stderr: &str) -> bool {
    let mut told = stderr
        .lines()
        .filter_map(|line| line.strip_prefix(LINE))
        // `[receiver] `, which versions before 3.2 do not write.
        .map(|line| match line.strip_prefix('[') {
            Some(rest) => rest.split_once("] ").map_or(line, |(_, text)| text),
            None => line,
        })
        .peekable();
    code == 23
        && told.peek().is_some()
        && told.all(|text| ATTRIBUTES.iter().any(|begin| text.starts_with(begin)))
}

/// How many lines of standard error are part of an error's text.
const SAID_LINES: usize = 3;

/// How many characters of each line are.
const SAID: usize = 240;

/// The lines in which rsync says what went wrong, to stand behind the meaning of its exit
/// code; the first lines of whatever there is where none is rsync's.
pub(crate) fn said(stderr: &str) -> String {
    let lines = || stderr.lines().filter(|line| !line.starts_with(SUMMARY));
    let is_own = |line: &&str| line.starts_with(LINE);
    let any = lines().any(|line| is_own(&line));
    let shown = lines()
        .filter(|line| !any || is_own(line))
        .take(SAID_LINES)
        .map(|line| match line.char_indices().nth(SAID) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        });
    let shown: Vec<String> = shown.collect();
    match shown.is_empty() {
        true => String::new(),
        false => format!(": {}", shown.join("; ")),
    }
}

/// True if standard error tells of a full disk, in any language.
pub(crate) fn is_disk_full(stderr: &str) -> bool {
    // 28 is ENOSPC, which rsync writes behind the translated text.
    stderr.contains("No space left on device") || stderr.contains("(28)")
}

/// True if rsync met text where its protocol should begin.
pub(crate) fn is_shell_noise(stderr: &str) -> bool {
    stderr.contains("is your shell clean?")
}

/// The meaning of an exit code, from the manual of rsync 3.4.
pub(crate) const fn meaning(code: i32) -> &'static str {
    match code {
        1 => "syntax or usage error",
        2 => "the two rsync versions are incompatible",
        3 => "error selecting input or output files",
        4 => "the action is not supported",
        5 => "the protocol could not be started",
        6 => "the log file cannot be written",
        10 => "socket error",
        11 => "file error",
        12 => "the connection broke",
        13 => "error in the program's own messages",
        14 => "communication error with its helper",
        20 => "it was stopped",
        21 => "waiting for its helper failed",
        22 => "out of memory",
        23 => "the file was not transferred completely",
        24 => "the file vanished while it was read",
        25 => "the limit of deletions was reached",
        30 => "the node made no progress",
        35 => "the connection to a daemon timed out",
        126 | 127 => "the node could not run rsync",
        255 => "ssh failed",
        -1 => "it was killed",
        _ => "unknown code",
    }
}

/// True if the same push may succeed later without anybody doing anything.
pub(crate) const fn is_transient(code: i32) -> bool {
    !matches!(code, 1..=4 | 6 | 25 | 126 | 127)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_in_whatever_pieces_it_comes() {
        let output =
            b"sending incremental file list\nimage.iso\n\r         32,768   0%    0.00kB/s    \
            0:00:00  \r      1234567  45%  117.99MB/s    0:00:01\r 2.743.742 100% 1MB/s 0:00:02 \
            (xfr#1, to-chk=0/1)\n\nsent 1,234 bytes  received 35 bytes\n";
        for size in [1, 7, output.len()] {
            let meter = Meter::default();
            let mut seen = Vec::new();
            let mut progress = RsyncProgress::new(&meter);
            for piece in output.chunks(size) {
                progress.take(piece);
                seen.push(meter.read().0);
            }
            seen.dedup();
            assert_eq!(seen.last(), Some(&2_743_742));
            if size == 1 {
                assert_eq!(seen, [0, 32_768, 1_234_567, 2_743_742]);
            }
            assert_eq!(progress.sent(), Some(1234));
        }
    }

    #[test]
    fn what_looks_like_progress_and_is_none_is_left_alone() {
        for line in ["sent 1,234 bytes", "12 files", "100%", "7 x%", ""] {
            assert_eq!(done(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn what_is_only_about_attributes_is_told_from_what_is_about_bytes() {
        let mode = "rsync: [receiver] failed to set permissions on \"/d/p\": Operation not \
                    permitted (1)";
        let old = "rsync: chown \"/d/p\" failed: Operation not permitted (1)";
        let temporary = "rsync: [receiver] mkstemp \"/d/.p\" failed: Operation not permitted (1)";
        let end = "rsync error: some files/attrs were not transferred (see previous errors) \
                   (code 23) at main.c(1394) [sender=3.5.0]";
        for (lines, expected) in [
            (vec![mode, end], true),
            (vec!["Welcome", old, mode, end], true),
            (vec![temporary, end], false),
            (vec![mode, temporary, end], false),
            (vec![end], false),
            (vec![], false),
        ] {
            let stderr = lines.join("\n");
            assert_eq!(lacks_only_attributes(23, &stderr), expected, "{stderr}");
            assert!(!lacks_only_attributes(11, &stderr));
        }
        assert_eq!(
            said(&[mode, "Welcome", old, end].join("\n")),
            format!(": {mode}; {old}")
        );
        assert_eq!(said("sh: 1: rsync: not found"), ": sh: 1: rsync: not found");
        assert_eq!(said(end), "");
        let long = said(&format!("rsync: {}", "ü".repeat(1000)));
        assert_eq!(long.chars().count(), SAID + 3);
    }
}
