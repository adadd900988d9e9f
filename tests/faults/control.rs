//! What happens at which system call: the other end of `seam.c`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a run may take, whatever is done to it: more than any limit that the
/// tests configure, twice.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a slow call takes.
const SLOW_MS: u64 = 300;

/// `sizeof(struct control)`, and where its parts are.
const SIZE: usize = 6144;
const TEXT: u64 = 512;
const ROOTS: u64 = 1024;
const LOG: u64 = 5120;

/// The fields of `struct control`, 8 bytes each.
#[derive(Clone, Copy)]
enum Field {
    Counter,
    Target,
    Kind,
    Error,
    Slow,
    Fired,
    Dead,
    Counting,
    Ended = 9,
    Status,
    Quit,
    After,
    Logging = 14,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It fails, once.
    Fail(Errno),
    /// It fails, and so does every later one: a disk that is full stays full.
    FailOn(Errno),
    /// Half of what was to be written is.
    Short,
    /// It takes a while, and everything else goes on.
    Slow,
    /// Its process is killed before it.
    Kill,
    /// Its process is killed after it.
    KillAfter,
    /// Everything is killed before it, on the nodes as well; nothing happens any more.
    Power,
    /// The controller's process is killed, and only that.
    Main,
    /// The controller is killed with everything that it started.
    Tree,
    /// Every session of every sshd is killed; what runs in them goes on.
    Session,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errno {
    Perm = 1,
    Io = 5,
    NoSpace = 28,
    ReadOnly = 30,
}

/// Every kind, in the order in which samples take them.
pub const KINDS: [Kind; 14] = [
    Kind::Power,
    Kind::Fail(Errno::Io),
    Kind::Kill,
    Kind::Main,
    Kind::Fail(Errno::NoSpace),
    Kind::Short,
    Kind::KillAfter,
    Kind::FailOn(Errno::NoSpace),
    Kind::Tree,
    Kind::Fail(Errno::Perm),
    Kind::Session,
    Kind::FailOn(Errno::ReadOnly),
    Kind::Slow,
    Kind::Fail(Errno::ReadOnly),
];

/// What goes wrong in a run.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// The number of the call, from 1.
    pub at: u64,
    pub kind: Kind,
}

/// Which calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Those that change a file.
    Files = 1,
    /// Those that start a program.
    Programs = 2,
}

/// A control file, and the program that obeys it.
pub struct Seams {
    file: File,
    path: PathBuf,
}

/// A run that may have ended, with what it left running.
pub struct Supervised<'a> {
    seams: &'a Seams,
    child: Child,
}

/// How a run under a fault ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// How many calls there were.
    pub calls: u64,
    /// The call that was met, for the user; empty if none was.
    pub met: String,
}

impl Seams {
    /// With a control file of its own; `roots` are the directories in which calls count.
    pub fn new(path: &Path, roots: &[PathBuf]) -> Self {
        fs::write(path, vec![0; SIZE]).unwrap();
        let file = File::options().read(true).write(true).open(path).unwrap();
        let seams = Self {
            file,
            path: path.to_owned(),
        };
        seams.count_in(roots);
        seams
    }

    /// Calls in these directories are counted from now on.
    pub fn count_in(&self, roots: &[PathBuf]) {
        let mut text: Vec<u8> = Vec::new();
        for root in roots {
            text.extend(root.to_str().unwrap().as_bytes());
            text.push(0);
        }
        text.push(0);
        assert!(text.len() as u64 <= LOG - ROOTS, "too many directories");
        self.file.write_all_at(&text, ROOTS).unwrap();
    }

    /// The words before an sshd whose sessions belong to the runs.
    pub fn launcher(&self) -> Vec<String> {
        let words = [program(), &self.path].map(|path| path.display().to_string());
        words.into_iter().chain(["serve".to_owned()]).collect()
    }

    /// Starts a command, with something going wrong, and waits for its end.
    pub fn run(
        &self,
        command: &Command,
        fault: Option<Fault>,
        calls: Calls,
    ) -> Result<(Ended, Supervised<'_>), String> {
        for field in [
            Field::Counter,
            Field::Fired,
            Field::Dead,
            Field::Ended,
            Field::Quit,
            Field::After,
        ] {
            self.set(field, 0);
        }
        self.file.write_all_at(&[0], TEXT).unwrap();
        self.set(Field::Target, fault.map_or(0, |fault| fault.at));
        let (kind, error) = fault.map_or((0, 0), |fault| fault.kind.numbers());
        self.set(Field::Kind, kind);
        self.set(Field::Error, error);
        self.set(Field::Slow, SLOW_MS);
        self.set(Field::Counting, calls as u64);
        let mut seam = Command::new(program());
        seam.arg(&self.path).arg("run").arg(command.get_program());
        seam.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => seam.env(name, value),
                None => seam.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            seam.current_dir(dir);
        }
        let log = File::create(self.path.with_extension("out")).unwrap();
        seam.stdin(Stdio::null());
        seam.stdout(log.try_clone().unwrap()).stderr(log);
        let mut run = Supervised {
            seams: self,
            child: seam.spawn().unwrap(),
        };
        let begin = Instant::now();
        while self.get(Field::Ended) == 0 {
            if let Some(status) = run.child.try_wait().unwrap() {
                return Err(format!("the seam ended with {status}: {}", self.said()));
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!("it hangs after {}: {}", self.met(), self.said()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // What is over is not to be counted; what was to happen later does not happen.
        self.set(Field::Target, 0);
        self.set(Field::Logging, 0);
        let ended = Ended {
            status: ExitStatus::from_raw(self.get(Field::Status).try_into().unwrap()),
            calls: self.get(Field::Counter),
            met: self.met(),
        };
        Ok((ended, run))
    }

    /// What the last run printed.
    pub fn said(&self) -> String {
        fs::read_to_string(self.path.with_extension("out")).unwrap_or_default()
    }

    /// Writes every call of the next run to a log.
    pub fn log_to(&self, path: &Path) {
        let mut text = path.to_str().unwrap().as_bytes().to_vec();
        text.push(0);
        self.file.write_all_at(&text, LOG).unwrap();
        self.set(Field::Logging, 1);
    }

    fn met(&self) -> String {
        if self.get(Field::Fired) == 0 {
            return String::new();
        }
        let mut text = vec![0; (ROOTS - TEXT) as usize];
        self.file.read_exact_at(&mut text, TEXT).unwrap();
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(0);
        String::from_utf8_lossy(&text[..end]).into_owned()
    }

    fn set(&self, field: Field, value: u64) {
        let at = field as u64 * 8;
        self.file.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    fn get(&self, field: Field) -> u64 {
        let mut bytes = [0; 8];
        self.file
            .read_exact_at(&mut bytes, field as u64 * 8)
            .unwrap();
        u64::from_ne_bytes(bytes)
    }
}

impl Drop for Supervised<'_> {
    /// Ends what the run left behind.
    fn drop(&mut self) {
        self.seams.set(Field::Quit, 1);
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(10) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.seams.set(Field::Dead, 0);
        self.seams.set(Field::After, 0);
        self.seams.set(Field::Counting, 0);
    }
}

impl Kind {
    /// `enum kind` of seam.c, and the errno.
    fn numbers(self) -> (u64, u64) {
        match self {
            Self::Fail(error) => (1, error as u64),
            Self::FailOn(error) => (2, error as u64),
            Self::Short => (3, 0),
            Self::Slow => (4, 0),
            Self::Kill => (5, 0),
            Self::KillAfter => (6, 0),
            Self::Power => (7, 0),
            Self::Main => (8, 0),
            Self::Tree => (9, 0),
            Self::Session => (10, 0),
        }
    }

    /// The kind of a name, as [`std::fmt::Display`] writes it.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.to_string() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Fail(error) => return write!(f, "fail-{error}"),
            Self::FailOn(error) => return write!(f, "fail-on-{error}"),
            Self::Short => "short",
            Self::Slow => "slow",
            Self::Kill => "kill",
            Self::KillAfter => "kill-after",
            Self::Power => "power",
            Self::Main => "main",
            Self::Tree => "tree",
            Self::Session => "session",
        };
        f.write_str(text)
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Perm => "eperm",
            Self::Io => "eio",
            Self::NoSpace => "enospc",
            Self::ReadOnly => "erofs",
        })
    }
}

/// `seam`, compiled once.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/seam.c");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Under a name of its own first: another run of the tests may execute it.
        let made = target.join(format!("seam.{}", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-O2", "-o"])
            .args([&made, &source])
            .output()
            .expect("cc is installed");
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "seam.c: {said}");
        let program = target.join("seam");
        fs::rename(&made, &program).unwrap();
        program
    })
}
