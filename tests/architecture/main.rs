//! The architecture, checked: which room may import which, and what a file in it
//! may hold.
//!
//! `docs/architecture.md` says why the rooms are cut like this, and has the table that
//! is checked here; a failure names the rule, the place and what to do about it.
//! The sources are read as text, with comments and string literals blanked out, so
//! the check needs no compiler and sees macros as they are written.
#![expect(
    clippy::disallowed_methods,
    reason = "the test reads the project's own source files"
)]

mod circles;
mod imports;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use imports::imports;
use source::{Source, blanked, is_test, place, sources, tests_begin};

/// The map of the rooms, for people; this test reads it.
const MAP: &str = include_str!("../../docs/architecture.md");

/// Each room with the rooms that it imports, from the top floor down, as the table in
/// docs/architecture.md has them: rows of room, contents, and imports in backticks.
fn rooms() -> Vec<(&'static str, BTreeSet<&'static str>)> {
    let table = MAP.split("| room | holds | imports |").nth(1);
    let rows = table.expect("the table of rooms").lines().skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|');
        let mut next = || cells.next().expect("three columns");
        let (room, _, imports) = (next(), next(), next());
        let quoted = |cell: &'static str| cell.split('`').skip(1).step_by(2);
        let name = quoted(room).next().expect("a room in backticks");
        let name = name.trim_end_matches('/').trim_end_matches(".rs");
        (name, quoted(imports).collect())
    })
    .collect()
}

/// Of a room that is imported for a few of its types only: those types. A room
/// that is not listed here is open to everyone who may import it.
const PARTS: &[(&str, &str, &[&str])] = &[(
    "io",
    "model",
    &["Sha256", "DataDigest", "Codec", "is_invisible"],
)];

/// The rooms that decide: a function of their input and of nothing else.
const PURE: &[&str] = &["model", "schematic", "facts", "plan", "conclude"];

/// What no pure room may mention, and why.
const IMPURE: &[(&str, &str)] = &[
    ("async ", "waiting is for the rooms that talk to the world"),
    (".await", "waiting is for the rooms that talk to the world"),
    ("tokio", "waiting is for the rooms that talk to the world"),
    (
        "tracing",
        "a reason belongs into the returned value, not into a log",
    ),
    ("println!", "output is written by cli"),
    ("eprintln!", "output is written by cli"),
    ("reqwest", "the network belongs to upstream"),
    ("std::net", "the network belongs to upstream"),
    ("std::fs", "pass what was read"),
    ("std::process", "processes belong to io"),
    (
        "std::env",
        "the environment is read in config; pass the value",
    ),
    ("std::thread", "a decision needs no thread"),
    (
        "SystemTime",
        "time is a jiff::Timestamp, taken as a parameter",
    ),
    ("Instant", "time is a jiff::Timestamp, taken as a parameter"),
    ("Timestamp::now", "take the time as a parameter"),
    ("Zoned::now", "take the time as a parameter"),
    ("fastrand", "chance makes plans differ from run to run"),
    ("disallowed_methods", "a pure room has no door to open"),
];

/// A file that is longer holds a second subject.
const LINES_MAX: usize = 400;

/// A test module that is longer gets a file of its own.
const INLINE_TESTS_MAX: usize = 200;

/// Fails with one message for all findings.
fn report(rule: &str, advice: &str, findings: &[String]) {
    let mut message = format!("{rule}\n");
    for finding in findings {
        writeln!(message, "  {finding}").expect("a String takes everything");
    }
    assert!(findings.is_empty(), "{message}what to do: {advice}");
}

/// An import runs downward only: a room stands in the table above all that it imports.
#[test]
fn the_table_of_rooms_has_no_circle() {
    let rooms = rooms();
    assert!(rooms.len() > 15, "the table was not read: {rooms:?}");
    let mut above = BTreeSet::new();
    for (room, imports) in &rooms {
        for import in imports {
            let stands_below = !above.contains(import) && import != room;
            assert!(
                stands_below,
                "{room} imports {import}, which does not stand below it"
            );
        }
        assert!(above.insert(*room), "{room} stands in the table twice");
    }
}

#[test]
fn every_folder_is_a_room_of_the_table() {
    let known: BTreeSet<&str> = rooms().into_iter().map(|(room, _)| room).collect();
    let found: BTreeSet<String> = sources().iter().filter_map(|s| s.room.clone()).collect();
    let unknown = found.iter().filter(|room| !known.contains(room.as_str()));
    let gone = known.iter().filter(|room| !found.contains(**room));
    let unknown = unknown.map(|room| format!("src/{room} has no line"));
    let gone = gone.map(|room| format!("{room} has a line, and no source"));
    report(
        "a file or folder directly in src/ is a room, and each room has its line in the table",
        "put the file into the room whose subject it shares, or add a line to the table in \
         docs/architecture.md, saying what it imports",
        &unknown.chain(gone).collect::<Vec<_>>(),
    );
}

/// A map with a street that is gone leads nobody anywhere.
#[test]
fn every_path_that_the_map_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = MAP.split('`').skip(1).step_by(2);
    let is_path = |name: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        name.chars().all(plain) && (name.contains(".rs") || name.ends_with('/'))
    };
    let gone = named.filter(is_path).filter(|name| {
        let exists = |below: &str| root.join(below).join(name).exists();
        !exists("src") && !exists("")
    });
    report(
        "a path in docs/architecture.md is one below src/ or the project's directory",
        "name what is there now",
        &gone.map(str::to_owned).collect::<Vec<_>>(),
    );
}

/// Equality: an arrow that nobody uses any more is a door left open.
#[test]
fn rooms_import_exactly_what_the_table_says() {
    let table: BTreeMap<&str, BTreeSet<&str>> = rooms().into_iter().collect();
    let mut unused = table.clone();
    let mut findings = Vec::new();
    for source in sources() {
        let Some(room) = source.room.as_deref() else {
            continue;
        };
        let Some(allowed) = table.get(room) else {
            continue;
        };
        for import in imports(&source) {
            // Paths to macros and items at the root are no rooms.
            if !table.contains_key(import.room.as_str()) || import.room == room {
                continue;
            }
            if is_test(&source, import.line) {
                continue;
            }
            let at = place(&source, import.line);
            if !allowed.contains(import.room.as_str()) {
                findings.push(format!("{at}: {room} imports {}", import.room));
                continue;
            }
            if let Some(unused) = unused.get_mut(room) {
                unused.remove(import.room.as_str());
            }
            let parts = PARTS
                .iter()
                .find(|(from, to, _)| *from == room && *to == import.room);
            let Some((_, _, names)) = parts else { continue };
            for name in import.names.iter().filter(|n| !names.contains(&n.as_str())) {
                findings.push(format!("{at}: {room} imports {}::{name}", import.room));
            }
        }
    }
    for (room, imports) in unused {
        let unused = imports.into_iter();
        findings.extend(unused.map(|import| format!("{room} does not import {import}")));
    }
    report(
        "imports are those of the table of rooms in docs/architecture.md, and of PARTS in \
         tests/architecture/main.rs",
        "move the shared type down into a room that both may import (a noun into model, a fact \
         into facts), or pass a plain value instead; change the table where the architecture \
         is meant to change",
        &findings,
    );
}

#[test]
fn pure_rooms_touch_nothing() {
    let mut findings = Vec::new();
    for source in sources() {
        if !source
            .room
            .as_deref()
            .is_some_and(|room| PURE.contains(&room))
        {
            continue;
        }
        for (number, line) in (1..).zip(source.code.lines()) {
            for (word, why) in IMPURE {
                let hit = line.match_indices(word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                });
                if hit && !is_test(&source, number) {
                    let word = word.trim();
                    findings.push(format!("{}: `{word}`: {why}", place(&source, number)));
                }
            }
        }
    }
    report(
        "the rooms that decide and conclude are pure: same input, same output, and nothing else happens",
        "let an outer room do it and pass the result in as a value",
        &findings,
    );
}

#[test]
fn files_are_of_a_readable_length() {
    let mut findings = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            let path = source.path.display();
            findings.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
        let tests = tests_begin(&source).map_or(0, |begin| lines + 1 - begin);
        if tests > INLINE_TESTS_MAX {
            let path = source.path.display();
            findings.push(format!(
                "{path}: {tests} lines of tests, at most {INLINE_TESTS_MAX} inside the file"
            ));
        }
    }
    report(
        "a file holds one subject",
        "find the second subject in it and give it a file and a name; move a long test module to \
         a sibling tests.rs",
        &findings,
    );
}

/// Files that import each other can only be understood together.
#[test]
fn no_files_import_each_other_in_a_circle() {
    report(
        "the files of a room import each other in one direction",
        "move what both need into a third file below them, or pass it as a parameter",
        &circles::circles(&sources()),
    );
}

/// One name, one thing: whoever reads a type's name knows which one is meant.
#[test]
fn a_type_name_means_one_thing_in_the_whole_tree() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let Some(room) = &source.room else { continue };
        for (number, line) in (1..).zip(source.code.lines()) {
            if let Some(name) = defined(line).filter(|_| !is_test(&source, number)) {
                places
                    .entry(name.to_owned())
                    .or_default()
                    .insert(room.clone());
            }
        }
    }
    let twice = places.iter().filter(|(_, rooms)| rooms.len() > 1);
    let findings: Vec<String> = twice
        .map(|(name, rooms)| format!("{name}: {}", Vec::from_iter(rooms.clone()).join(", ")))
        .collect();
    report(
        "no two rooms define a type of the same name",
        "give the one that is used less a name that says what sets it apart",
        &findings,
    );
}

/// The name of the type that a line defines; an indented one is no business of others.
fn defined(line: &str) -> Option<&str> {
    let (visible, rest) = match line.strip_prefix("pub") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let rest = match rest.strip_prefix('(') {
        Some(scope) if visible => scope.split_once(')')?.1,
        _ => rest,
    };
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (keyword, rest) = rest.split_once(' ')?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    matches!(keyword, "struct" | "enum" | "trait" | "type" | "union")
        .then_some(&rest[..end.unwrap_or(rest.len())])
}

#[test]
fn every_module_says_what_it_is() {
    let findings: Vec<String> = sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| place(source, 1))
        .collect();
    report(
        "every module opens with `//!`: what it is, and what it deliberately is not",
        "write three to ten lines for someone who opens the project for the first time",
        &findings,
    );
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let text = "// crate::a\nuse crate::{plan::{self, Step as S}, model::Arch};\n\
                let c = ('\"', '\\'', \"crate::b \\\" crate::c\", r#\"crate::d\"#);\n\
                fn f<'a>(x: &'a crate::io::Meter) { crate::yaml::read::<crate::plan::Plan>(x) }\n";
    let source = Source {
        path: PathBuf::from("src/x/mod.rs"),
        room: Some("x".to_owned()),
        text: text.to_owned(),
        code: blanked(text),
    };
    let found: Vec<String> = imports(&source)
        .iter()
        .map(|i| {
            format!(
                "{}:{}:{}",
                i.line,
                i.room,
                Vec::from_iter(i.names.clone()).join("+")
            )
        })
        .collect();
    let expected = [
        "2:plan:self",
        "2:plan:Step",
        "2:model:Arch",
        "4:io:Meter",
        "4:yaml:read",
        "4:plan:Plan",
    ];
    assert_eq!(found, expected);
}
