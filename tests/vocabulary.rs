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
    ("broken off", "interrupted"),
    ("taken up", "resumed"),
    ("stands still", "makes no progress"),
    ("stood still", "makes no progress"),
    ("cut short", "truncated"),
    ("trying again may help", "run again to continue"),
    ("times as soon", "times faster"),
    ("expected is", "expected"),
    ("as ever", "as usual"),
    ("is said once", "is shown once"),
    ("goes on by itself", "continues automatically"),
    ("is told so", "gets a message"),
    ("reached twice", "read once"),
    ("for want of", "without"),
    ("on trust", "trusted"),
    ("asked-for", "requested"),
    ("in order of ease", "from the easiest"),
    ("what chance", "a random choice"),
    ("on the way back", "before a downgrade"),
    ("by its own word", "reports"),
    ("is no mistake", "is not an error"),
    ("are no drift", "are not drift"),
    ("is met by little", "is only just met"),
    ("to test and to show", "for tests and the demo"),
    ("that only drip", "that are too slow"),
    ("who wants to", "you can"),
    ("add what is missing", "add"),
    ("nobody writes into", "without a writer"),
    ("a line of its own", "its own line"),
    ("speaks to the api", "uses the API"),
    ("is the map for", "shows"),
    ("door to the world", "exception"),
    ("it is no law", "estimate"),
    ("harmless and useless", "no harm, no benefit"),
    ("hold it to that", "test it"),
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

/// Retired words of names in code, and what a name has in their place.
const RETIRED_NAMES: &[(&str, &str)] = &[
    ("pass", "run"),
    ("passes", "runs"),
    ("held", "blocked"),
    ("mend", "correct, repair"),
    ("heal", "repair"),
    ("forgive", "reset"),
    ("person", "operator, user"),
    ("twin", "stub"),
];

/// Where names are judged: a lock may be held, and bytes may pass, in the other rooms.
const JUDGED: &[&str] = &[
    "src/cli",
    "src/conclude",
    "src/controller",
    "src/daemon",
    "src/facts",
    "src/plan",
    "src/reconcile.rs",
    "src/store",
];

/// A lint of clippy.
const NAME_OF_OTHERS: &str = "trivially_copy_pass_by_ref";

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

/// The lines of a source with their names: what is neither text nor a comment.
fn without_text(line: &str) -> String {
    let mut code = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['"', '/']) {
        code.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("//") {
            return code;
        }
        let is_text = rest.starts_with('"');
        rest = &rest[1..];
        if is_text {
            let end = rest
                .char_indices()
                .scan(false, |escaped, (at, c)| {
                    let ends = c == '"' && !*escaped;
                    *escaped = c == '\\' && !*escaped;
                    Some((at, ends))
                })
                .find(|(_, ends)| *ends);
            rest = end.map_or("", |(at, _)| &rest[at + 1..]);
        }
    }
    code + rest
}

/// The retired words in the names of a line of code.
fn retired_names(line: &str) -> Vec<String> {
    let code = without_text(line).replace(NAME_OF_OTHERS, "");
    let names = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    let mut found = Vec::new();
    for name in names {
        let mut words = String::new();
        for c in name.chars() {
            if c.is_uppercase() {
                words.push('_');
            }
            words.extend(c.to_lowercase());
        }
        // A constant is in capitals.
        let is_constant = !name.contains(char::is_lowercase);
        let words = if is_constant {
            name.to_lowercase()
        } else {
            words
        };
        for (retired, instead) in RETIRED_NAMES {
            if words.split('_').any(|word| word == *retired) {
                found.push(format!("{name}, better: {instead}"));
            }
        }
    }
    found
}

#[test]
fn no_name_has_a_retired_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).expect("below the root");
        if !JUDGED.iter().any(|room| name.starts_with(room)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("text");
        for (number, line) in text.lines().enumerate() {
            let names = retired_names(line).into_iter();
            found.extend(names.map(|what| format!("{}:{}: {what}", name.display(), number + 1)));
        }
    }
    assert!(found.is_empty(), "retired names:\n{}", found.join("\n"));
}

#[test]
fn a_retired_word_is_found_in_a_name_only() {
    for (line, is_found) in [
        ("pub last_pass: Option<LastRun>,", true),
        ("struct LastPass;", true),
        ("const HELD_MAX: usize = 1;", true),
        ("let held = 1; // is held", true),
        ("#[serde(rename = \"last_pass\")]", false),
        ("let text = \"a \\\"held\\\" b\"; // held", false),
        ("fn time_that_passed() {}", false),
        ("let half = whole / 2;", false),
    ] {
        assert_eq!(!retired_names(line).is_empty(), is_found, "{line}");
    }
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
