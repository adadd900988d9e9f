//! What the integration tests share. Each uses only a part of it.
#![allow(dead_code, reason = "every test file compiles its own copy")]

pub mod sshd;
