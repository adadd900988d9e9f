//! The question before files are pruned from nodes, on a real terminal: `script` makes
//! one, and gives what is written to it to the program.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::*;

/// A delivered image that no order wants any more, and whose grace is over.
struct Unwanted {
    world: World,
    file: std::path::PathBuf,
}

impl Unwanted {
    fn new() -> Self {
        let world = World::new();
        let config = world.dir.path().join("config.yaml");
        let text = fs::read_to_string(&config).unwrap();
        let prune = "prune: {grace: 0s, keep_versions: 1, vm_configs: false}\n";
        let text = text + prune;
        fs::write(
            &config,
            text.replace("pve-1, local: true", "pve-1, prune: true, local: true"),
        )
        .unwrap();
        world.order("old", "{type: exact, value: v1.10.7}");
        world.program.run(&["apply"]).expect(0);
        fs::remove_file(world.dir.path().join("orders/old.yaml")).unwrap();
        // The run that first misses it never prunes it.
        world.program.run(&["apply"]).expect(0);
        let file = world
            .dir
            .path()
            .join("iso/talos-v1.10.7-nocloud-amd64-376567988ad3.iso");
        assert!(file.exists());
        Self { world, file }
    }

    /// `apply` on a terminal, until it asks.
    fn asked(&self) -> Terminal {
        let terminal = self.on_terminal(&["apply"]);
        terminal.wait_for("Prune 1 file (");
        terminal
    }

    fn on_terminal(&self, args: &[&str]) -> Terminal {
        let inner = self.world.program.command(args);
        let words = std::iter::once(inner.get_program()).chain(inner.get_args());
        let words = words.map(|word| word.to_str().unwrap());
        let seen = self.world.dir.path().join("typescript");
        let _ = fs::remove_file(&seen);
        let mut command = Command::new("script");
        command
            .args(["--quiet", "--flush", "--return", "--command"])
            .arg(shell_words::join(words))
            .arg(&seen)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .current_dir(&self.world.dir);
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        Terminal {
            child: command.spawn().expect("script, of the package bsdutils"),
            seen,
        }
    }
}

struct Terminal {
    child: Child,
    /// Everything that was shown.
    seen: std::path::PathBuf,
}

impl Terminal {
    fn shown(&self) -> String {
        let seen = fs::read(&self.seen).unwrap_or_default();
        String::from_utf8_lossy(&seen).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let end = Instant::now() + common::PATIENCE;
        while !self.shown().contains(text) {
            assert!(Instant::now() < end, "no {text:?} in:\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types something, and waits for the end: the exit code, and what was shown.
    fn types(mut self, keys: &str) -> (i32, String) {
        // Open until the end: a terminal whose keyboard is gone hangs up.
        let mut keyboard = self.child.stdin.take().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
        let end = Instant::now() + common::PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code().unwrap();
            }
            assert!(Instant::now() < end, "no end:\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        };
        (code, self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn no_prunes_nothing_and_yes_prunes() {
    let unwanted = Unwanted::new();
    for answer in ["n\n", "\n", "yess\n"] {
        let (code, shown) = unwanted.asked().types(answer);
        assert_eq!(code, 1, "{answer:?}: {shown}");
        assert!(shown.contains("from 1 node? [y/N] "), "{shown}");
        assert!(shown.contains("Nothing was done."), "{shown}");
        assert!(unwanted.file.exists(), "{answer:?}: {shown}");
    }
    let (code, shown) = unwanted.asked().types("y\n");
    assert_eq!(code, 0, "{shown}");
    assert!(!unwanted.file.exists(), "{shown}");
}

#[test]
fn ctrl_c_at_the_question_does_nothing() {
    let unwanted = Unwanted::new();
    let (code, shown) = unwanted.asked().types("\u{3}");
    assert_eq!(code, 130, "{shown}");
    assert!(shown.contains("Interrupted: nothing was done"), "{shown}");
    assert!(unwanted.file.exists(), "{shown}");
}

#[test]
fn nobody_is_asked_who_has_answered_or_cannot() {
    let unwanted = Unwanted::new();
    let (code, shown) = unwanted.on_terminal(&["apply", "--yes"]).types("");
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("[y/N]"), "{shown}");
    assert!(!unwanted.file.exists(), "{shown}");

    let unwanted = Unwanted::new();
    let ran = unwanted.world.program.run(&["apply"]).expect(0);
    assert!(
        !ran.stdout.contains("[y/N]") && !ran.stderr.contains("[y/N]"),
        "{ran}"
    );
    assert!(!unwanted.file.exists(), "{ran}");
}
