//! A controller as a process, and what it says of itself.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::measure;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A controller, whether it runs or not.
pub struct Controller {
    /// Its files.
    pub dir: PathBuf,
    orders: PathBuf,
    child: Option<Child>,
    /// The numbers of its last life, as they were last read.
    last: Metrics,
    /// Bytes of images that its earlier lives read from the store and wrote to it.
    before: Moved,
    /// The most memory that any life had, in bytes.
    peak: u64,
}

/// Bytes of images to and from the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moved {
    pub read: u64,
    pub written: u64,
}

/// Numbers that were read once.
#[derive(Debug, Clone, Default)]
pub struct Metrics(String);

/// What a pass took.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    pub seconds: f64,
    /// Processor time of the controller itself.
    pub cpu: f64,
    /// Of the programs that it started: scripts of nodes on this machine, which are the
    /// work of a node, and a client of ssh for each session with another one.
    pub programs: f64,
    /// Requests to the store for images, and for who leads.
    pub images: u64,
    pub leaders: u64,
}

impl Controller {
    /// One whose configuration is in a directory.
    pub fn new(dir: &Path, orders: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            orders: orders.to_owned(),
            child: None,
            last: Metrics::default(),
            before: Moved::default(),
            peak: 0,
        }
    }

    /// The built program with a command.
    pub fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .arg(format!(
                "--config={}",
                self.dir.join("config.yaml").display()
            ))
            .arg(format!("--orders={}", self.orders.display()))
            .current_dir(&self.dir);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().to_uppercase();
            if name.starts_with("TALOS_ORDER_") || name.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        for variable in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
            command.env(variable, self.dir.join(".xdg"));
        }
        command
    }

    /// Starts the built program.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&program())
    }

    pub fn start_with(&mut self, program: &Path) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))?;
        let mut command = self.command(program, &["run"]);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(command.spawn()?);
        self.last = Metrics::default();
        Ok(())
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends it a signal, if it runs.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), signal)?;
        }
        Ok(())
    }

    /// Ends it with a signal, and keeps what its numbers were.
    pub fn end(&mut self, signal: Signal) -> Result<()> {
        self.look();
        self.signal(signal)?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        let moved = self.moved();
        self.before = moved;
        self.last = Metrics::default();
        Ok(())
    }

    /// Its numbers now; those of the last look where it does not answer.
    pub fn look(&mut self) -> &Metrics {
        if let Some(pid) = self.pid() {
            self.peak = self.peak.max(measure::peak_memory(pid));
            if let Ok(text) = ask(&self.dir.join("web")) {
                self.last = Metrics(text);
            }
        }
        &self.last
    }

    /// The epoch under which it leads a site, if it does.
    pub fn leads(&mut self, site: &str) -> Option<u64> {
        self.pid()?;
        let label = format!("{{site=\"{site}\"}}");
        let now = self.look();
        let leads = now.number(&format!("talos_order_leader{label}"))? > 0.0;
        let epoch = now.number(&format!("talos_order_leader_epoch{label}"))?;
        // Epochs are small whole numbers here.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "see above"
        )]
        leads.then_some(epoch as u64)
    }

    /// What all of its lives moved.
    pub fn moved(&self) -> Moved {
        let bytes = |direction: &str| {
            let name = format!("talos_order_store_bytes_total{{direction=\"{direction}\"}}");
            self.last.whole(&name)
        };
        Moved {
            read: self.before.read + bytes("read"),
            written: self.before.written + bytes("written"),
        }
    }

    /// The most memory that any life had, in bytes.
    pub const fn peak(&self) -> u64 {
        self.peak
    }

    /// Requests a run and waits for its end.
    pub fn pass(&mut self) -> Result<Pass> {
        let pid = self.pid().context("it runs")?;
        let before = self.look().clone();
        let cpu = measure::own_and_children_cpu(pid);
        let begin = Instant::now();
        let said = self.command(&program(), &["reconcile"]).output()?;
        let seconds = begin.elapsed().as_secs_f64();
        ensure!(
            said.status.success(),
            "a pass failed: {}{}",
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
        let now = measure::own_and_children_cpu(pid);
        let after = self.look();
        Ok(Pass {
            seconds,
            cpu: now[0] - cpu[0],
            programs: now[1] - cpu[1],
            images: after.requests("images") - before.requests("images"),
            leaders: after.requests("leaders") - before.requests("leaders"),
        })
    }

    /// The end of what it said.
    pub fn said(&self) -> String {
        measure::tail(&self.dir.join("log"))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Metrics {
    /// A number by its name with its labels.
    pub fn number(&self, name: &str) -> Option<f64> {
        let mut lines = self.0.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// The same of a counter; 0 where it is not there.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters are whole and positive"
    )]
    pub fn whole(&self, name: &str) -> u64 {
        self.number(name).unwrap_or_default() as u64
    }

    /// Requests to the store.
    pub fn requests(&self, purpose: &str) -> u64 {
        self.whole(&format!(
            "talos_order_store_requests_total{{purpose=\"{purpose}\"}}"
        ))
    }
}

/// The program as built.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_talos-order").into()
}

/// The metrics that a controller serves.
fn ask(socket: &Path) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}
