//! What the integration tests share. Each uses only a part of it.
#![allow(dead_code, reason = "every test file compiles its own copy")]

pub mod factory;
pub mod program;
pub mod snapshot;
pub mod sshd;
pub mod world;

use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

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
