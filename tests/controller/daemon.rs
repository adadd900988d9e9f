//! A running controller, and what a user sees of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::program::{Program, Ran};
use crate::world::World;

/// How long anything may take before the test fails. Generous: the machine may have
/// other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs follow each other closely.
pub const FAST: &str = "reconcile: {interval: 1s, jitter: 0, debounce: 100ms, poll: 500ms}\n";

/// A run is done when something is asked for or changes, and not otherwise.
pub const ON_CHANGE: &str = "reconcile: {interval: 1d, debounce: 100ms, poll: 1h}\n";

/// A run is done when an operator requests it, so that runs can be counted.
pub const ON_REQUEST: &str = "reconcile: {interval: 1d, debounce: 10m, poll: 1h}\n";

/// A daemon that is killed when it is dropped.
pub struct Daemon {
    child: Child,
    program: Program,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until its first run is over.
    pub fn start(world: &World) -> Self {
        let daemon = Self::launch(world);
        daemon.until("the first run", |status| {
            let cause = &status["last_pass"]["cause"];
            status["running"].is_null() && !cause.is_null() && !status["next_pass"].is_null()
        });
        daemon
    }

    /// Starts it.
    pub fn launch(world: &World) -> Self {
        Self::launch_with(world, &[], None)
    }

    /// Starts it with more arguments, and perhaps with what systemd says of a stream.
    pub fn launch_with(
        world: &World,
        more: &[&str],
        journal_stream: Option<&dyn Fn(&fs::Metadata) -> String>,
    ) -> Self {
        let log = world.at("run.log");
        let mut command = world.program.command(&[&["run"], more].concat());
        let file = fs::File::options().create(true).append(true).open(&log);
        let file = file.unwrap();
        if let Some(stream) = journal_stream {
            command.env("JOURNAL_STREAM", stream(&file.metadata().unwrap()));
        }
        command.stdout(Stdio::null()).stderr(file);
        Self {
            child: command.spawn().unwrap(),
            program: world.program.clone(),
            log,
        }
    }

    /// What `status -o json` says; null where there is nothing to say yet.
    pub fn status(&self) -> Value {
        let ran = self.program.run(&["status", "-o", "json"]);
        match ran.stdout.as_str() {
            "" => Value::Null,
            _ => ran.json(),
        }
    }

    /// Waits until the status is as it should be.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}; the status is {status:#}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
        let begin = Instant::now();
        while !holds() {
            assert!(
                begin.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        begin.elapsed()
    }

    /// Requests a run, and returns how things are after it.
    #[track_caller]
    pub fn reconcile(&self) -> Value {
        let args = ["reconcile", "-o", "json", "--timeout", "50s"];
        let ran = self.program.run(&args);
        assert!(
            !ran.stdout.is_empty(),
            "{ran}\n{:#}\n{}",
            self.status(),
            self.log()
        );
        ran.json()
    }

    /// Every run that is on record, the oldest first.
    pub fn runs(&self) -> Vec<Value> {
        let ran = self.program.run(&["history", "-n", "500", "-o", "json"]);
        match ran.expect(0).json() {
            Value::Array(runs) => runs,
            other => panic!("{other:#}"),
        }
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "it does not end\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end, which it does well.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Runs another verb beside it.
    pub fn beside(&self, args: &[&str]) -> Ran {
        self.program.run(args)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// True if the last run is over and found everything in sync.
pub fn converged(status: &Value) -> bool {
    status["running"].is_null() && status["last_pass"]["verdict"] == "converged"
}

/// The condition of an order as a whole, or on a node.
pub fn condition<'a>(status: &'a Value, order: &str, node: Option<&str>) -> &'a Value {
    let conditions = status["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["order"] == order && condition["node"].as_str() == node);
    found.unwrap_or(&Value::Null)
}

/// The reason for which an order is not ready, as a whole or on a node.
pub fn reason<'a>(status: &'a Value, order: &str, node: Option<&str>) -> &'a str {
    condition(status, order, node)["reason"]
        .as_str()
        .unwrap_or("")
}

/// What is said of something blocked, whose step has this in its name.
pub fn held<'a>(status: &'a Value, step: &str) -> &'a str {
    let lines = status["held"].as_array().into_iter().flatten();
    let mut found = lines.filter(|held| held["step"].as_str().unwrap().contains(step));
    let line = found
        .next()
        .map_or("", |held| held["message"].as_str().unwrap());
    assert!(found.next().is_none(), "more than one {step} in {status:#}");
    line
}
