//! The sources as text, with comments and literals blanked out.

use std::path::{Path, PathBuf};

/// A source file of the library or the program.
pub struct Source {
    /// The path below the project's directory.
    pub path: PathBuf,
    /// The room it belongs to; `None` for `lib.rs`.
    pub room: Option<String>,
    /// As written.
    pub text: String,
    /// With comments and literals blanked out, line for line.
    pub code: String,
}

pub fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join("src")];
    while let Some(dir) = open.pop() {
        let entries = std::fs::read_dir(&dir).expect("src can be listed");
        for entry in entries {
            let path = entry.expect("src can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a source file is readable text");
        let below_src = path
            .strip_prefix(root.join("src"))
            .expect("it is below src");
        let first = below_src.components().next().expect("a file has a name");
        let first = first.as_os_str().to_string_lossy();
        let room = first.trim_end_matches(".rs");
        Source {
            room: (room != "lib").then(|| room.to_owned()),
            code: blanked(&text),
            path: path
                .strip_prefix(root)
                .expect("it is below the root")
                .into(),
            text,
        }
    };
    found.into_iter().map(read).collect()
}

/// The text with comments and the insides of literals replaced by blanks.
pub fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let literal = literal_length(rest, out.chars().next_back());
        if literal == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            let (inside, after) = rest.split_at(literal);
            out.extend(inside.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    out
}

/// How many bytes of a comment, a string or a character stand at the start; 0 for
/// anything else.
pub fn literal_length(text: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        text[from..]
            .find(end)
            .map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if text.starts_with('r') && !in_word {
        let hashes = text[1..].bytes().take_while(|b| *b == b'#').count();
        if text[1 + hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    if text.starts_with('"') {
        let mut escaped = false;
        for (at, c) in text.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return at + 1,
                _ => {}
            }
        }
        return text.len();
    }
    if let Some(rest) = text.strip_prefix('\'') {
        // A lifetime has no closing quote right behind its first character.
        if let Some(escape) = rest.strip_prefix('\\') {
            let skipped = escape.chars().next().map_or(0, char::len_utf8);
            return until("'", 2 + skipped);
        }
        let width = rest.chars().next().map_or(0, char::len_utf8);
        if rest[width..].starts_with('\'') {
            return width + 2;
        }
    }
    0
}

/// The comma-separated parts up to the closing brace.
pub fn branches(inside: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&inside[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

pub fn place(source: &Source, line: usize) -> String {
    format!("{}:{line}", source.path.display())
}

/// Where the test module of a file begins, as a line counted from 1.
pub fn tests_begin(source: &Source) -> Option<usize> {
    let at = source.code.find("#[cfg(test)]\nmod tests {")?;
    Some(source.code[..at].matches('\n').count() + 1)
}

/// True for files and lines that exist in tests only.
pub fn is_test(source: &Source, line: usize) -> bool {
    let stem = source
        .path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let in_tests_dir = source
        .path
        .components()
        .any(|part| part.as_os_str() == "tests");
    let inline = tests_begin(source).is_some_and(|begin| line >= begin);
    in_tests_dir || matches!(&*stem, "tests" | "laws" | "fake") || inline
}
