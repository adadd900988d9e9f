//! The machine: what it has to have, and what stands above the results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use serde::Serialize;

/// Programs that the lab uses, and the Debian packages they come from.
const NEEDED: [(&str, &str); 9] = [
    ("bash", "bash"),
    ("curl", "curl"),
    ("rsync", "rsync"),
    ("sha256sum", "coreutils"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sshd", "openssh-server"),
    ("sync", "coreutils"),
    ("xz", "xz-utils"),
];

/// `statfs` says so of a file system in memory.
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// What stands above the results.
#[derive(Debug, Serialize)]
pub struct Machine {
    date: String,
    version: &'static str,
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    rsync: String,
    ssh: String,
    xz: String,
    /// Of the last minute, before anything was done.
    pub load: String,
}

impl Machine {
    pub fn look() -> Self {
        Self {
            date: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z").to_string(),
            version: env!("CARGO_PKG_VERSION"),
            processor: line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: line_of("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse().ok())
                .map_or(0, |kibibytes: u64| kibibytes / 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rsync: first_line("rsync", "--version"),
            ssh: first_line("ssh", "-V"),
            xz: first_line("xz", "--version"),
            load: load(),
        }
    }

    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("{}, talos-order {}", self.date, self.version),
            format!(
                "{}, {} cores, {} MiB of memory, Linux {}",
                self.processor, self.cores, self.memory_mib, self.kernel
            ),
            format!("{}; {}; {}", self.rsync, self.ssh, self.xz),
        ]
    }
}

/// The load of the last minute.
pub fn load() -> String {
    let text = read("/proc/loadavg");
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Fails where a program is missing, and names what to install.
pub fn require_tools() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .collect();
    let missing = NEEDED.iter().filter(|(program, _)| {
        let mut there = dirs.iter().map(|dir| dir.join(program));
        !there.any(|path| path.is_file())
    });
    let mut packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    packages.dedup();
    ensure!(
        packages.is_empty(),
        "programs are missing; install them with: apt-get install {}",
        packages.join(" ")
    );
    Ok(())
}

/// Where to build the lab: what was asked for, or a temporary directory on a disk.
pub fn choose_dir(asked: Option<&Path>) -> Result<PathBuf> {
    let candidates = match asked {
        Some(dir) => vec![std::path::absolute(dir)?],
        None => vec![std::env::temp_dir(), PathBuf::from("/var/tmp")],
    };
    for dir in &candidates {
        if dir.to_string_lossy().contains([' ', '\'', '"']) {
            bail!(
                "{} has blanks or quotes in it, which the script of the sequential way cannot do with",
                dir.display()
            );
        }
        if asked.is_some() {
            fs::create_dir_all(dir)?;
            return Ok(dir.clone());
        }
        if dir.is_dir() && !in_memory(dir) {
            return Ok(dir.clone());
        }
    }
    bail!("the directories for temporary files are in memory; name one on a disk with --dir PATH")
}

fn in_memory(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|found| found.f_type == TMPFS)
}

/// Fails where a directory's file system has not so much room.
pub fn require_space(dir: &Path, bytes: u64) -> Result<()> {
    let found = rustix::fs::statvfs(dir)?;
    let free = found.f_bavail * found.f_frsize;
    ensure!(
        free >= bytes,
        "{} has {} MiB free and the lab needs {} MiB; name another disk with --dir PATH, or see \
         with --quick",
        dir.display(),
        free >> 20,
        bytes >> 20
    );
    Ok(())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line `NAME : VALUE`.
fn line_of(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What a program says of itself, wherever it says it.
fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output();
    let text = output.map_or_else(
        |_| Vec::new(),
        |output| [output.stdout, output.stderr].concat(),
    );
    let text = String::from_utf8_lossy(&text);
    let words: Vec<&str> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    words.join(" ")
}
