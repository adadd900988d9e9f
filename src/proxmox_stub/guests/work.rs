//! Work on one virtual machine: one task at a time, which ends with its node.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::super::tasks::Worker;
use super::super::world::PveWorld;

/// What a task ends with that was told to stop.
pub(super) const STOPPED: &str = "received interrupt";

/// What is known of a task that died with its node.
pub(super) const LOST: &str = "unexpected status";

/// Waits until nobody else works on a virtual machine, as long as the real one does.
pub(super) async fn alone(world: &PveWorld, vmid: u32) -> Result<OwnedMutexGuard<()>, String> {
    let lock = world.guests.guest_lock(vmid);
    let patience = world.options.lock_patience;
    tokio::time::timeout(patience, lock.lock_owned())
        .await
        .map_err(|_| {
            format!("can't lock file '/var/lock/qemu-server/lock-{vmid}.conf' - got timeout")
        })
}

/// Where a task can be held, be stopped and be lost.
pub(super) async fn step(
    world: &Arc<PveWorld>,
    worker: &Worker,
    node: &str,
    kind: &str,
) -> Result<(), String> {
    loop {
        if world.is_offline(node) {
            return Err(LOST.to_owned());
        }
        if worker.cancel.is_cancelled() {
            return Err(STOPPED.to_owned());
        }
        if !world.guests.is_held(kind) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
