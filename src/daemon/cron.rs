//! Cron expressions in a time zone.
//!
//! The next time is computed from the calendar each time anew. A job that a
//! scheduler repeats by itself would keep the offset of the day on which it was
//! made, and be an hour off after the next change of the clocks. On such a change
//! an expression with fixed hours runs once: at the end of the gap if its time
//! does not exist, at the first of the two if it exists twice.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A cron expression that knows its time zone.
#[derive(Clone, PartialEq)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

/// Why a cron expression is refused.
#[derive(Debug, thiserror::Error)]
pub enum CronError {
    /// It is not a cron expression.
    #[error("`{pattern}` is not a cron expression")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: croner::errors::CronError,
    },
    /// There is no such time zone.
    #[error("`{name}` is not a time zone")]
    Zone {
        /// As written.
        name: String,
        /// Why it was not found.
        #[source]
        source: jiff::Error,
    },
    /// It is well-formed, and never comes.
    #[error("`{pattern}` never matches")]
    Never {
        /// As written.
        pattern: String,
    },
}

impl CronError {
    /// A hint for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Pattern { .. } => {
                "write minute, hour, day of month, month and day of week, as in \
                 `30 2 * * *`, or one of @hourly, @daily, @weekly, @monthly, @yearly"
            }
            Self::Zone { .. } => {
                "write a name of the IANA database, as in `Europe/Berlin` or `UTC`; \
                 the system's own needs no name (the package tzdata holds them)"
            }
            Self::Never { .. } => "check day and month; February 30 does not exist",
        }
    }
}

impl Cron {
    /// Reads an expression of five fields (six with seconds in front), or one of
    /// the @-words. Without a zone the system's own is meant.
    ///
    /// # Errors
    /// When the expression is malformed or never comes, or the zone is not known.
    pub fn parse(pattern: &str, zone: Option<&str>) -> Result<Self, CronError> {
        let parsed = croner::Cron::from_str(pattern).map_err(|source| CronError::Pattern {
            pattern: pattern.to_owned(),
            source,
        })?;
        let zone = match zone {
            None => TimeZone::system(),
            Some(name) => TimeZone::get(name).map_err(|source| CronError::Zone {
                name: name.to_owned(),
                source,
            })?,
        };
        let cron = Self {
            pattern: parsed,
            zone,
        };
        // Any day of the calendar comes within 28 years of a fixed one.
        if cron.next_after(Timestamp::UNIX_EPOCH).is_none() {
            return Err(CronError::Never {
                pattern: pattern.to_owned(),
            });
        }
        Ok(cron)
    }

    /// The first time after `now`; `None` at the end of time.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let local = now.to_zoned(self.zone.clone());
        let next = self.pattern.find_next_occurrence(&local, false).ok()?;
        Some(next.timestamp())
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern)?;
        match self.zone.iana_name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All times between two instants, as local times.
    fn times(pattern: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
        let cron = Cron::parse(pattern, Some(zone)).unwrap();
        let tz = TimeZone::get(zone).unwrap();
        let until: Timestamp = until.parse().unwrap();
        let mut now: Timestamp = from.parse().unwrap();
        let mut found = Vec::new();
        while let Some(next) = cron.next_after(now).filter(|next| *next < until) {
            assert!(next > now, "time goes on");
            found.push(
                next.to_zoned(tz.clone())
                    .strftime("%d %H:%M %:z")
                    .to_string(),
            );
            now = next;
        }
        found
    }

    #[test]
    fn the_gap_in_spring_is_run_once() {
        let berlin = |pattern| {
            let (from, until) = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
            times(pattern, "Europe/Berlin", from, until)
        };
        assert_eq!(berlin("30 2 * * *"), ["29 03:00 +02:00", "30 02:30 +02:00"]);
        assert_eq!(berlin("0 3 * * *"), ["29 03:00 +02:00", "30 03:00 +02:00"]);
        let new_york = |pattern| {
            let (from, until) = ("2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z");
            times(pattern, "America/New_York", from, until)
        };
        assert_eq!(
            new_york("30 2 * * *"),
            ["08 03:00 -04:00", "09 02:30 -04:00"]
        );
    }

    #[test]
    fn the_fold_in_autumn_is_run_once() {
        let (from, until) = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", from, until),
            ["25 02:30 +02:00", "26 02:30 +01:00"]
        );
        let (from, until) = ("2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z");
        assert_eq!(
            times("30 1 * * *", "America/New_York", from, until),
            ["01 01:30 -04:00", "02 01:30 -05:00"]
        );
    }

    #[test]
    fn every_quarter_hour_is_a_quarter_of_an_hour_on_those_days_too() {
        for (from, until, count) in [
            ("2026-03-28T22:59:59Z", "2026-03-29T22:00:00Z", 23 * 4),
            ("2026-10-24T21:59:59Z", "2026-10-25T23:00:00Z", 25 * 4),
        ] {
            let found = times("*/15 * * * *", "Europe/Berlin", from, until);
            assert_eq!(found.len(), count, "{found:?}");
        }
    }

    #[test]
    fn a_daily_hour_stays_the_same_over_the_year() {
        let (from, until) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        let found = times("15 4 * * *", "Europe/Berlin", from, until);
        assert_eq!(found.len(), 365);
        assert!(found.iter().all(|time| time[3..8] == *"04:15"));
    }

    #[test]
    fn what_is_refused_says_why() {
        let why = |pattern, zone| {
            let error = Cron::parse(pattern, zone).unwrap_err();
            assert!(!error.hint().is_empty());
            error.to_string()
        };
        assert_eq!(why("soon", None), "`soon` is not a cron expression");
        assert_eq!(
            why("61 * * * *", None),
            "`61 * * * *` is not a cron expression"
        );
        assert_eq!(why("0 0 30 2 *", Some("UTC")), "`0 0 30 2 *` never matches");
        assert_eq!(
            why("@daily", Some("Europe/Atlantis")),
            "`Europe/Atlantis` is not a time zone"
        );
        assert!(Cron::parse("0 0 29 2 *", Some("UTC")).is_ok());
        assert!(Cron::parse("15 30 2 * * *", Some("UTC")).is_ok());
    }
}
