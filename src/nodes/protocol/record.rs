//! The record beside the files on a node: the files that talos-order placed, one JSON
//! object a line.
//!
//! Written and read here. The line of a file is replaced on the node by a
//! script that knows nothing of JSON: it finds the line by its beginning (the
//! name stands first) and fills in the modification time and inode number that
//! the file got. Lines that are not understood are kept in the file and
//! ignored: they may be a later version's.

use std::collections::BTreeMap;

use crate::facts::RecordEntry;
use crate::model::FileName;

/// The first line of a new record.
pub(crate) const HEADER: &str = r#"{"talos-order":"record","version":1}"#;

/// A line whose modification time and inode number are filled in on the node,
/// between the first and the second and the second and the third piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTemplate {
    pub pieces: [String; 3],
}

/// A basic regular expression that matches the lines of a file and of no other.
pub(crate) fn pattern(file: &FileName) -> String {
    // Of the alphabet of file names only the dot has a meaning there.
    format!(r#"^{{"name":"{}","#, file.as_str().replace('.', r"\."))
}

/// What stands in the lines that name this owner and in no other: the quotes
/// inside the texts of a line are escaped, so none of them can forge it.
pub(crate) fn owned(owner: &str) -> String {
    format!(r#","owner":{},"#, serde_json::Value::from(owner))
}

/// The line for an entry, whatever its `mtime` and `inode`.
pub(crate) fn template(entry: &RecordEntry) -> LineTemplate {
    let unplaced = RecordEntry {
        mtime: 0,
        inode: 0,
        ..entry.clone()
    };
    let line = serde_json::to_string(&unplaced).expect("an entry is made of texts and numbers");
    // The alphabet of file names has neither quotes nor colons, so the first
    // place where this stands is the one that is meant.
    let (before, after) = line
        .split_once(r#""mtime":0,"inode":0,"#)
        .expect("the two stand side by side in the type");
    LineTemplate {
        pieces: [
            format!(r#"{before}"mtime":"#),
            r#","inode":"#.to_owned(),
            format!(",{after}"),
        ],
    }
}

/// Reads one line, if it is an entry.
pub(crate) fn parse_line(line: &[u8]) -> Option<RecordEntry> {
    serde_json::from_slice(line).ok()
}

/// Reads a record; a later line of a name replaces an earlier one.
pub(crate) fn parse(text: &[u8]) -> BTreeMap<FileName, RecordEntry> {
    text.split(|&byte| byte == b'\n')
        .filter_map(parse_line)
        .map(|entry| (entry.name.clone(), entry))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::process::Program;
    use crate::nodes::samples::entry;

    fn filled(entry: &RecordEntry) -> String {
        let [before, between, after] = template(entry).pieces;
        format!("{before}{}{between}{}{after}", entry.mtime, entry.inode)
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        for name in ["a.iso", "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz"] {
            let entry = entry(name);
            let text = format!("{HEADER}\n{}\n", filled(&entry));
            let read = parse(text.as_bytes());
            assert_eq!(read.into_values().collect::<Vec<_>>(), [entry]);
        }
    }

    #[test]
    fn a_line_is_the_same_as_the_plain_form_of_the_entry() {
        let entry = entry("a.iso");
        assert_eq!(filled(&entry), serde_json::to_string(&entry).unwrap());
    }

    #[test]
    fn a_line_names_its_owner_and_no_other() {
        let mut entry = entry("a.iso");
        for owner in ["homelab", "", "a\"b\\c", "{},:[]"] {
            entry.owner = owner.to_owned();
            entry.revision = Some(r#"","owner":"other","#.to_owned());
            let line = filled(&entry);
            assert!(line.contains(&owned(owner)), "{line}");
            assert!(!line.contains(&owned("other")), "{line}");
        }
    }

    #[test]
    fn garbled_lines_are_ignored() {
        let entry = entry("a.iso");
        let good = filled(&entry);
        let text = format!(
            "{{\"name\":\"b.iso\",\"siz\n\u{0}\u{1}\n[]\n{good}\n{}",
            &good[..40]
        );
        assert_eq!(parse(text.as_bytes()).len(), 1);
        assert_eq!(parse(b"\xff\xfe\n"), BTreeMap::new());
    }

    #[tokio::test]
    async fn the_pattern_finds_the_lines_of_its_file_and_no_other() {
        let line = |name| filled(&entry(name));
        let ours = [line("v1.1+x.iso")];
        let others = [
            line("v1.1.iso"),
            line("v1x1+x.iso"),
            line("v1.1+x.iso.raw"),
            line("xv1.1+x.iso"),
            HEADER.to_owned(),
        ];
        let all: String = ours
            .iter()
            .chain(&others)
            .map(|l| format!("{l}\n"))
            .collect();
        let kept = Program::new("grep")
            .args(["-a", "-v", "-e", &pattern(&"v1.1+x.iso".parse().unwrap())])
            .stdin(all)
            .run()
            .await
            .unwrap();
        let expected: String = others.iter().map(|l| format!("{l}\n")).collect();
        assert_eq!(String::from_utf8(kept.stdout).unwrap(), expected);
    }
}
