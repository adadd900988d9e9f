//! A factory at fault, row by row: what a user reads, what is on the disk then, and
//! that the next run, with the factory well again, puts everything right.
//!
//! The program is the built one and the server speaks HTTP byte by byte, so that a row
//! can say what no well-behaved server would. A row is one kind of answer to one kind of
//! request; everything else is answered as it should be. There is one attempt a run, so
//! what is read is the row's own fault.

mod answers;
mod images;
mod redirects;
mod small;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::common::program::{Program, Ran};
use crate::common::snapshot::{digest, images as names};
use wire::{Answer, Server};

const XZ: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw.xz";
const RAW: &str = "talos-v1.11.3-nocloud-amd64-376567988ad3.raw";
/// What must be seen by nobody but the factory, and in no text.
const SECRET: &str = "open-sesame";

/// Which requests are answered at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Image,
    Checksum,
    Schematic,
    Versions,
}

/// One fault.
struct Row {
    /// What it is, for whoever reads a failure.
    what: &'static str,
    at: At,
    answer: Answer,
    /// True if the run is to succeed all the same.
    well: bool,
    /// What a user reads.
    reads: &'static [&'static str],
}

/// A row in which the run fails and says so.
const fn fails(what: &'static str, at: At, answer: Answer, reads: &'static [&'static str]) -> Row {
    Row {
        what,
        at,
        answer,
        well: false,
        reads,
    }
}

/// A row in which the run succeeds all the same.
const fn passes(what: &'static str, at: At, answer: Answer) -> Row {
    Row {
        what,
        at,
        answer,
        well: true,
        reads: &[],
    }
}

/// A directory with a configuration, an order and one node.
struct Scene {
    dir: tempfile::TempDir,
    program: Program,
    server: Server,
}

/// Limits of a run that meets a fault, and of one that must not fail under load.
const SHORT: &str =
    "{retries: 0, connect: 5s, first_byte: 3s, idle: 3s, least_rate: 1KiB, rate_window: 2s}";
const LONG: &str = "{retries: 0, connect: 20s, first_byte: 60s}";

impl Scene {
    fn new(row: &Row) -> Self {
        let dir = tempfile::Builder::new().prefix("fault-").tempdir().unwrap();
        let files = ["config.yaml", "order.yaml"].map(|name| dir.path().join(name));
        let mut program = Program::with_files(dir.path(), &files[0], &files[1]);
        program.env.push(("PASSWORD".to_owned(), SECRET.to_owned()));
        let version = match row.at {
            At::Versions => "{type: latest-in-minor, minor: v1.11}",
            _ => "{type: exact, value: v1.11.3}",
        };
        let order = format!(
            "- orderid: one\n  positions:\n    - name: image\n      image_format: raw.xz\n      \
             version: {version}\n      push: {{enabled: true, prefer_decompressed: true, \
             hosts: [{{group: all}}]}}\n"
        );
        fs::write(&files[1], order).unwrap();
        Self {
            server: Server::start(row.at, row.answer),
            dir,
            program,
        }
    }

    fn configure(&self, url: &str, limits: &str) {
        let root = self.dir.path().display();
        let text = format!(
            "defaults: {{cache_dir: {root}/cache, push: {{create: true}}}}\nmanifest: {{dir: {root}/manifests}}\n\
             factory: {{url: \"{url}\", username: me, password_env: PASSWORD}}\n\
             github: {{api_url: \"{url}\"}}\nversions: {{sources: [factory]}}\n\
             limits: {limits}\nnodes:\n  - {{name: pve-1, labels: [all], local: true, \
             iso_dir: {root}/node/iso, import_dir: {root}/node/import}}\n"
        );
        fs::write(self.dir.path().join("config.yaml"), text).unwrap();
    }

    fn apply(&self, url: &str, limits: &str) -> Ran {
        self.configure(url, limits);
        self.program.run(&["apply"])
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What of images there is under a final name.
    fn there(&self) -> Vec<String> {
        let dirs = ["cache", "node/iso", "node/import"].map(|dir| self.at(dir));
        let there = dirs.iter().filter(|dir| dir.is_dir());
        there.flat_map(|dir| names(dir)).collect()
    }

    fn assert_in_place(&self, what: &str, ran: &Ran) {
        assert_eq!(ran.code, Some(0), "{what}: {ran}");
        assert_eq!(self.there(), [RAW, XZ, RAW], "{what}: {ran}");
        for (file, truth) in [
            (self.at("cache").join(XZ), &self.server.image),
            (self.at("cache").join(RAW), &self.server.raw),
            (self.at("node/import").join(RAW), &self.server.raw),
        ] {
            let truth = talos_order::model::Sha256::from_bytes(
                <sha2::Sha256 as sha2::Digest>::digest(truth.as_slice()).into(),
            );
            assert_eq!(digest(&file).unwrap(), truth, "{what}: {}", file.display());
        }
    }
}

/// One row, from the fault to the run that puts it right.
fn check(row: &Row, limits: &str) {
    let scene = Scene::new(row);
    let url = scene.server.url();
    let ran = scene.apply(&url, limits);
    let what = row.what;
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!text.contains(SECRET), "{what}: a secret is told: {ran}");
    assert!(!text.contains("panicked"), "{what}: {ran}");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(
        !text.contains(control),
        "{what}: control characters: {text:?}"
    );
    assert!(
        scene.server.was_asked(),
        "{what}: the fault was never met: {ran}"
    );
    assert!(
        !scene.server.secret_was_told_elsewhere(),
        "{what}: credentials went elsewhere"
    );
    if row.well {
        scene.assert_in_place(what, &ran);
    } else {
        assert_eq!(ran.code, Some(1), "{what}: {ran}");
        for reads in row.reads {
            assert!(
                text.contains(reads),
                "{what}: nobody reads {reads:?}: {ran}"
            );
        }
        assert_eq!(scene.there(), Vec::<String>::new(), "{what}: {ran}");
    }
    scene.server.heal();
    let ran = scene.apply(&url, LONG);
    scene.assert_in_place(what, &ran);
    // And there is nothing left over from what went wrong.
    let left = fs::read_dir(scene.at("cache")).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.contains(".part")).collect();
    assert!(left.is_empty(), "{what}: {left:?}");
}

/// All rows, with one attempt a run.
fn check_all(rows: &[Row]) {
    check_with(SHORT, rows);
}

/// The same with a second attempt, for what is resumed.
fn with_retries(rows: &[Row]) {
    check_with("{retries: 1, connect: 20s, first_byte: 60s}", rows);
}

/// All rows, a few at a time: most of a row is waiting.
fn check_with(limits: &str, rows: &[Row]) {
    let next = Mutex::new(rows.iter());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(row) = next.lock().unwrap().next() else {
                        return;
                    };
                    let checked = std::panic::catch_unwind(|| check(row, limits));
                    if let Err(why) = checked {
                        let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
                        failed.lock().unwrap().push(format!("{}: {why}", row.what));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} rows:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn nobody_there_is_told_and_costs_nothing() {
    let none = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = none.local_addr().unwrap();
    drop(none);
    for (what, url, reads) in [
        (
            "a closed port",
            format!("http://{closed}/"),
            ["Connection refused", "HTTPS_PROXY"],
        ),
        (
            "TLS to a plain port",
            String::new(),
            ["failed", "does not speak TLS"],
        ),
        (
            "a name that nobody has",
            "http://factory.invalid/".to_owned(),
            ["asking http://factory.invalid/", "HTTPS_PROXY"],
        ),
    ] {
        let row = passes(what, At::Image, wire::honest);
        let scene = Scene::new(&row);
        let own = scene.server.url();
        let url = match url.as_str() {
            "" => own.replace("http:", "https:"),
            url => url.to_owned(),
        };
        let ran = scene.apply(&url, SHORT);
        assert_eq!(ran.code, Some(1), "{what}: {ran}");
        let text = format!("{}{}", ran.stdout, ran.stderr);
        for reads in reads {
            assert!(
                text.contains(reads),
                "{what}: nobody reads {reads:?}: {ran}"
            );
        }
        assert_eq!(scene.there(), Vec::<String>::new(), "{what}");
        let ran = scene.apply(&own, LONG);
        scene.assert_in_place(what, &ran);
    }
}
