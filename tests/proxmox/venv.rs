//! Clients and a stub of others, written in Python.

use std::path::PathBuf;
use std::sync::OnceLock;

#[path = "../support/venv.rs"]
mod support;

/// The Python that has the packages of `requirements.txt`; `None`, said on stderr, where
/// it cannot be had on this machine.
pub fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = || {
        let what = "proxmoxer and fakepve";
        let bin = support::programs("pve-venv", "tests/proxmox/requirements.txt", what)?;
        Some(bin.join("python"))
    };
    PYTHON.get_or_init(made).clone()
}
