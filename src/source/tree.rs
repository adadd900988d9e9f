//! What is in a commit: the files that may be orders, and the links between them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::command::{self, Git};
use super::error::SourceError;
use super::history::short;
use super::remote::is_object;
use super::repository;
use crate::model::{GitPath, visible_path};

/// How much a commit may have of everything, as much as is read of a directory of orders.
const ENTRIES_MAX: usize = 100_000;
const FILES_MAX: usize = 10_000;
/// What is read of a file of orders, in bytes.
const FILE_MAX: u64 = 1 << 20;
const BYTES_MAX: u64 = 64 << 20;
/// What a list of so many entries takes, in bytes.
const LIST_MAX: usize = 32 << 20;
/// The longest target of a link, in bytes: the kernel takes no longer one.
const LINK_MAX: u64 = 4096;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct TreeContent {
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The links, with where they lead. They are written last.
    pub links: BTreeMap<PathBuf, Vec<u8>>,
    /// The path of the orders is a file.
    pub is_file: bool,
}

struct TreeFile {
    path: PathBuf,
    object: String,
    is_link: bool,
}

/// Reads what is below a path of a commit.
///
/// # Errors
/// When there is nothing, too much, or something that is not orders; or git says no.
pub(super) async fn read(git: &Git<'_>, commit: &str) -> Result<TreeContent, SourceError> {
    let path = &git.source.path;
    let refused = |why: String| SourceError::Tree {
        commit: short(commit),
        why,
    };
    let program = git
        .local()
        .args(["ls-tree", "-r", "-z", "--full-tree", commit, "--"])
        .args(Some(path.as_str()).filter(|path| !path.is_empty()))
        .stdout_limit(LIST_MAX);
    let listed = match command::run(program, "list the files").await {
        Err(SourceError::Program(crate::io::process::ProgramError::TooMuchOutput { .. })) => {
            return Err(refused(format!("it has more than {ENTRIES_MAX} files")));
        }
        listed => listed?,
    };
    let (entries, is_file) = entries(&listed, path).map_err(refused)?;
    if listed.is_empty() && !path.as_str().is_empty() {
        return Err(SourceError::NoPath {
            path: path.to_string(),
            commit: short(commit),
        });
    }
    let objects: Vec<&str> = entries.iter().map(|entry| entry.object.as_str()).collect();
    repository::fetch_files(git, &objects).await?;
    check_sizes(git, &entries).await?.map_err(refused)?;
    let mut content = TreeContent {
        is_file,
        ..TreeContent::default()
    };
    let blobs = blobs(git, &objects).await?;
    for (entry, blob) in entries.into_iter().zip(blobs) {
        let of = match entry.is_link {
            true => &mut content.links,
            false => &mut content.files,
        };
        of.insert(entry.path, blob);
    }
    Ok(content)
}

/// The files and links of a list, and whether the path itself is a file.
fn entries(listed: &[u8], path: &GitPath) -> Result<(Vec<TreeFile>, bool), String> {
    let mut found = Vec::new();
    let mut is_file = false;
    let lines = listed
        .split(|byte| *byte == 0)
        .filter(|line| !line.is_empty());
    for (number, line) in lines.enumerate() {
        if number >= ENTRIES_MAX {
            return Err(format!("it has more than {ENTRIES_MAX} files"));
        }
        let unreadable = || "git lists its files in a way that is not understood".to_owned();
        let tab = line
            .iter()
            .position(|byte| *byte == b'\t')
            .ok_or_else(unreadable)?;
        let head = String::from_utf8_lossy(&line[..tab]).into_owned();
        let words: Vec<&str> = head.split(' ').collect();
        let name = Path::new(OsStr::from_bytes(&line[tab + 1..])).to_owned();
        let &[mode, _, object] = words.as_slice() else {
            return Err(unreadable());
        };
        let is_path = name.as_os_str() == path.as_str();
        let shown = visible_path(&name);
        if !is_plain(&name) || !is_object(object) {
            return Err(format!("{shown} is not a name of a file"));
        }
        let is_link = match mode {
            "100644" | "100755" => {
                is_file |= is_path;
                if !is_path && !is_yaml(&name) {
                    continue;
                }
                false
            }
            "120000" if is_path => {
                return Err(format!("{shown}, the path of the orders, is a link"));
            }
            "120000" => true,
            // What is in it is not part of the repository, so it would be missing.
            "160000" if is_hidden(&name, path) => continue,
            "160000" => return Err(format!("{shown} is a submodule, which is not fetched")),
            mode => return Err(format!("{shown} is of an unknown kind ({mode})")),
        };
        found.push(TreeFile {
            path: name,
            object: object.to_owned(),
            is_link,
        });
        if found.len() > FILES_MAX {
            return Err(format!("it has more than {FILES_MAX} files of orders"));
        }
    }
    Ok((found, is_file))
}

/// True for a path of ordinary names.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    let are_plain = parts.all(|part| matches!(part, Component::Normal(name) if name != ".git"));
    // Two slashes in a row are one for `components`.
    let rejoined: PathBuf = path.components().collect();
    are_plain && rejoined.as_os_str() == path.as_os_str() && !path.as_os_str().is_empty()
}

/// True if a name below the path begins with a dot: such are not looked at.
fn is_hidden(name: &Path, path: &GitPath) -> bool {
    let below = name.strip_prefix(path.as_str()).unwrap_or(name);
    let mut parts = below.components();
    parts.any(|part| part.as_os_str().as_bytes().starts_with(b"."))
}

fn is_yaml(path: &Path) -> bool {
    let is_one = |ending: &OsStr| {
        ["yaml", "yml"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    };
    path.extension().is_some_and(is_one)
}

/// That nothing is too large, before any of it is read.
async fn check_sizes(
    git: &Git<'_>,
    entries: &[TreeFile],
) -> Result<Result<(), String>, SourceError> {
    let names = entries.iter().map(|entry| format!("{}\n", entry.object));
    let program = git
        .local()
        .args(["cat-file", "--batch-check=%(objecttype) %(objectsize)"])
        .stdin(names.collect::<String>())
        .stdout_limit(LIST_MAX);
    let listed = command::run(program, "look at the files").await?;
    let listed = String::from_utf8_lossy(&listed);
    let mut sum = 0_u64;
    for (entry, line) in entries.iter().zip(listed.lines()) {
        let shown = visible_path(&entry.path);
        let size = line
            .strip_prefix("blob ")
            .and_then(|size| size.parse::<u64>().ok());
        let Some(size) = size else {
            return Ok(Err(format!("{shown} could not be fetched")));
        };
        let most = if entry.is_link { LINK_MAX } else { FILE_MAX };
        if size > most {
            let message = format!("{shown} is {size} bytes long; expected at most {most}");
            return Ok(Err(message));
        }
        sum += size;
    }
    if sum > BYTES_MAX {
        let most = BYTES_MAX >> 20;
        return Ok(Err(format!(
            "all files together are larger than {most} MiB"
        )));
    }
    Ok(Ok(()))
}

/// The contents of objects, in their order.
async fn blobs(git: &Git<'_>, objects: &[&str]) -> Result<Vec<Vec<u8>>, SourceError> {
    let mut wanted = objects.join("\n");
    wanted.push('\n');
    if objects.is_empty() {
        return Ok(Vec::new());
    }
    let heads = objects.len() * 128;
    let program = git
        .local()
        .args(["cat-file", "--batch=%(objectsize)"])
        .stdin(wanted)
        .stdout_limit(usize::try_from(BYTES_MAX).unwrap_or(usize::MAX) + heads);
    let what = "read the files";
    let output = command::run(program, what).await?;
    let broken = || SourceError::Git {
        what,
        said: "an object is missing".to_owned(),
    };
    let mut rest = &output[..];
    let mut blobs = Vec::with_capacity(objects.len());
    for _ in objects {
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(broken)?;
        let size = std::str::from_utf8(&rest[..end]).ok();
        let size: usize = size.and_then(|size| size.parse().ok()).ok_or_else(broken)?;
        let blob = rest.get(end + 1..end + 1 + size).ok_or_else(broken)?;
        blobs.push(blob.to_owned());
        // A line feed follows each.
        rest = rest.get(end + size + 2..).ok_or_else(broken)?;
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "0123456789012345678901234567890123456789";

    fn listed(lines: &[(&str, &str)]) -> Vec<u8> {
        let line = |(mode, path): &(&str, &str)| format!("{mode} blob {OBJECT}\t{path}\0");
        lines.iter().map(line).collect::<String>().into_bytes()
    }

    fn of(path: &str, lines: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let (entries, _) = entries(&listed(lines), &path.parse().unwrap())?;
        let paths = entries.iter().map(|entry| entry.path.display().to_string());
        Ok(paths.collect())
    }

    #[test]
    fn only_what_may_be_orders_is_taken() {
        let found = of(
            "orders",
            &[
                ("100644", "orders/a.yaml"),
                ("100755", "orders/b/c.YML"),
                ("100644", "orders/README"),
                ("120000", "orders/current"),
                ("160000", "orders/.tools"),
            ],
        );
        assert_eq!(
            found.unwrap(),
            ["orders/a.yaml", "orders/b/c.YML", "orders/current"]
        );
        assert_eq!(of("fleet", &[("100644", "fleet")]).unwrap(), ["fleet"]);
    }

    #[test]
    fn what_would_be_missing_or_lead_out_is_refused() {
        for (path, mode, name) in [
            ("", "160000", "vendor"),
            ("orders", "160000", "orders/x"),
            ("orders", "120000", "orders"),
            ("", "100644", "../a.yaml"),
            ("", "100644", "/etc/a.yaml"),
            ("", "100644", "a/../b.yaml"),
            ("", "100644", "a//b.yaml"),
            ("", "100644", "a/.git/b.yaml"),
            ("", "100666", "a.yaml"),
        ] {
            assert!(of(path, &[(mode, name)]).is_err(), "{mode} {name}");
        }
    }
}
