//! A real object store for tests: SeaweedFS, as `tests/run` installs it.
//!
//! Each process has one at an address of its own (127.N.N.N by its id), so that no port is
//! taken twice. It ends with the process that started it, however that ends, and takes its
//! files with it.

#[path = "seaweed/past.rs"]
mod past;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use secrecy::SecretString;
use talos_order::bucket::{Bucket, BucketCredentials, BucketSettings};

use super::wait_for;

/// Who may do everything.
pub const ACCESS_KEY: &str = "talos";
pub const SECRET_KEY: &str = "talos-secret";
/// Who may only read.
pub const READER: &str = "reader";
/// The usual ports. Each server opens another one 10000 above; the ranges of 200 from here
/// do not meet.
const VOLUME: u32 = 8080;
const S3: u32 = 8333;
const FILER: u32 = 8888;
const MASTER: u32 = 9333;

/// The bucket that is there.
pub const BUCKET: &str = "fleet";

/// The key of every fleet.
pub const FLEET_KEY: &str = "0123456789abcdef0123456789abcdef";

/// Ends what it was told to start when its own input ends: when the process that started
/// it is gone.
const KEEPER: &str = r#"
trap '' INT TERM HUP
exec 2>/dev/null
"$@" </dev/null >"$DIR/log" 2>&1 &
pid=$!
cat
kill -9 $pid
wait $pid
rm -rf "$DIR"
"#;

/// A server.
pub struct Seaweed {
    address: String,
    /// Added to the usual ports.
    ports: u32,
    dir: PathBuf,
    program: PathBuf,
    keeper: Child,
}

impl Seaweed {
    /// The server of this process; `None`, said on stderr, where none is installed. Tests
    /// take a prefix each.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Seaweed>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1)).as_ref()
    }

    /// A server that is this test's only; `number` sets it apart from the others of the
    /// process, beginning with 2.
    pub fn start(number: u32) -> Option<Self> {
        let weed = installed()?;
        let id = std::process::id();
        // Some of the second byte is left to others.
        let address = format!(
            "127.{}.{}.{}",
            100 + (id >> 16) % 32 + 32 * (number % 4),
            (id >> 8) % 256,
            id % 256
        );
        // Servers of one machine find each other by sockets that are named by the port alone.
        let ports = id % 50 * 4 + number % 4;
        let dir = tempfile::Builder::new()
            .prefix("weed-")
            .tempdir()
            .unwrap()
            .keep();
        fs::create_dir(dir.join("data")).unwrap();
        fs::write(dir.join("s3.json"), identities()).unwrap();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&weed)
            .args([
                "-logtostderr=true",
                "server",
                "-master.volumeSizeLimitMB=64",
            ])
            .args(["-volume.max=16", "-filer", "-s3"])
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-master.port={}", MASTER + ports))
            .arg(format!("-volume.port={}", VOLUME + ports))
            .arg(format!("-filer.port={}", FILER + ports))
            .arg(format!("-s3.port={}", S3 + ports))
            .arg(format!("-ip={address}"))
            .arg(format!("-ip.bind={address}"))
            .arg(format!("-dir={}", dir.join("data").display()))
            .arg(format!(
                "-filer.localSocket={}",
                dir.join("filer.sock").display()
            ))
            .arg(format!("-s3.config={}", dir.join("s3.json").display()))
            .env("DIR", &dir)
            .env("HOME", &dir)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let seaweed = Self {
            address,
            ports,
            dir,
            program: weed,
            keeper,
        };
        wait_for("SeaweedFS takes objects", || seaweed.is_ready());
        Some(seaweed)
    }

    /// The URL of the server.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// `HOST:PORT` of the server.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.address, S3 + self.ports)
    }

    /// What the server writes of itself.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Its bucket, behind a prefix that ends in a slash.
    pub fn settings(&self, prefix: &str) -> BucketSettings {
        settings(&self.endpoint(), prefix)
    }

    /// The same as a client.
    pub fn bucket(&self, prefix: &str) -> Bucket {
        Bucket::open(&self.settings(prefix)).unwrap()
    }

    /// The section `store` of a configuration, with its secrets in files of a directory.
    pub fn section(&self, prefix: &str, dir: &Path) -> String {
        section(&self.endpoint(), prefix, dir)
    }

    /// A bucket is made by an object in it, through the filer, which asks for no signature.
    fn is_ready(&self) -> bool {
        let filer = FILER + self.ports;
        let object = format!("http://{}:{filer}/buckets/{BUCKET}/ready", self.address);
        // 403 is an answer, too.
        curl(&["-f", "-T", "/etc/hostname", &object]) && curl(&[&self.endpoint()])
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        // It may have been killed before it did that.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The bucket of a server, behind a prefix that ends in a slash.
pub fn settings(endpoint: &str, prefix: &str) -> BucketSettings {
    BucketSettings {
        bucket: BUCKET.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: Some(endpoint.parse().unwrap()),
        region: "us-east-1".to_owned(),
        credentials: Some(BucketCredentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SecretString::from(SECRET_KEY.to_owned()),
        }),
        authorities: None,
        connect: std::time::Duration::from_secs(5),
        idle: std::time::Duration::from_secs(20),
    }
}

/// The section `store` of a configuration for a server.
pub fn section(endpoint: &str, prefix: &str, dir: &Path) -> String {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, format!("{text}\n")).unwrap();
        path.display().to_string()
    };
    format!(
        "store:\n  url: s3://{BUCKET}/{}\n  endpoint: {endpoint}\n  access_key_id_file: {}\n  \
         secret_access_key_file: {}\n  key_file: {}\n",
        prefix.trim_end_matches('/'),
        file("store-id", ACCESS_KEY),
        file("store-secret", SECRET_KEY),
        file("fleet-key", FLEET_KEY),
    )
}

fn identities() -> String {
    let all = r#"["Admin","Read","Write","List","Tagging"]"#;
    let identity = |name: &str, secret: &str, actions: &str| {
        format!(
            r#"{{"name":"{name}","credentials":[{{"accessKey":"{name}","secretKey":"{secret}"}}],"actions":{actions}}}"#
        )
    };
    format!(
        r#"{{"identities":[{},{}]}}"#,
        identity(ACCESS_KEY, SECRET_KEY, all),
        identity(READER, SECRET_KEY, r#"["Read","List"]"#),
    )
}

/// The program; `None`, said on stderr, where it is not there.
fn installed() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = Command::new(here.join("tests/support/seaweedfs.sh"))
        .arg("--installed")
        .stdin(Stdio::null())
        .output()
        .expect("the script can be started");
    if found.status.success() {
        let path = String::from_utf8(found.stdout).unwrap();
        return Some(PathBuf::from(path.trim()));
    }
    let why = String::from_utf8_lossy(&found.stderr).into_owned();
    // The machine that decides on changes has it, and must not skip in silence.
    assert!(std::env::var_os("CI").is_none(), "{why}");
    // Not `eprintln!`, which the test harness keeps to itself while all is well.
    let notice = format!("NOT TESTED against SeaweedFS: {why}");
    std::io::stderr().write_all(notice.as_bytes()).ok();
    None
}

fn curl(arguments: &[&str]) -> bool {
    let asked = Command::new("curl")
        .args(["-s", "--max-time", "5", "-o", "/dev/null"])
        .args(arguments)
        .status();
    asked.is_ok_and(|status| status.success())
}
