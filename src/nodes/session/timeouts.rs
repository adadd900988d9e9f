//! How long a script on a node may take.
//!
//! A node that makes no progress is noticed by its silence. One that goes on to send
//! something, be it ticks, and never comes to an end is noticed by the limits here: each
//! allows for the slowest link and disk that are worth waiting for, and no more. Such a
//! node is unknown in this run. It occupies one of the sessions in the meantime, and
//! nothing else.

use std::time::Duration;

/// What every script may take besides its bytes: logging in, waiting for another
/// process's hold on a directory (30 s at most), writing out and renaming.
const BASE: Duration = Duration::from_secs(120);

/// The slowest disk or processor that is waited for, in bytes per second. An old SD card
/// reads ten times as fast.
const SLOWEST_READ: u64 = 1 << 20;

/// The slowest link that is waited for, in bytes per second: the default of
/// `limits.least_rate`, below which a download is given up as well.
const SLOWEST_LINK: u64 = 10 << 10;

/// For work that goes through a file of so many bytes on the node: it may be read twice
/// there, once to look at what is there already and once to check what came.
pub(crate) fn for_file(bytes: u64) -> Duration {
    BASE.saturating_add(Duration::from_secs(bytes.saturating_mul(2) / SLOWEST_READ))
}

/// For work as [`for_file`], behind so many bytes that go over the link, of which the
/// configuration allows `limit` in a second.
pub(crate) fn for_transfer(wire: u64, bytes: u64, limit: Option<u64>) -> Duration {
    // Half of what is allowed: others may have their share of it first.
    let slowest = limit.map_or(SLOWEST_LINK, |limit| (limit / 2).clamp(1, SLOWEST_LINK));
    for_file(bytes).saturating_add(Duration::from_secs(wire / slowest))
}

/// For reading a file back at a rate, in bytes per second.
pub(crate) fn for_gentle_read(bytes: u64, rate: Option<u64>) -> Duration {
    let asked = rate.map_or(0, |rate| bytes / rate.max(1));
    for_file(bytes).saturating_add(Duration::from_secs(asked.saturating_mul(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn no_script_is_without_end_and_none_ends_too_early() {
        assert_eq!(for_file(0), BASE);
        let minutes = |time: Duration| time.as_secs() / 60;
        assert_eq!(minutes(for_file(2 * GIB)), 70);
        // 96 MiB of a disk of 2 GiB, over the slowest link.
        assert_eq!(minutes(for_transfer(96 << 20, 2 * GIB, None)), 70 + 164);
        let narrow = for_transfer(96 << 20, 2 * GIB, Some(2 << 10));
        assert!(minutes(narrow) > 70 + 819, "a limit of 2 KiB/s is kept to");
        assert!(for_gentle_read(2 * GIB, Some(GIB / 1024)) > for_gentle_read(2 * GIB, None));
        assert!(for_gentle_read(u64::MAX, Some(0)) > BASE);
    }
}
