//! What the integration tests share. Each uses only a part of it.
#![allow(dead_code, reason = "every test file compiles its own copy")]

pub mod factory;
pub mod program;
pub mod pve;
pub mod seaweed;
pub mod snapshot;
pub mod sshd;
pub mod world;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until something is so; a test fails where it never is.
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What arrived so far of a file in a directory of a node.
pub fn part_on_node(dir: &Path, file: &str) -> Option<PathBuf> {
    let mut parts = dir.join(".talos-order.parts").read_dir().ok()?.flatten();
    let is_part = |name: &str| name.starts_with(file) && name.ends_with(".part");
    parts
        .find(|entry| entry.file_name().to_str().is_some_and(is_part))
        .map(|entry| entry.path())
}

/// Writes a program that can be run at once. Another process writes it: what a test
/// writes itself may still be open, for a moment, in a child that another test has just
/// forked, and the kernel runs nothing that is open for writing.
pub fn write_program(path: &Path, text: &[u8]) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut install = Command::new("install");
    install.args(["-m", "0755", "/dev/stdin"]).arg(path);
    let mut child = install.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    assert!(child.wait().unwrap().success(), "{}", path.display());
}
