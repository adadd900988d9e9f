//! What this process takes of the machine.

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};

/// What this process takes of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProcessUse {
    /// When it was started, in seconds since 1970.
    pub started: f64,
    /// Seconds of processor time.
    pub cpu_seconds: f64,
    /// Bytes of memory that it has in use.
    pub resident_bytes: u64,
    /// Bytes of its address space.
    pub virtual_bytes: u64,
    /// Files and connections that are open.
    pub open_fds: u64,
    /// How many it may open; `None` for no limit.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: u64,
}

impl ProcessUse {
    /// `None` where the system does not tell, as in a container without `/proc`.
    pub(crate) fn now() -> Option<Self> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let ticks = procfs::ticks_per_second() as f64;
        let boot = procfs::boot_time_secs().ok()? as f64;
        Some(Self {
            started: boot + stat.starttime as f64 / ticks,
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            resident_bytes: stat.rss_bytes().get(),
            virtual_bytes: stat.vsize,
            open_fds: process.fd_count().ok()? as u64,
            max_fds: match process.limits().ok()?.max_open_files.soft_limit {
                LimitValue::Value(most) => Some(most),
                LimitValue::Unlimited => None,
            },
            threads: u64::try_from(stat.num_threads).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found() {
        let used = ProcessUse::now().unwrap();
        assert!(used.started > 1e9 && used.cpu_seconds >= 0.0);
        assert!(used.resident_bytes > 0 && used.virtual_bytes >= used.resident_bytes);
        assert!(used.open_fds > 2 && used.threads > 0);
    }
}
