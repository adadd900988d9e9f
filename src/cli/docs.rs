//! What the program says about itself: schemas, completions, manual pages.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use super::args::Cli;
use super::exit::Exit;
use super::forms::SchemaOf;
use super::{man, out};
use crate::{config, orders};

/// Prints the JSON Schema of a file.
pub(super) fn schema(of: SchemaOf) -> anyhow::Result<Exit> {
    let schema = match of {
        SchemaOf::Config => config::json_schema(),
        SchemaOf::Orders => orders::json_schema(),
    };
    out::json(&schema)?;
    Ok(Exit::Done)
}

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    // Into memory first: the generator panics where its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "talos-order", &mut script);
    if shell == clap_complete::Shell::Bash {
        // Of a hyphen in the program's name the generator makes one thing where it
        // remembers the subcommand, and another where it looks it up.
        let text = String::from_utf8(script)?;
        script = text
            .replace("talos__subcmd__order", "talos__order")
            .into_bytes();
    }
    out::bytes(&script)?;
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
