//! Windows: the times in which pushes or prunes may begin.
//!
//! A window is written in the times of a place, and these are not always there once: a
//! time that the change to daylight-saving time skips is the moment of the change, and of
//! a time that comes twice the first one is meant. So no window is open for longer than it
//! says, but for the hour that is repeated within it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::Invalid;
use super::named::named_value;

/// So many days ahead the next opening is looked for. A weekly window that falls into a
/// skipped hour comes a week later.
const DAYS_AHEAD: i64 = 15;

/// The days of the week as they are written, from Monday.
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// What may begin in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowKind {
    /// Files are brought to nodes, and templates are made and switched to.
    Push,
    /// Files and templates are removed from nodes.
    Prune,
}

impl WindowKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Push, Self::Prune];

    /// The kind in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Prune => "prune",
        }
    }
}

named_value!(WindowKind, "a kind of window");

/// Days of the week: one, or a range such as `mon-fri`. A range may go over Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowDays([bool; 7]);

impl WindowDays {
    /// Every day.
    pub const EVERY: Self = Self([true; 7]);

    /// All days of several; every day where there are none.
    pub fn all_of(several: &[Self]) -> Self {
        match several {
            [] => Self::EVERY,
            several => Self(std::array::from_fn(|day| {
                several.iter().any(|days| days.0[day])
            })),
        }
    }

    fn has(self, day: Weekday) -> bool {
        let day = day.to_monday_zero_offset();
        usize::try_from(day).is_ok_and(|day| self.0[day])
    }
}

impl FromStr for WindowDays {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let day = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            DAY_NAMES.iter().position(|known| *known == name)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (Some(first), Some(last)) = (day(first), day(last)) else {
            return Err(Invalid::new(format!(
                "{text:?} is not a day; expected one of {}, or a range such as mon-fri",
                DAY_NAMES.join(", ")
            )));
        };
        let mut days = [false; 7];
        for offset in 0..=(last + 7 - first) % 7 {
            days[(first + offset) % 7] = true;
        }
        Ok(Self(days))
    }
}

/// A time of the day to the minute: `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Where the day begins.
    pub const BEGIN: Self = Self(0);
    /// Where the day ends.
    pub const END: Self = Self(DAY_MINUTES);
}

impl FromStr for TimeOfDay {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = |digits: &str| {
            let fits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|_| fits)
        };
        let parts = text.split_once(':');
        let parts = parts.and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
        match parts {
            Some((hour, minute)) if minute < 60 && hour * 60 + minute <= DAY_MINUTES => {
                Ok(Self(hour * 60 + minute))
            }
            _ => Err(Invalid::new(format!(
                "{text:?} is not a time of the day; expected hours and minutes from 00:00 to 24:00"
            ))),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Times in which something may begin, on some days of each week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyWindow {
    /// The days on which it opens.
    pub days: WindowDays,
    /// When it opens.
    pub from: TimeOfDay,
    /// When it closes; on the next day where that is not later than `from`.
    pub to: TimeOfDay,
    /// Where these are the times of.
    pub zone: TimeZone,
    /// What may begin.
    pub kinds: BTreeSet<WindowKind>,
}

/// The windows of an order, or of all that have none of their own. What no window is for
/// may begin at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows(Vec<WeeklyWindow>);

impl Windows {
    /// These windows; one that is open is enough.
    pub const fn new(windows: Vec<WeeklyWindow>) -> Self {
        Self(windows)
    }

    /// True if anything may begin at any time.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When something of a kind may begin next, in the time zone of the window; `None` for
    /// now.
    pub fn opening(&self, kind: WindowKind, now: Timestamp) -> Option<Zoned> {
        let windows = self.0.iter().filter(|window| window.kinds.contains(&kind));
        let mut first: Option<Zoned> = None;
        for window in windows {
            let opening = window.opening(now)?;
            if first.as_ref().is_none_or(|first| opening < *first) {
                first = Some(opening);
            }
        }
        first
    }
}

impl WeeklyWindow {
    /// When it opens; `None` where it is open. One that never opens is asked again at the
    /// end of what was looked at.
    fn opening(&self, now: Timestamp) -> Option<Zoned> {
        let today = now.to_zoned(self.zone.clone()).date();
        let mut date = today.yesterday().unwrap_or(today);
        for _ in -1..=DAYS_AHEAD {
            if self.days.has(date.weekday())
                && let Some((opens, closes)) = self.on(date)
                && opens.timestamp() < closes
                && now < closes
            {
                return (now < opens.timestamp()).then_some(opens);
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        let later = now.saturating_add(SignedDuration::from_hours(24 * DAYS_AHEAD));
        Some(later.unwrap_or(Timestamp::MAX).to_zoned(self.zone.clone()))
    }

    /// From when until when it is open on a day, as far as the calendar goes.
    fn on(&self, date: Date) -> Option<(Zoned, Timestamp)> {
        let last = match self.to > self.from {
            true => date,
            false => date.tomorrow().ok()?,
        };
        let closes = self.instant(last, self.to)?;
        Some((self.instant(date, self.from)?, closes.timestamp()))
    }

    fn instant(&self, date: Date, time: TimeOfDay) -> Option<Zoned> {
        let (date, minutes) = match time {
            TimeOfDay::END => (date.tomorrow().ok()?, 0),
            TimeOfDay(minutes) => (date, minutes),
        };
        let (hour, minute) = (minutes / 60, minutes % 60);
        let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
        let found = self.zone.to_ambiguous_zoned(date.at(hour, minute, 0, 0));
        let is_skipped = matches!(found.offset(), AmbiguousOffset::Gap { .. });
        // Of a skipped time this one is before the change.
        let earlier = found.earlier().ok()?;
        match is_skipped {
            false => Some(earlier),
            true => {
                let change = self.zone.following(earlier.timestamp()).next()?.timestamp();
                Some(change.to_zoned(self.zone.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
