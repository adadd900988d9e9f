//! Programs of others, in a virtual environment of Python below the build directory.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The Python that has the packages of `requirements.txt`; `None`, said on stderr, where
/// it cannot be had on this machine.
pub fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(made).clone()
}

fn made() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/proxmox");
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pve-venv");
    let result = Command::new(here.join("venv.sh"))
        .arg(&dir)
        .stdin(Stdio::null())
        .output()
        .expect("the script can be started");
    if result.status.success() {
        return Some(dir.join("bin/python"));
    }
    let why = String::from_utf8_lossy(&result.stderr).into_owned();
    // The machine that decides on changes has both, and must not skip in silence.
    assert!(
        std::env::var_os("CI").is_none(),
        "no proxmoxer and fakepve: {why}"
    );
    // Not `eprintln!`, which the test harness keeps to itself while all is well.
    let notice = format!("NOT TESTED against proxmoxer and fakepve: {why}\n");
    std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).ok();
    None
}
