//! A network namespace.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where `ip netns` keeps them.
const NAMED: &str = "/run/netns";

/// A network namespace with a name. Whoever made it removes it.
#[derive(Debug)]
pub struct Space {
    pub name: String,
}

impl Space {
    /// Does something in this namespace: what is bound, connected or started there
    /// belongs to it from then on. A namespace is that of a thread, so it is done on
    /// one of its own; what the thread starts is in the namespace without `ip netns
    /// exec` before it.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let file = File::open(Path::new(NAMED).join(&self.name))
            .with_context(|| format!("the network namespace {}", self.name))?;
        let worked = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            thread.join()
        });
        worked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Bytes that a device has received so far, headers included.
    pub fn received(&self, device: &str) -> Result<u64> {
        let table = self.inside(|| std::fs::read_to_string("/proc/thread-self/net/dev"))??;
        let counted = table.lines().find_map(|line| {
            let (name, counters) = line.split_once(':')?;
            let is_asked = name.trim() == device;
            let first = counters.split_whitespace().next();
            is_asked.then_some(first)??.parse().ok()
        });
        counted.with_context(|| format!("{device} in {} counts nothing", self.name))
    }
}
