//! What the bench can be told.

use std::path::PathBuf;

use clap::Parser;

/// Runs a fleet of controllers on this machine, kills and stops its leaders, and shows
/// what it takes.
#[derive(Debug, Parser)]
#[command(name = "fleet", max_term_width = 80)]
pub struct Args {
    /// Said by `cargo bench`; without it nothing is done
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Two sites of eight nodes: a look, no result
    #[arg(long)]
    pub quick: bool,
    /// Nodes of each site [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub nodes: Option<u16>,
    /// Nodes that are reached over ssh, of all [default: 8]
    #[arg(long, value_name = "N")]
    pub ssh: Option<u16>,
    /// Another build of the program, to compare its size and start with
    #[arg(long, value_name = "PROGRAM")]
    pub before: Option<PathBuf>,
    /// Where the fleet is built, on a disk [default: the directory for temporary files]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Do not say what goes on
    #[arg(long)]
    pub quiet: bool,
}

impl Args {
    pub const fn sites(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// Nodes of each site.
    pub fn nodes(&self) -> usize {
        let usual = if self.quick { 8 } else { 100 };
        self.nodes.map_or(usual, usize::from)
    }

    /// How many of all nodes are reached over ssh.
    pub fn ssh_nodes(&self) -> usize {
        let usual = if self.quick { 2 } else { 8 };
        // One is left as a directory, for the single controller.
        let most = self.sites() * self.nodes() - 1;
        self.ssh.map_or(usual, usize::from).min(most)
    }

    /// Seconds for which a leader leads without renewing that: the default, or the least.
    pub const fn ttl(&self) -> u64 {
        if self.quick { 10 } else { 30 }
    }

    /// Bytes of an unpacked disk; an ISO has a 32nd of it.
    pub const fn disk_bytes(&self) -> u64 {
        if self.quick { 4 << 20 } else { 8 << 20 }
    }

    /// Bytes that are needed on the disk, at most.
    pub const fn space(&self) -> u64 {
        if self.quick { 1 << 30 } else { 8 << 30 }
    }
}
