//! The clocks of this machine.

use jiff::Timestamp;

use crate::facts::ClockReading;

/// The clocks of this machine; `None` where the kernel does not tell.
pub(crate) fn reading(now: Timestamp) -> Option<ClockReading> {
    let line = |path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_whitespace().next().map(str::to_owned)
    };
    let uptime = line("/proc/uptime")?;
    let (seconds, _) = uptime.split_once('.').unwrap_or((&uptime, ""));
    Some(ClockReading {
        time: now,
        boot: line("/proc/sys/kernel/random/boot_id")?,
        uptime_seconds: seconds.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_its_clocks() {
        let reading = reading(Timestamp::now()).expect("Linux tells");
        assert!(!reading.boot.is_empty() && reading.uptime_seconds > 0);
    }
}
