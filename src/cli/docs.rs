//! What the program says about itself: schemas, completions, manual pages.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use super::args::{Cli, SchemaOf};
use super::exit::Exit;
use super::out;
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
    out::bytes(&script)?;
    Ok(Exit::Done)
}

/// Prints the manual page, or writes one page per command into a directory.
pub(super) fn man(dir: Option<&Path>) -> anyhow::Result<Exit> {
    match dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
            clap_mangen::generate_to(Cli::command(), dir)
                .with_context(|| format!("cannot write manual pages to {}", dir.display()))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            out::bytes(&page)?;
        }
    }
    Ok(Exit::Done)
}
