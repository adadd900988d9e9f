//! Objects that are older than they are: nobody can wait for a day.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use talos_order::bucket::ObjectKey;
use tokio::runtime::Runtime;

use super::{BUCKET, FILER, MASTER, Seaweed, wait_for};

/// The field with the time of an entry, among its attributes.
const MODIFIED: u8 = 0x10;

impl Seaweed {
    /// Changes when the server says that these objects were written; everything else of them
    /// stays. It is done as an operator restores what the server knows of its files: saved,
    /// and loaded again.
    pub fn backdate(&self, prefix: &str, keys: &[&String], by: Duration) {
        let runtime = Runtime::new().unwrap();
        let bucket = self.bucket(prefix);
        for (number, key) in keys.iter().enumerate() {
            let key: ObjectKey = key.parse().unwrap();
            let modified = || {
                let found = runtime.block_on(bucket.head(&key)).unwrap().unwrap();
                u64::try_from(found.modified.as_second()).unwrap()
            };
            let (before, path) = (modified(), format!("{prefix}{key}"));
            let (dir, name) = path.rsplit_once('/').unwrap();
            let (saved, changed) = (format!("saved-{number}"), format!("changed-{number}"));
            let save = format!("fs.meta.save -o {saved} /buckets/{BUCKET}/{dir}");
            self.shell(&save, || true);
            let records = fs::read(self.dir.join(&saved)).unwrap();
            let record = record_of(&records, name);
            let record = replaced(record, before, before - by.as_secs());
            fs::write(self.dir.join(&changed), record).unwrap();
            let load = format!("fs.meta.load {changed}");
            self.shell(&load, || modified() == before - by.as_secs());
        }
    }

    /// A command of the server's own shell, which ends in the middle of what it does when
    /// there is nothing more to read: so that waits until this is so.
    fn shell(&self, command: &str, is_so: impl FnMut() -> bool) {
        let (address, ports) = (&self.address, self.ports);
        let mut shell = Command::new(&self.program)
            .arg("shell")
            .arg(format!("-master={address}:{}", MASTER + ports))
            .arg(format!("-filer={address}:{}", FILER + ports))
            .current_dir(&self.dir)
            .env("HOME", &self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        writeln!(input, "{command}").unwrap();
        wait_for(command, is_so);
        drop(input);
        let output = shell.wait_with_output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
}

/// The record of a file, with its length before it.
fn record_of<'r>(mut records: &'r [u8], name: &str) -> &'r [u8] {
    while let Some((length, _)) = records.split_first_chunk::<4>() {
        let length = 4 + u32::from_be_bytes(*length) as usize;
        let (record, rest) = records.split_at(length);
        if record.windows(name.len()).any(|at| at == name.as_bytes()) {
            return record;
        }
        records = rest;
    }
    panic!("no record of {name}");
}

/// The record with another time, which has as many bytes.
fn replaced(record: &[u8], before: u64, after: u64) -> Vec<u8> {
    let (before, after) = (field(before), field(after));
    assert_eq!(before.len(), after.len());
    let mut record = record.to_vec();
    let mut found = 0;
    for at in 0..=record.len() - before.len() {
        if record[at..].starts_with(&before) {
            record[at..at + after.len()].copy_from_slice(&after);
            found += 1;
        }
    }
    assert_eq!(found, 1, "the time of the record");
    record
}

/// A number as the field of a message of protobuf.
fn field(mut number: u64) -> Vec<u8> {
    let mut bytes = vec![MODIFIED];
    while number > 0x7f {
        bytes.push(number as u8 & 0x7f | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
