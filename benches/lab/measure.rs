//! What a command costs: time, processor time, memory.
//!
//! Processor time is what the kernel adds up for children that were waited for. An
//! ssh that went into the background to keep a connection open is nobody's child; so
//! this process takes in orphans, ends those that are ssh, and waits for them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::sshd::descendants;

/// Ticks in a second of `/proc/PID/stat`; so on every Linux.
const TICKS: f64 = 100.0;
/// How often the peak of a process's memory is read. The kernel keeps the peak, so
/// only what is reached in the last moment can be missed.
const SAMPLE: Duration = Duration::from_millis(5);
/// How long an ssh in the background may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one run took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub seconds: f64,
    /// Processor time of the command and of everything that it started.
    pub cpu: f64,
    /// Processor time of the nodes.
    pub nodes_cpu: f64,
    /// The most memory of the first process alone, in bytes.
    pub peak: u64,
}

/// Children of this process are its own again when their parents end.
pub fn take_in_orphans() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("orphans cannot be taken in")
}

/// Runs a command to its end, its output in a file; `nodes` are the processes of the
/// nodes. Anything but exit code 0 is an error. Connections that it leaves open are
/// ended, so that the next run has to open its own, and their time is counted.
pub fn run(command: &mut Command, log: &Path, nodes: &[u32]) -> Result<Cost> {
    let (own, theirs) = (children_cpu(), trees_cpu(nodes));
    let cost = run_on(command, log, nodes)?;
    end_connections();
    Ok(Cost {
        cpu: children_cpu() - own,
        nodes_cpu: trees_cpu(nodes) - theirs,
        ..cost
    })
}

/// Runs a command beside a controller, whose connections stay open.
pub fn run_on(command: &mut Command, log: &Path, nodes: &[u32]) -> Result<Cost> {
    let (own, theirs) = (children_cpu(), trees_cpu(nodes));
    let begin = Instant::now();
    let mut child = spawn(command, log)?;
    let pid = child.id();
    let peak = AtomicU64::new(0);
    let ended = AtomicBool::new(false);
    let status = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(peak_memory(pid), Ordering::Relaxed);
                std::thread::sleep(SAMPLE);
            }
        });
        let status = child.wait();
        let seconds = begin.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        status.map(|status| (status, seconds))
    });
    let (status, seconds) = status?;
    if !status.success() {
        bail!("{command:?} ended with {status}:\n{}", tail(log));
    }
    Ok(Cost {
        seconds,
        cpu: children_cpu() - own,
        nodes_cpu: trees_cpu(nodes) - theirs,
        peak: peak.into_inner(),
    })
}

/// Runs a command of which only the success counts.
pub fn checked(command: &mut Command, log: &Path) -> Result<()> {
    run(command, log, &[]).map(|_| ())
}

/// Starts a command with its output in a file.
pub fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    ensure!(!crate::is_interrupted(), "interrupted");
    let output = File::create(log)?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("{command:?} cannot be started"))
}

/// The end of what a command said.
pub fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4000)..]).into_owned()
}

/// The most memory that a living process has had, in bytes.
pub fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kibibytes.unwrap_or(0_u64) * 1024
}

/// The words of `/proc/PID/stat` behind the name, which may hold anything.
fn stat(pid: &str) -> Option<(String, Vec<String>)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, rest) = stat.rsplit_once(") ")?;
    let name = head.split_once('(')?.1.to_owned();
    Some((name, rest.split(' ').map(str::to_owned).collect()))
}

/// Sums words of `/proc/PID/stat`, as numbered in its manual page.
fn seconds(pid: &str, fields: &[usize]) -> f64 {
    let Some((_, words)) = stat(pid) else {
        return 0.0;
    };
    let ticks = fields
        .iter()
        .filter_map(|field| words.get(field - 3)?.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

/// Of all children that were waited for, theirs included.
fn children_cpu() -> f64 {
    seconds("self", &[16, 17])
}

/// Of processes and everything below them.
fn trees_cpu(roots: &[u32]) -> f64 {
    let all = roots
        .iter()
        .flat_map(|&root| descendants(root).into_iter().chain([root]));
    all.map(|pid| seconds(&pid.to_string(), &[14, 15, 16, 17]))
        .sum()
}

/// Of one process and of those of its children that it has waited for.
pub fn process_cpu(pid: u32) -> f64 {
    own_and_children_cpu(pid).iter().sum()
}

/// Of one process alone, and of those of its children that it has waited for.
pub fn own_and_children_cpu(pid: u32) -> [f64; 2] {
    [[14, 15], [16, 17]].map(|fields| seconds(&pid.to_string(), &fields))
}

/// Ends every connection that was left open in the background.
pub fn end_connections() {
    let begin = Instant::now();
    loop {
        let open = orphans("ssh");
        for &pid in &open {
            let _ = kill_process(pid, Signal::TERM);
        }
        // One that has ended is an orphan until it was waited for.
        let mut live = open;
        live.retain(|&pid| matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)));
        if live.is_empty() || begin.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(SAMPLE);
    }
}

/// Children of this process with such a name. None that it starts itself and that
/// lives on is called `ssh`.
fn orphans(wanted: &str) -> Vec<Pid> {
    let own = std::process::id().to_string();
    let all = descendants(std::process::id());
    let ours = all.into_iter().filter(|pid| {
        stat(&pid.to_string())
            .is_some_and(|(name, words)| name == wanted && words.get(1) == Some(&own))
    });
    ours.filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

/// The one in the middle, or what is between the two.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}
