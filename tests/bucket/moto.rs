//! moto, somebody else's idea of S3 that keeps to the answers of AWS.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use talos_order::bucket::Bucket;

#[path = "../support/venv.rs"]
mod venv;

use crate::common::seaweed;

/// A running one.
pub struct Moto {
    process: Child,
    pub endpoint: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    /// `None`, said on stderr, where it cannot be had on this machine.
    pub fn start() -> Option<Self> {
        // Two tests would make one directory at once.
        static MAKING: Mutex<()> = Mutex::new(());
        let making = MAKING.lock().unwrap();
        let bin = venv::programs("moto-venv", "tests/bucket/requirements.txt", "moto")?;
        drop(making);
        let mut process = Command::new(bin.join("python"))
            .args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let endpoint = loop {
            let line = lines.next().expect("an address").unwrap();
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
        };
        // What nobody reads would fill up, and stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let moto = Self { process, endpoint };
        let bucket = format!("{}/{}", moto.endpoint, seaweed::BUCKET);
        let made = Command::new("curl")
            .args(["-s", "-f", "-o", "/dev/null", "-X", "PUT", &bucket])
            .status();
        assert!(made.unwrap().success(), "{bucket}");
        Some(moto)
    }

    pub fn bucket(&self, prefix: &str) -> Bucket {
        Bucket::open(&seaweed::settings(&self.endpoint, prefix)).unwrap()
    }
}
