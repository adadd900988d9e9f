//! Controllers of a fleet that run, and what they say of their sites.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use talos_order::bucket::{Bucket, ObjectKey};
use tokio::runtime::Runtime;

use crate::common::program::Program;
use crate::common::wait_for;

/// A controller that ends with its test.
pub struct Running(pub Child);

impl Running {
    pub fn start(program: &Program) -> Self {
        Self(program.start(&["run"]))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a controller says of everything; null while it says nothing.
pub fn status(program: &Program) -> Value {
    let told = program.run(&["status", "-o", "json"]).stdout;
    serde_json::from_str(&told).unwrap_or_default()
}

/// Waits until a controller is this in a site, and says under which epoch.
pub fn waits_for(program: &Program, site: &str, state: &str) -> u64 {
    let mut line = Value::Null;
    eventually(&format!("a controller of {site} is {state}"), || {
        line = status(program)["sites"][site].clone();
        line["state"] == state
    });
    line["epoch"].as_u64().unwrap_or_default()
}

/// Waits until something is so that takes a while to ask for.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || {
        thread::sleep(Duration::from_millis(50));
        is_so()
    });
}

/// The objects of a store.
pub struct Objects {
    pub bucket: Bucket,
    pub runtime: Runtime,
}

impl Objects {
    pub fn of(bucket: Bucket) -> Self {
        Self {
            bucket,
            runtime: Runtime::new().unwrap(),
        }
    }

    /// What is in an object; null where there is none.
    pub fn json(&self, key: &str) -> Value {
        let key: ObjectKey = key.parse().unwrap();
        let found = self.runtime.block_on(self.bucket.get(&key)).unwrap();
        let text = found.map(|object| object.bytes).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let prefix = prefix.parse().unwrap();
        let listed = self.runtime.block_on(self.bucket.list(&prefix)).unwrap();
        let keys = listed.into_iter().map(|object| object.key.to_string());
        keys.collect()
    }
}
