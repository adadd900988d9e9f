//! Single values of the configuration: paths, addresses, lengths of time, rates.
//!
//! Each is read from the text the user wrote, and refused with what is accepted in
//! its place. None of them looks at the world: whether a path is there is the
//! business of whoever uses it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::model::{Dir, PushMethod, StorageName, VmConfigs};
use crate::orders::length_of_time;
use crate::yaml::{At, NodeRef, ProblemReport};

/// ssh never asks anybody: nobody is there to answer.
pub(super) const SSH_OPTS: &str = "-o BatchMode=yes";

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A path of this machine. `~` and `$HOME` are a shell's business and would
/// make a directory of that very name.
pub(super) fn path(text: Option<&At<String>>, report: &mut ProblemReport<'_>) -> Option<PathBuf> {
    let at = text?;
    if !report.fits_a_line(at) {
        return None;
    }
    if at.value.is_empty() {
        report.at(at.place, "the path is empty");
        return None;
    }
    if at.value.starts_with('~') || at.value.contains('$') {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a path: ~ and $ are not expanded", at.value),
            "write the full path",
        );
        return None;
    }
    Some(PathBuf::from(&at.value))
}

/// A base URL, with a trailing slash so that paths can be joined to it.
pub(super) fn url(
    text: Option<&At<String>>,
    default: &str,
    report: &mut ProblemReport<'_>,
) -> Option<Url> {
    let Some(at) = text else {
        return Url::parse(default).ok();
    };
    if !report.fits_a_line(at) {
        return None;
    }
    // Before anything else: every other message repeats the text.
    if let Some((_, rest)) = at.value.split_once("://")
        && rest
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|host| host.contains('@'))
    {
        refuse_login(at, report);
        return None;
    }
    let mut url = match Url::parse(&at.value) {
        Ok(url) => url,
        Err(why) => {
            report.at_with_hint(
                at.place,
                match why {
                    url::ParseError::RelativeUrlWithoutBase => {
                        format!(
                            "{:?} is not a URL: it does not start with https://",
                            at.value
                        )
                    }
                    why => format!("{:?} is not a URL: {why}", at.value),
                },
                format!("a URL such as {default}"),
            );
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        report.at_with_hint(
            at.place,
            format!(
                "{:?} is not a web address; expected http or https",
                at.value
            ),
            format!("a URL such as {default}"),
        );
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        refuse_login(at, report);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        report.at(
            at.place,
            format!(
                "{:?} is not a base URL: leave out what follows ? or #",
                at.value
            ),
        );
        return None;
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

/// True for a URL of this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn refuse_login(at: &At<String>, report: &mut ProblemReport<'_>) {
    let problem = report
        .document()
        .problem(at.place, "a URL must not contain a login")
        .hint("use `username` with `password_env` or `password_file`")
        .without_excerpt();
    report.push(problem);
}

/// A length of time in units that people write: `7d`, `12h`, `1h 30m`, `90s`.
/// A day is 24 hours.
pub(super) fn duration(
    text: Option<&At<String>>,
    default: Duration,
    range: RangeInclusive<Duration>,
    report: &mut ProblemReport<'_>,
) -> Duration {
    let Some(at) = text else { return default };
    if !report.fits_a_line(at) {
        return default;
    }
    let Some(value) = length_of_time(&at.value) else {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a duration", at.value),
            "a number with a unit, such as 7d, 12h, 30m, 90s or 1h 30m",
        );
        return default;
    };
    if !range.contains(&value) {
        let (least, most) = (in_one_unit(*range.start()), in_one_unit(*range.end()));
        report.at(
            at.place,
            format!("{:?} is out of range; expected {least} to {most}", at.value),
        );
        return default;
    }
    value
}

/// The same for something that can be `off`.
pub(super) fn duration_or_off(
    text: Option<&At<String>>,
    default: Option<Duration>,
    range: RangeInclusive<Duration>,
    report: &mut ProblemReport<'_>,
) -> Option<Duration> {
    match text {
        None => default,
        // YAML's other word for it.
        Some(at) if matches!(at.value.as_str(), "off" | "false") => None,
        text => Some(duration(text, MINUTE, range, report)),
    }
}

/// A length of time in the largest unit that it is a whole number of.
fn in_one_unit(length: Duration) -> String {
    let seconds = length.as_secs();
    if length.subsec_millis() > 0 {
        return format!("{}ms", length.as_millis());
    }
    let units = [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')];
    let unit = units
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(unit.as_secs()));
    match unit {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit.as_secs()),
        None => format!("{seconds}s"),
    }
}

/// A whole number in a range.
pub(super) fn number(
    at: Option<&At<u32>>,
    default: u32,
    range: RangeInclusive<u32>,
    report: &mut ProblemReport<'_>,
) -> u32 {
    match at {
        Some(at) if !range.contains(&at.value) => {
            let (value, least) = (at.value, range.start());
            let accepted = match range.end() {
                &u32::MAX => format!("{least} or more"),
                most => format!("{least} to {most}"),
            };
            report.at(
                at.place,
                format!("{value} is out of range; expected {accepted}"),
            );
            default
        }
        Some(at) => at.value,
        None => default,
    }
}

/// Bytes per second, such as `50MiB`; `None` for no limit.
pub(super) fn rate(
    text: Option<&At<String>>,
    default: u64,
    report: &mut ProblemReport<'_>,
) -> Option<u64> {
    let Some(at) = text else { return Some(default) };
    if at.value == "none" {
        return None;
    }
    let rate = bytes(&at.value).filter(|rate| *rate > 0);
    if rate.is_none() && report.fits_a_line(at) {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a number of bytes per second", at.value),
            "a whole number with a unit, such as 50MiB or 100MB, or none",
        );
    }
    rate
}

/// The same where nothing written is no limit.
pub(super) fn limit(text: Option<&At<String>>, report: &mut ProblemReport<'_>) -> Option<u64> {
    text.and_then(|_| rate(text, 0, report))
}

/// Words of a command line, split as a shell would.
pub(super) fn words(
    text: Option<&At<String>>,
    default: &str,
    report: &mut ProblemReport<'_>,
) -> Vec<String> {
    let (text, place) = match text {
        Some(at) if report.fits_a_line(at) => (at.value.as_str(), Some(at.place)),
        _ => (default, None),
    };
    match (shell_words::split(text), place) {
        (Ok(words), _) => words,
        (Err(_), Some(place)) => {
            report.at_with_hint(
                place,
                format!("{text:?} has a quote that is not closed"),
                "options are split into words as a shell would, but no shell runs",
            );
            Vec::new()
        }
        (Err(_), None) => Vec::new(),
    }
}

/// A size that is not nothing, such as `16GiB`.
pub(super) fn size(text: Option<&At<String>>, default: u64, report: &mut ProblemReport<'_>) -> u64 {
    let Some(at) = text else { return default };
    if let Some(size) = bytes(&at.value).filter(|size| *size > 0) {
        return size;
    }
    if report.fits_a_line(at) {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a size", at.value),
            "a whole number with a unit, such as 16GiB or 20GB",
        );
    }
    default
}

/// A whole number with a unit, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let unit = match unit.trim_start() {
        "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// How images are sent; `None` where nothing is said, or something wrong.
pub(super) fn method(
    text: Option<&At<String>>,
    report: &mut ProblemReport<'_>,
) -> Option<PushMethod> {
    let words = PushMethod::ALL.iter().map(|method| method.as_str());
    text.and_then(|at| report.parse_among(at, words))
}

/// Where the configurations of virtual machines are: a directory, or `false`.
/// The outer `None` is a refusal.
pub(super) fn vm_configs(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<VmConfigs> {
    match text.value.as_str() {
        "false" | "no" | "off" => Some(VmConfigs::Nowhere),
        "true" | "yes" | "on" => {
            report.at_with_hint(
                text.place,
                format!("`{}` is not a directory", text.value),
                "use a directory such as /etc/pve/nodes, or false if there are no virtual machines",
            );
            None
        }
        _ => report.parse::<Dir>(text).map(VmConfigs::In),
    }
}

/// `None` if the name of a storage is refused, `Some(None)` if none is given. It stands
/// instead of a directory, never beside one.
pub(super) fn storage(
    name: Option<&At<String>>,
    (key, dir): (&str, Option<&At<String>>),
    report: &mut ProblemReport<'_>,
) -> Option<Option<StorageName>> {
    let Some(name) = name else {
        return Some(None);
    };
    if dir.is_some() {
        report.at_with_hint(
            name.place,
            format!("a storage and `{key}` are mutually exclusive"),
            "keep the storage: the node knows its directories",
        );
        return None;
    }
    report.parse::<StorageName>(name).map(Some)
}

/// True if none of the keys is given; those that are cannot be combined with something.
pub(super) fn none_given(
    keys: &[(&str, Option<NodeRef>)],
    with: &str,
    report: &mut ProblemReport<'_>,
) -> bool {
    let given = keys
        .iter()
        .filter_map(|(key, place)| Some((key, (*place)?)));
    let mut none = true;
    for (key, place) in given {
        none = false;
        report.at(place, format!("`{key}` cannot be combined with {with}"));
    }
    none
}
