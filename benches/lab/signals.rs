//! What happens when a bench is told to end.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::sshd;

/// Set by a signal; nothing more is started then.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// True once the bench has been told to end.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Ends what the bench started when it is told to end; the run then fails at what it
/// waits for, and cleans up behind itself on its way out.
pub struct Signals {
    _runtime: tokio::runtime::Runtime,
}

impl Signals {
    pub fn watch() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let _entered = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let mut signals = signal(kind)?;
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    INTERRUPTED.store(true, Ordering::Relaxed);
                    for pid in sshd::descendants(std::process::id()) {
                        sshd::kill(pid);
                    }
                }
            });
        }
        Ok(Self { _runtime: runtime })
    }
}
