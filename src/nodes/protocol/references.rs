//! Which virtual machines refer to which files: the answer of `observe.sh`.
//!
//! The node sends the last part of every path and volume name in every
//! configuration of the cluster, whatever section or snapshot it stands in; what
//! of that is a name of interest is decided here, by equality. A name in a
//! comment counts as well: that keeps a file too many and never one too few.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{DirState, References};
use crate::model::FileName;
use crate::nodes::protocol::answer::ScriptAnswer;

/// Where a Proxmox cluster keeps the configurations of its virtual machines.
pub const VM_CONFIGS: &str = "/etc/pve/nodes";

/// The references to files that are in the directories or in their records;
/// `None` if the answer is not what the script writes.
pub(crate) fn read(answer: &ScriptAnswer<'_>, dirs: &[DirState]) -> Option<References> {
    if let Some(why) = answer.first("unread") {
        return Some(References::Unknown {
            why: match crate::io::process::printable(why) {
                why if why.is_empty() => {
                    "the configurations of virtual machines cannot be read".to_owned()
                }
                why => format!("the configurations of virtual machines cannot be read: {why}"),
            },
        });
    }
    let names: BTreeSet<&str> = dirs
        .iter()
        .flat_map(|dir| {
            let recorded = dir.record.keys().map(FileName::as_str);
            dir.files.keys().map(String::as_str).chain(recorded)
        })
        .collect();
    let mut known: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let text = String::from_utf8_lossy(answer.first("refs")?);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (path, name) = line.split_once(".conf:/")?;
        let (_, vmid) = path.rsplit_once('/')?;
        // A configuration is named by its machine's number; Proxmox itself reads
        // no other file.
        let Ok(vmid) = vmid.parse() else { continue };
        let name = match name.find(|c: char| !is_plain(c)) {
            Some(end) => &name[..end],
            None => name,
        };
        if names.contains(name) {
            known.entry(name.to_owned()).or_default().insert(vmid);
        }
    }
    Some(References::Known(known))
}

/// The alphabet of file names, as the script has it in its pattern.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+-".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::RemoteFile;
    use crate::nodes::samples::entry;

    fn dir() -> DirState {
        let mut dir = DirState::default();
        let file = RemoteFile {
            size: 1,
            mtime: 0,
            inode: 1,
        };
        dir.files.insert("v1.1.iso".to_owned(), file);
        dir.record.insert("b.raw".parse().unwrap(), entry("b.raw"));
        dir
    }

    fn refs(text: &str) -> Option<References> {
        let answer = ScriptAnswer {
            noise: String::new(),
            fields: vec![("refs", text.as_bytes())],
        };
        read(&answer, &[dir()])
    }

    #[test]
    fn names_are_compared_and_not_matched() {
        let text = "/n/a/qemu-server/100.conf:/v1.1.iso,\n\
                    /n/b/qemu-server/7.conf:/v1.1.iso\n\
                    /n/a/qemu-server/100.conf:/v1x1.iso,\n\
                    /n/a/qemu-server/101.conf:/v1.1.iso.old\n\
                    /n/a/lxc/300.conf:/b.raw\u{fffd}\n\
                    /n/a/qemu-server/notes.conf:/b.raw\n";
        let Some(References::Known(known)) = refs(text) else {
            panic!("refused")
        };
        let expected = [
            ("v1.1.iso".to_owned(), [7, 100].into()),
            ("b.raw".to_owned(), [300].into()),
        ];
        assert_eq!(known, expected.into());
        assert_eq!(refs(""), Some(References::Known(BTreeMap::new())));
        assert_eq!(refs("grep: something else"), None);
    }

    #[test]
    fn no_answer_is_not_an_empty_one() {
        let answer = ScriptAnswer {
            noise: String::new(),
            fields: Vec::new(),
        };
        assert_eq!(read(&answer, &[]), None);
    }
}
