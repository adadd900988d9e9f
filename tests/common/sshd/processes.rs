//! The programs of a lab, and the processes that it started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// True if a process here may have mounts of its own.
pub fn can_unshare() -> bool {
    let status = Command::new("unshare")
        .args(["-m", "mount", "--bind", "/etc/passwd", "/etc/passwd"])
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// sshd wants to be called by its absolute path, and is in no user's PATH.
pub fn sshd_path() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join("sshd"))
        .find(|path| path.is_file())
        .expect("sshd is installed (openssh-server)")
}

/// Makes a key, and the public one beside it.
pub fn keygen(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f"])
        .arg(path)
        .status()
        .expect("ssh-keygen is installed");
    assert!(status.success());
}

/// Every process below this one, from `/proc`.
pub fn descendants(pid: u32) -> Vec<u32> {
    let processes: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // `pid (name) state ppid …`, where the name may hold anything.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(processes.iter().filter(|p| p.1 == parent).map(|p| p.0));
        next += 1;
    }
    found.remove(0);
    found
}

/// Ends a process that a lab started.
pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
