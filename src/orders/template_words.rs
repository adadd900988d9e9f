//! The words and numbers of a template's hardware. Each becomes part of an option of
//! Proxmox VE, in which a comma or an equals sign would begin another one.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::yaml::{At, ProblemReport, one_of, shown};

/// What a word may consist of.
pub(super) struct WordRule {
    /// What it is, with its article.
    what: &'static str,
    /// The characters that it may have beside letters and digits; none begins it.
    more: &'static str,
    /// Its greatest length.
    max: usize,
    example: &'static str,
}

pub(super) const CPU: WordRule = WordRule {
    what: "a CPU type",
    more: "._-",
    max: 64,
    example: "host or x86-64-v2-AES",
};

pub(super) const MACHINE: WordRule = WordRule {
    what: "a machine type",
    more: "._+-",
    max: 40,
    example: "q35",
};

pub(super) const VGA: WordRule = WordRule {
    what: "a display",
    more: "-",
    max: 16,
    example: "std or serial0",
};

pub(super) const NET_MODEL: WordRule = WordRule {
    what: "a model of a network interface",
    more: "_-",
    max: 32,
    example: "virtio",
};

pub(super) const BRIDGE: WordRule = WordRule {
    what: "a bridge",
    more: "._-",
    // The longest name of an interface in Linux.
    max: 15,
    example: "vmbr0",
};

/// The SCSI controllers of Proxmox VE.
pub(super) const SCSI_CONTROLLERS: [&str; 6] = [
    "virtio-scsi-pci",
    "virtio-scsi-single",
    "lsi",
    "lsi53c810",
    "megasas",
    "pvscsi",
];

/// The options of a disk that may be set, with their values.
const DISK_OPTIONS: [(&str, &[&str]); 7] = [
    ("discard", &["on", "ignore"]),
    ("ssd", &["0", "1"]),
    ("iothread", &["0", "1"]),
    (
        "cache",
        &["none", "writethrough", "writeback", "unsafe", "directsync"],
    ),
    ("aio", &["native", "threads", "io_uring"]),
    ("backup", &["0", "1"]),
    ("replicate", &["0", "1"]),
];

/// A word; `None` where it is not set or was refused.
pub(super) fn word(
    text: Option<&At<String>>,
    rule: &WordRule,
    report: &mut ProblemReport<'_>,
) -> Option<String> {
    let text = text.filter(|text| report.fits_a_line(text))?;
    let word = text.value.as_str();
    let fits = (1..=rule.max).contains(&word.len())
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || rule.more.contains(c));
    if fits {
        return Some(word.to_owned());
    }
    let more: Vec<String> = rule.more.chars().map(String::from).collect();
    let message = format!(
        "{} is not {}; expected 1 to {} letters, digits and {}, such as {}",
        shown(word),
        rule.what,
        rule.max,
        more.join(" "),
        rule.example
    );
    if word.contains([',', '=']) {
        report.at_with_hint(text.place, message, "further options cannot be added here");
    } else {
        report.at(text.place, message);
    }
    None
}

/// A SCSI controller; `None` where it is not set or was refused.
pub(super) fn scsi_controller(
    text: Option<&At<String>>,
    report: &mut ProblemReport<'_>,
) -> Option<String> {
    let text = text.filter(|text| report.fits_a_line(text))?;
    if SCSI_CONTROLLERS.contains(&text.value.as_str()) {
        return Some(text.value.clone());
    }
    let message = format!(
        "{} is not a SCSI controller; expected {}",
        shown(&text.value),
        SCSI_CONTROLLERS.join(", ")
    );
    match one_of(&text.value, SCSI_CONTROLLERS) {
        Some(near) => report.at_with_hint(text.place, message, format!("did you mean `{near}`?")),
        None => report.at(text.place, message),
    }
    None
}

/// The options of a disk as Proxmox VE takes them, empty for none; `None` where they are
/// not set or were refused.
pub(super) fn disk_options(
    text: Option<&At<String>>,
    report: &mut ProblemReport<'_>,
) -> Option<String> {
    let text = text.filter(|text| report.fits_a_line(text))?;
    let mut options: Vec<(&str, &str)> = Vec::new();
    let written = text.value.split(',').map(str::trim);
    for option in written.filter(|_| !text.value.trim().is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let (message, hint) = match DISK_OPTIONS.iter().find(|(known, _)| *known == key) {
            None => {
                let known = DISK_OPTIONS.map(|(known, _)| known);
                let message = format!(
                    "{} is not an option of a disk; expected {}",
                    shown(key),
                    known.join(", ")
                );
                (message, one_of(key, known))
            }
            Some((_, values)) if !values.contains(&value) => {
                let message = format!(
                    "{} is not a value for {key}; expected {}",
                    shown(value),
                    values.join(", ")
                );
                (message, one_of(value, values.iter().copied()))
            }
            Some(_) if options.iter().any(|(other, _)| *other == key) => {
                (format!("the option {key} is there twice"), None)
            }
            Some(_) => {
                options.push((key, value));
                continue;
            }
        };
        let hint = match hint {
            Some(near) => format!("did you mean `{near}`?"),
            None => "options are written as in `disk_options: discard=on,ssd=1`".to_owned(),
        };
        report.at_with_hint(text.place, message, hint);
        return None;
    }
    let options = options.iter().map(|(key, value)| format!("{key}={value}"));
    Some(options.collect::<Vec<_>>().join(","))
}

/// A number; `None` where it is not set or was refused.
pub(super) fn within<T: Copy + PartialOrd + Display>(
    at: Option<&At<T>>,
    what: &str,
    range: RangeInclusive<T>,
    report: &mut ProblemReport<'_>,
) -> Option<T> {
    let at = at?;
    if range.contains(&at.value) {
        return Some(at.value);
    }
    let message = format!(
        "{} is not {what}; expected {} to {}",
        at.value,
        range.start(),
        range.end()
    );
    report.at(at.place, message);
    None
}
