//! What the program says about itself: schemas, completions, manual pages.

use std::path::Path;

use super::exit::Exit;
use super::forms::SchemaOf;
use super::{complete, man, out, schemas};
use anyhow::Context;

/// Prints the JSON Schema of a file or of an answer.
pub(super) fn schema(of: SchemaOf) -> anyhow::Result<Exit> {
    out::json(&schemas::schema(of))?;
    Ok(Exit::Done)
}

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    out::bytes(&complete::script(shell)?)?;
    Ok(Exit::Done)
}

/// Prints the manual page, or writes one page per command into a directory.
pub(super) fn manual(dir: Option<&Path>) -> anyhow::Result<Exit> {
    match dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
            for (file, page) in man::pages()? {
                std::fs::write(dir.join(&file), page)
                    .with_context(|| format!("cannot write {file} to {}", dir.display()))?;
            }
        }
        None => {
            if let Some((_, page)) = man::pages()?.first() {
                out::bytes(page)?;
            }
        }
    }
    Ok(Exit::Done)
}
