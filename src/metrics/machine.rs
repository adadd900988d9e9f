//! The numbers of the process, under the names that all programs give them.
//!
//! A single run has none: the collector that reads its file has the same names, of its own
//! process.

use super::catalog;
use super::exposition::Exposition;
use super::scene::LiveNumbers;

pub(super) fn add(to: &mut Exposition, live: Option<&LiveNumbers>) {
    let Some(used) = live.and_then(|live| live.process) else {
        return;
    };
    to.set_real(&catalog::CPU, [], used.cpu_seconds);
    to.set_real(&catalog::STARTED, [], used.started);
    to.set(&catalog::RESIDENT, [], used.resident_bytes);
    to.set(&catalog::VIRTUAL, [], used.virtual_bytes);
    to.set(&catalog::FDS, [], used.open_fds);
    if let Some(most) = used.max_fds {
        to.set(&catalog::MAX_FDS, [], most);
    }
    to.set(&catalog::THREADS, [], used.threads);
}
