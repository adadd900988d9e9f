//! The words of `docs/glossary.md` are used: retired ones are in no message, no
//! document, no comment and no name of an item.

#![expect(clippy::disallowed_methods, reason = "reads the sources and the pages")]

use std::path::{Path, PathBuf};

/// A retired phrase, in lower case, and what is written in its place.
const RETIRED: &[(&str, &str)] = &[
    ("a pass", "a run"),
    ("each pass", "each run"),
    ("every pass", "every run"),
    ("first pass", "first run"),
    ("last pass", "last run"),
    ("last passes", "last runs"),
    ("next pass", "next run"),
    ("one pass", "one run"),
    ("the pass", "the run"),
    ("this pass", "this run"),
    ("held back", "blocked"),
    ("holds back", "blocks"),
    ("on doubt", "when in doubt"),
    ("a person", "a user, an operator"),
    ("is forgiven", "resets the back-off"),
    ("are forgiven", "resets the back-off"),
    ("forgives", "resets the back-off"),
    ("suspension back", "resume"),
    ("silent node", "unreachable node"),
    ("so far ", "Totals"),
    ("begun by", "trigger"),
    ("could not look", "failed before planning"),
    ("could not even look", "failed before planning"),
    ("must lie", "belongs on"),
    ("to lie on", "belongs on"),
    ("lies on", "is on"),
    ("lies there", "is there"),
    ("lies at", "is at"),
    ("everything in place", "everything in sync"),
    ("is mended", "is repaired"),
    ("mended", "fixed"),
    ("it heals", "it repairs drift"),
    ("by hand", "manually"),
    ("broken off", "interrupted"),
    ("taken up", "resumed"),
    ("stands still", "makes no progress"),
    ("stood still", "makes no progress"),
    ("cut short", "truncated"),
    ("trying again may help", "run again to continue"),
    ("times as soon", "times faster"),
    ("ours in the cache", "managed images in the cache"),
    ("the pulse", "progress"),
    ("twin", "stub"),
    ("PassRecord", "RunRecord"),
    ("PassArgs", "RunArgs"),
    ("LastPass", "LastRun"),
    ("PassEnd", "RunResult"),
    ("HeldReason", "BlockedReason"),
    ("HeldLine", "BlockedLine"),
];

/// What holds a retired phrase for a reason: a line with one of these is not judged.
const ALLOWED: &[&str] = &[
    // Fields of the JSON of `status` and `history`.
    "last_pass",
    "next_pass",
    // Part of a word, or the verb.
    "between",
    "pass what",
    "pass over",
];

/// Not judged: this list, the released notes, and files of version 0.1.0.
const OTHERS: &[&str] = &[
    "tests/vocabulary.rs",
    "tests/compat",
    "src/fuzz/seeds",
    "tests/nodes_ssh/lease-0.1.0.sh",
];

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if let Some("rs" | "md" | "sh" | "service" | "timer") =
            path.extension().and_then(|ext| ext.to_str())
        {
            found.push(path);
        }
    }
}

/// Text of a file as one line: a phrase may go over the end of a line, of a comment or
/// of a literal.
fn joined(text: &str) -> (String, Vec<usize>) {
    let mut joined = String::new();
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line
            .trim()
            .trim_start_matches(['/', '!', '#', '|', '*', '>', '-']);
        let line = line.trim().trim_end_matches('\\').trim_end();
        joined.push_str(line);
        joined.push(' ');
        lines.resize(joined.len(), number + 1);
    }
    (joined, lines)
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '`'))
}

fn retired(text: &str) -> Vec<String> {
    let (plain, lines) = joined(text);
    let lower = plain.to_ascii_lowercase();
    let mut found = Vec::new();
    for (phrase, instead) in RETIRED {
        let (text, phrase) = match phrase.chars().any(char::is_uppercase) {
            true => (&plain, (*phrase).to_owned()),
            false => (&lower, phrase.to_ascii_lowercase()),
        };
        for (at, _) in text.match_indices(&phrase) {
            let before = text[..at].chars().next_back();
            let after = text[at + phrase.len()..].chars().next();
            let line = lines[at];
            let around =
                plain.get(at.saturating_sub(40)..(at + phrase.len() + 40).min(plain.len()));
            let allowed = around.is_some_and(|text| ALLOWED.iter().any(|word| text.contains(word)));
            if !is_word(before) && !is_word(after) && !allowed {
                found.push(format!("{line}: \"{phrase}\", better: {instead}"));
            }
        }
    }
    found
}

#[test]
fn no_retired_word_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("SECURITY.md")];
    for dir in ["src", "docs", "systemd", "examples"] {
        collect(&root.join(dir), &mut files);
    }
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).expect("below the root");
        if OTHERS.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("text");
        found.extend(
            retired(&text)
                .into_iter()
                .map(|line| format!("{}:{line}", name.display())),
        );
    }
    assert!(
        found.is_empty(),
        "{} retired words:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn a_retired_word_is_found_over_the_end_of_a_line() {
    let text = "/// It is held\n/// back for\n\"the \\\n  next pass\"\n/// `a pass` is_held back_";
    let found = retired(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found
            .iter()
            .any(|line| line.starts_with("1: \"held back\""))
    );
}
