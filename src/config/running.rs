//! How the controller runs: its name, when it looks, what it may remove, how it
//! reads back.
//!
//! What is a schedule here is only checked and handed on as text; whoever runs the
//! loop makes a clock of it.

use std::time::Duration;

use super::running_shape::{PruneShape, ReconcileShape, VerifyShape};
use super::settings::{PruneSettings, ReconcileSettings, VerifySettings};
use super::values::{self, DAY, HOUR, MINUTE};
use crate::model::{Dir, NodeId, VmConfigs};
use crate::yaml::{At, ProblemReport};

/// Where the machine's own name cannot serve.
const OWNER: &str = "talos-order";

const INTERVAL: Duration = Duration::from_secs(10 * 60);
const JITTER: u32 = 5;
/// A `git pull` touches its files within a second or two.
const DEBOUNCE: Duration = Duration::from_secs(2);
/// What a lost event costs at most.
const POLL: Duration = Duration::from_secs(30);
/// Releases come every few weeks; the rate limit of GitHub is 60 an hour.
const VERSIONS_INTERVAL: Duration = HOUR;

/// Enough for a version of everything, not enough for a node.
const MAX_FILES: u32 = 5;
const MAX_PERCENT: u32 = 20;
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The cluster's own file system has all nodes' configurations on each node.
const VM_CONFIGS: &str = "/etc/pve/nodes";

/// Less than half of what one hard disk gives.
const RATE: u64 = 50 << 20;
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The controller's name; `None` if it is refused.
pub(super) fn owner(text: Option<&At<String>>, report: &mut ProblemReport<'_>) -> Option<String> {
    let Some(at) = text else {
        let uname = rustix::system::uname();
        let host = uname.nodename().to_str().ok();
        let host = host.filter(|host| host.parse::<NodeId>().is_ok());
        return Some(host.unwrap_or(OWNER).to_owned());
    };
    if !report.fits_a_line(at) {
        return None;
    }
    // Names of nodes and of controllers end up in the same records.
    if at.value.parse::<NodeId>().is_err() {
        report.at(
            at.place,
            format!(
                "{:?} is not a name for a controller; expected letters, digits and \
                 . _ - @ :, not starting with - or .",
                at.value
            ),
        );
        return None;
    }
    Some(at.value.clone())
}

/// When runs start.
pub(super) fn reconcile(
    shape: &ReconcileShape,
    report: &mut ProblemReport<'_>,
) -> ReconcileSettings {
    let second = Duration::from_secs(1);
    let interval = values::duration_or_off(
        shape.interval.as_ref(),
        Some(INTERVAL),
        second..=7 * DAY,
        report,
    );
    if let (None, None, Some(at)) = (interval, &shape.cron, &shape.interval) {
        report.at_with_hint(
            at.place,
            "without an interval only a change of the orders starts a run",
            "set `reconcile.cron`, or a long interval such as 1d",
        );
    }
    let quick = Duration::from_millis(100);
    ReconcileSettings {
        interval,
        jitter: values::number(shape.jitter.as_ref(), JITTER, 0..=50, report),
        cron: shape.cron.as_ref().and_then(|at| cron(at, report)),
        time_zone: shape
            .time_zone
            .as_ref()
            .and_then(|at| time_zone(at, report)),
        debounce: values::duration(
            shape.debounce.as_ref(),
            DEBOUNCE,
            Duration::ZERO..=10 * MINUTE,
            report,
        ),
        poll: values::duration(shape.poll.as_ref(), POLL, quick..=DAY, report),
        versions_interval: values::duration(
            shape.versions_interval.as_ref(),
            VERSIONS_INTERVAL,
            second..=30 * DAY,
            report,
        ),
        verify_interval: values::duration_or_off(
            shape.verify_interval.as_ref(),
            None,
            second..=365 * DAY,
            report,
        ),
    }
}

fn cron(at: &At<String>, report: &mut ProblemReport<'_>) -> Option<String> {
    if !report.fits_a_line(at) {
        return None;
    }
    if let Err(why) = schedule(&at.value) {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a schedule: {why}", at.value),
            "minute, hour, day, month and weekday, such as \"0 3 * * 1-5\" for 3:00 on workdays",
        );
        return None;
    }
    Some(at.value.clone())
}

/// Why a text is not a schedule, or one that never comes, such as of a 30th of
/// February.
fn schedule(text: &str) -> Result<(), String> {
    let cron: croner::Cron = text.parse().map_err(|why: croner::errors::CronError| {
        let why = why.to_string();
        let why = why
            .rsplit(": ")
            .next()
            .unwrap_or(&why)
            .trim_end_matches('.');
        let mut letters = why.chars();
        let first = letters.next().map(|first| first.to_ascii_lowercase());
        first.into_iter().chain(letters).collect::<String>()
    })?;
    // Any begin serves, so no clock is asked.
    let begin = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    match cron.find_next_occurrence(&begin, false) {
        Ok(_) => Ok(()),
        Err(_) => Err("this schedule never matches".to_owned()),
    }
}

fn time_zone(at: &At<String>, report: &mut ProblemReport<'_>) -> Option<String> {
    if !report.fits_a_line(at) {
        return None;
    }
    if jiff::tz::TimeZone::get(&at.value).is_err() {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a time zone known on this machine", at.value),
            "a name such as UTC or Europe/Berlin; the package tzdata provides them",
        );
        return None;
    }
    Some(at.value.clone())
}

/// What goes from nodes; `None` if the directory is refused.
pub(super) fn prune(
    shape: &PruneShape,
    enabled: bool,
    keep_versions: u32,
    report: &mut ProblemReport<'_>,
) -> Option<PruneSettings> {
    let vm_configs = match &shape.vm_configs {
        Some(at) => values::vm_configs(at, report),
        None => VM_CONFIGS.parse::<Dir>().ok().map(VmConfigs::In),
    };
    Some(PruneSettings {
        enabled,
        max_files: values::number(shape.max_files.as_ref(), MAX_FILES, 0..=u32::MAX, report),
        max_percent: values::number(shape.max_percent.as_ref(), MAX_PERCENT, 0..=100, report),
        grace: values::duration(
            shape.grace.as_ref(),
            GRACE,
            Duration::ZERO..=3650 * DAY,
            report,
        ),
        keep_versions: values::number(
            shape.keep_versions.as_ref(),
            keep_versions,
            1..=u32::MAX,
            report,
        ),
        vm_configs: vm_configs?,
    })
}

/// How files are read back.
pub(super) fn verify(shape: &VerifyShape, report: &mut ProblemReport<'_>) -> VerifySettings {
    let second = Duration::from_secs(1);
    VerifySettings {
        rate: values::rate(shape.rate.as_ref(), RATE, report),
        max_age: values::duration(shape.max_age.as_ref(), MAX_AGE, second..=3650 * DAY, report),
    }
}
