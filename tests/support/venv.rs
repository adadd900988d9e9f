//! Programs of others, in a virtual environment of Python below the build directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory with the programs of `requirements`; `None`, said on stderr, where they
/// cannot be had on this machine. `what` names them.
pub fn programs(name: &str, requirements: &str, what: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let result = Command::new(here.join("tests/support/venv.sh"))
        .arg(&dir)
        .arg(here.join(requirements))
        .stdin(Stdio::null())
        .output()
        .expect("the script can be started");
    if result.status.success() {
        return Some(dir.join("bin"));
    }
    let why = String::from_utf8_lossy(&result.stderr).into_owned();
    // The machine that decides on changes has them, and must not skip in silence.
    assert!(std::env::var_os("CI").is_none(), "no {what}: {why}");
    // Not `eprintln!`, which the test harness keeps to itself while all is well.
    let notice = format!("NOT TESTED against {what}: {why}\n");
    std::io::Write::write_all(&mut std::io::stderr(), notice.as_bytes()).ok();
    None
}
