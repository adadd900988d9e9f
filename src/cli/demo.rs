//! `demo`: the whole job on this machine, offline, in seconds.
//!
//! Nothing is staged: the orders are loaded, planned and applied by the same code
//! as usual, against stubs on loopback ports that speak the protocols of the real ones.

mod directories;
mod files;
mod pve;

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use self::files::{Demo, MARK};
use super::args::Common;
use super::exit::Exit;
use super::out;

/// The directories that the demo makes below the temporary one begin so.
const PREFIX: &str = "talos-order-demo-";

/// Runs the demo in `dir`, or in a new directory under the temporary one: with directories
/// for nodes, or with a cluster of Proxmox VE.
pub(super) async fn run(
    common: &Common,
    dir: Option<&Path>,
    is_pve: bool,
    serve: bool,
) -> anyhow::Result<Exit> {
    let demo = Demo {
        dir: make_dir(dir)?,
    };
    match is_pve {
        true => pve::run(&demo, common, serve).await,
        false => directories::run(&demo, common, serve).await,
    }
}

/// Removes what earlier demos made: in `dir`, or in all of their directories below the
/// temporary one. What somebody else put there stays.
pub(super) fn clean(dir: Option<&Path>) -> anyhow::Result<Exit> {
    let dirs = match dir {
        Some(dir) => {
            ensure!(
                is_of_demo(dir),
                "{} was not made by the demo; nothing was removed",
                dir.display()
            );
            vec![dir.to_owned()]
        }
        None => demo_dirs()?,
    };
    if dirs.is_empty() {
        out::text("The demo left nothing in the temporary directory.\n")?;
    }
    for dir in dirs {
        let at = dir.display();
        remove(&dir).with_context(|| format!("cannot remove {at}"))?;
        out::text(&match dir.exists() {
            true => format!("Removed the demo's files from {at}, which holds others, too.\n"),
            false => format!("Removed {at}.\n"),
        })?;
    }
    Ok(Exit::Done)
}

/// The directories of earlier demos below the temporary one. Those of other users are
/// left alone: as root, what they contain is not to be trusted.
fn demo_dirs() -> anyhow::Result<Vec<PathBuf>> {
    let tmp = std::env::temp_dir();
    let entries =
        std::fs::read_dir(&tmp).with_context(|| format!("cannot read {}", tmp.display()))?;
    let mut dirs = Vec::new();
    for entry in entries {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = entry.metadata().map(|facts| (facts.is_dir(), facts.uid()));
        let own = owner.is_ok_and(|owner| owner == (true, rustix::process::geteuid().as_raw()));
        if ours && own && is_of_demo(&entry.path()) {
            dirs.push(entry.path());
        }
    }
    dirs.sort();
    Ok(dirs)
}

fn is_of_demo(dir: &Path) -> bool {
    let config = std::fs::read_to_string(dir.join("config.yaml"));
    config.is_ok_and(|text| text.starts_with(MARK))
}

/// The configuration goes last: a removal that is interrupted can be repeated.
fn remove(dir: &Path) -> std::io::Result<()> {
    let made = directories::MADE.iter().chain(&pve::MADE);
    for (name, _) in made.filter(|(name, _)| *name != "config.yaml") {
        let path = dir.join(name);
        let removed = match path.is_file() {
            true => std::fs::remove_file(&path),
            false => std::fs::remove_dir_all(&path),
        };
        match removed {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
    }
    std::fs::remove_file(dir.join("config.yaml"))?;
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        other => other,
    }
}

fn make_dir(dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(dir) = dir else {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir();
        return Ok(made
            .context("cannot create a directory for the demo")?
            .keep());
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut entries = std::fs::read_dir(dir)?;
    ensure!(
        entries.next().is_none(),
        "{} is not empty; the demo needs an empty directory",
        dir.display()
    );
    Ok(std::fs::canonicalize(dir)?)
}
