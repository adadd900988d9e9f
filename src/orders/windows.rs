//! Windows as written, in an order and in the configuration.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::{TimeOfDay, WeeklyWindow, WindowDays, WindowKind, Windows};
use crate::yaml::{At, ProblemReport};

/// Times of the week in which pushes or prunes may begin.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Window")]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowShape {
    /// The days on which it opens: mon, tue, wed, thu, fri, sat and sun, also ranges such
    /// as mon-fri. Default: every day
    pub days: Option<Vec<At<String>>>,
    /// When it opens, such as "22:00". Default: 00:00
    pub from: Option<At<String>>,
    /// When it closes, such as "05:00"; where that is before it opens, on the next day.
    /// Default: 24:00
    pub to: Option<At<String>>,
    /// The time zone of these times, such as Europe/Berlin. Default: the machine's own
    pub timezone: Option<At<String>>,
    /// What the window is for. A kind that no window is for may begin at any time.
    /// Default: push and prune
    pub kinds: Option<At<Vec<At<WindowKindWord>>>>,
}

/// What a window is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WindowKindWord {
    /// Bringing images to nodes, and making templates of them.
    Push,
    /// Removing images and templates from nodes.
    Prune,
}

/// The windows, as far as they are accepted; what is refused is reported.
pub(crate) fn read_windows(written: &[At<WindowShape>], report: &mut ProblemReport<'_>) -> Windows {
    let windows = written.iter().filter_map(|at| window(at, report));
    Windows::new(windows.collect())
}

fn window(at: &At<WindowShape>, report: &mut ProblemReport<'_>) -> Option<WeeklyWindow> {
    let shape = &at.value;
    if shape.days.is_none() && shape.from.is_none() && shape.to.is_none() {
        if ["days", "from", "to"]
            .iter()
            .any(|key| report.told(at.place, key))
        {
            return None;
        }
        report.at_with_hint(
            at.place,
            "a window without times is always open; expected `days`, `from` or `to`",
            "`windows: []` permits everything at any time",
        );
        return None;
    }
    let days = days(shape, report);
    let from = time(shape.from.as_ref(), TimeOfDay::BEGIN, report);
    let to = time(shape.to.as_ref(), TimeOfDay::END, report);
    let zone = zone(shape.timezone.as_ref(), report);
    let kinds = kinds(at, report);
    let (from, to) = (from?, to?);
    let place = shape.to.as_ref().or(shape.from.as_ref());
    if let Some(written) = place.filter(|_| from == to || from == TimeOfDay::END) {
        report.at_with_hint(
            written.place,
            format!("the window from {from} to {to} has no length"),
            "a whole day is from 00:00 to 24:00",
        );
        return None;
    }
    Some(WeeklyWindow {
        days: days?,
        from,
        to,
        zone: zone?,
        kinds: kinds?,
    })
}

fn days(shape: &WindowShape, report: &mut ProblemReport<'_>) -> Option<WindowDays> {
    let Some(written) = &shape.days else {
        return Some(WindowDays::EVERY);
    };
    let days = written.iter().map(|at| report.parse::<WindowDays>(at));
    // Every one is looked at, so that all mistakes are told at once.
    let days: Vec<Option<WindowDays>> = days.collect();
    let days: Option<Vec<WindowDays>> = days.into_iter().collect();
    days.map(|days| WindowDays::all_of(&days))
}

fn time(
    at: Option<&At<String>>,
    default: TimeOfDay,
    report: &mut ProblemReport<'_>,
) -> Option<TimeOfDay> {
    match at {
        Some(at) => report.parse(at),
        None => Some(default),
    }
}

fn zone(at: Option<&At<String>>, report: &mut ProblemReport<'_>) -> Option<TimeZone> {
    let Some(at) = at else {
        return Some(TimeZone::system());
    };
    if !report.fits_a_line(at) {
        return None;
    }
    let zone = TimeZone::get(&at.value).ok();
    if zone.is_none() {
        report.at_with_hint(
            at.place,
            format!("{:?} is not a time zone known on this machine", at.value),
            "a name such as UTC or Europe/Berlin; the package tzdata provides them",
        );
    }
    zone
}

fn kinds(at: &At<WindowShape>, report: &mut ProblemReport<'_>) -> Option<BTreeSet<WindowKind>> {
    let Some(written) = &at.value.kinds else {
        return Some(WindowKind::ALL.into());
    };
    if written.value.is_empty() && report.told(at.place, "kinds") {
        return None;
    }
    if written.value.is_empty() {
        report.at(
            written.place,
            "the list is empty; expected push, prune or both",
        );
        return None;
    }
    let kinds = written.value.iter().map(|word| match word.value {
        WindowKindWord::Push => WindowKind::Push,
        WindowKindWord::Prune => WindowKind::Prune,
    });
    Some(kinds.collect())
}
