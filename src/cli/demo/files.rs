//! The directory of a demo, and what a demo says.

use std::path::PathBuf;

use crate::cli::args::Common;
use crate::cli::{out, style};

/// The first line of the configuration that the demo writes: what `--clean` knows a
/// directory of the demo by.
pub(super) const MARK: &str =
    "# Written by `talos-order demo`, which removes this directory with --clean.\n";

/// What one demo works with.
pub(super) struct Demo {
    pub dir: PathBuf,
}

impl Demo {
    pub(super) fn common(&self, common: &Common) -> Common {
        Common {
            config: Some(self.dir.join("config.yaml")),
            orders: Some(self.dir.join("orders")),
            ..common.clone()
        }
    }

    /// Its files as options of a command.
    pub(super) fn shown(&self) -> String {
        format!(
            "--config {0}/config.yaml --orders {0}/orders",
            self.dir.display()
        )
    }

    /// Says what stays, and how it goes.
    pub(super) fn leave(&self, made: &[(&str, &str)]) -> anyhow::Result<()> {
        say("The demo leaves these files, and nothing elsewhere:")?;
        for (path, what) in made {
            out::text(&format!("  {}/{path}  {what}\n", self.dir.display()))?;
        }
        say("To remove them:")?;
        let dir = self.dir.display();
        step(&format!("talos-order demo --clean --dir {dir}"))?;
        Ok(())
    }
}

pub(super) fn say(text: &str) -> std::io::Result<()> {
    out::text(&format!("\n{}\n", style::heading(text)))
}

pub(super) fn step(command: &str) -> std::io::Result<()> {
    out::text(&format!("$ {command}\n"))
}
