//! What git says, in English as we ask for it, and what it means.

use super::error::SourceError;
use crate::model::visible;

/// The longest message that is repeated, in characters.
const LINE_MAX: usize = 400;

/// Lines that say the same in more words, or nothing that helps.
const NOISE: [&str; 7] = [
    "please make sure you have the correct access rights",
    "and the repository exists.",
    "could not read from remote repository",
    "warning: filtering not recognized by server, ignoring",
    "hint:",
    "@@@@",
    "the remote end hung up unexpectedly",
];

const UNREACHABLE: [&str; 14] = [
    "could not resolve host",
    "connection refused",
    "failed to connect",
    "couldn't connect",
    "connection timed out",
    "operation timed out",
    "connection reset",
    "connection closed by",
    "no route to host",
    "network is unreachable",
    "returned error: 5",
    "operation too slow",
    "empty reply from server",
    "timed out waiting",
];

const DENIED: [&str; 8] = [
    "permission denied",
    "authentication failed",
    "could not read username",
    "could not read password",
    "returned error: 401",
    "returned error: 403",
    "access denied",
    "not authorized",
];

const NO_REPOSITORY: [&str; 4] = [
    "not found",
    "does not appear to be a git repository",
    "does not exist",
    "returned error: 404",
];

/// Why a command failed that asked the remote.
pub(super) fn why(what: &'static str, stderr: &str) -> SourceError {
    let text = stderr.to_lowercase();
    let said = one_line(stderr);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&[
        "host key verification failed",
        "host identification has changed",
    ]) {
        SourceError::HostKey { said }
    } else if has(&["certificate", "ssl peer", "self-signed"]) {
        SourceError::Certificate { said }
    } else if has(&["dubious ownership", "unsafe repository"]) {
        SourceError::OtherOwner { said }
    } else if has(&DENIED) {
        SourceError::Denied { said }
    } else if has(&UNREACHABLE) {
        SourceError::Unreachable { said }
    } else if has(&NO_REPOSITORY) {
        SourceError::NoRepository { said }
    } else {
        SourceError::Git { what, said }
    }
}

/// The lines that say something, as one.
pub(super) fn one_line(stderr: &str) -> String {
    let is_noise = |line: &&str| {
        let line = line.to_lowercase();
        NOISE.iter().any(|noise| line.contains(noise))
    };
    let strip = |line: &'_ str| {
        let line = line.strip_prefix("fatal: ").unwrap_or(line);
        let line = line.strip_prefix("error: ").unwrap_or(line);
        line.trim().trim_end_matches('.').to_owned()
    };
    let lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let mut told: Vec<String> = Vec::new();
    for line in lines.filter(|line| !is_noise(line)).map(strip) {
        if !told.contains(&line) {
            told.push(line);
        }
    }
    if told.is_empty() {
        told = stderr.lines().take(1).map(strip).collect();
    }
    let text = match told.is_empty() {
        true => "it says nothing".to_owned(),
        false => told.join("; "),
    };
    visible(&text).chars().take(LINE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_understood() {
        let kind = |stderr: &str| match why("fetch", stderr) {
            SourceError::Unreachable { .. } => "unreachable",
            SourceError::Denied { .. } => "denied",
            SourceError::HostKey { .. } => "host key",
            SourceError::NoRepository { .. } => "no repository",
            SourceError::Certificate { .. } => "certificate",
            SourceError::OtherOwner { .. } => "owner",
            _ => "other",
        };
        for (stderr, expected) in [
            (
                "fatal: unable to access 'https://a/': Could not resolve host: a",
                "unreachable",
            ),
            (
                "ssh: connect to host a port 22: Connection refused\nfatal: Could not read from remote repository.",
                "unreachable",
            ),
            ("git@github.com: Permission denied (publickey).", "denied"),
            (
                "fatal: could not read Username for 'https://a': terminal prompts disabled",
                "denied",
            ),
            (
                "fatal: unable to access 'https://a/': The requested URL returned error: 403",
                "denied",
            ),
            (
                "Host key verification failed.\nfatal: Could not read from remote repository.",
                "host key",
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://a/' not found",
                "no repository",
            ),
            (
                "fatal: unable to access 'https://a/': SSL certificate problem: self-signed certificate",
                "certificate",
            ),
            (
                "fatal: detected dubious ownership in repository at '/srv/a.git'",
                "owner",
            ),
            ("fatal: something else", "other"),
        ] {
            assert_eq!(kind(stderr), expected, "{stderr}");
        }
    }

    #[test]
    fn it_is_repeated_on_one_line_without_what_repeats_itself() {
        let said = one_line(
            "Host key verification failed.\nfatal: Could not read from remote repository.\n\n\
             Please make sure you have the correct access rights\nand the repository exists.",
        );
        assert_eq!(said, "Host key verification failed");
        assert_eq!(one_line("fatal: a\u{1b}[1m"), "a\\u{1b}[1m");
        assert_eq!(one_line(""), "it says nothing");
        assert!(one_line(&"x".repeat(5000)).len() <= LINE_MAX);
    }
}
