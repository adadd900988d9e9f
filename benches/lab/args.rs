//! What the lab can be told.

use std::path::PathBuf;

use clap::Parser;

/// Builds a lab on this machine, does the same work in the sequential way and with
/// talos-order, and prints how many times faster the one is than the other.
#[derive(Debug, Parser)]
#[command(name = "lab", max_term_width = 80)]
pub struct Args {
    /// Said by `cargo bench`; without it nothing is done
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Images of an eighth of the size, on one and on two nodes: a look, no result
    #[arg(long)]
    pub quick: bool,
    /// Only these cases, such as cold-1,nothing-8
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How many times everything is measured, both ways in turn
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: u32,
    /// Where the lab is built, on a disk [default: the directory for temporary files]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Nodes of the larger cases.
    pub const fn nodes(&self) -> usize {
        if self.quick { 2 } else { 8 }
    }

    /// Bytes of an unpacked image: those of Talos 1.11 with SecureBoot, or an eighth.
    pub const fn raw_bytes(&self) -> u64 {
        let mebibytes = if self.quick { 280 } else { 2246 };
        mebibytes << 20
    }

    /// Bytes of an image that are not zero.
    pub const fn data_bytes(&self) -> u64 {
        self.raw_bytes() / 2246 * 96
    }

    /// Bytes of an ISO image, all of them incompressible.
    pub const fn iso_bytes(&self) -> u64 {
        let mebibytes = if self.quick { 37 } else { 298 };
        mebibytes << 20
    }

    /// Bytes of an unpacked image where many differ, and those that are not zero.
    pub const fn small_bytes(&self) -> (u64, u64) {
        let mebibytes = if self.quick { 20 } else { 140 };
        (mebibytes << 20, (mebibytes << 20) / 2246 * 96)
    }
}
