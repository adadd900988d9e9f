//! Times, lengths and sizes as readers of a page want them. Times are made into text on
//! the server, so that they are right without a script.

use std::fmt;

use askama::filters::Safe;
use jiff::{SignedDuration, Timestamp};

pub(super) use crate::model::url_part as part;
use crate::plan::render::Bytes;

/// A moment as a `<time>` element: the text is relative, the exact time is its title.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Timestamp,
    now: Timestamp,
    /// It is told how long that is: `for 3 min`.
    lasts: bool,
}

/// A moment, seen from now. It holds nothing that needs escaping.
pub(super) const fn moment(at: Timestamp, now: Timestamp) -> Safe<Moment> {
    let lasts = false;
    Safe(Moment { at, now, lasts })
}

/// Since when something is so, as the time that it has lasted.
pub(super) const fn lasting(at: Timestamp, now: Timestamp) -> Safe<Moment> {
    let lasts = true;
    Safe(Moment { at, now, lasts })
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.at.strftime("%FT%TZ");
        let exact = self.at.strftime("%F %T UTC");
        let away = self.at.duration_since(self.now);
        write!(f, "<time datetime=\"{iso}\" title=\"{exact}\">")?;
        match (away.is_negative(), away.abs().as_secs()) {
            _ if self.lasts => write!(f, "for {}", length(away))?,
            (_, ..=1) => f.write_str("now")?,
            (true, _) => write!(f, "{} ago", length(away))?,
            (false, _) => write!(f, "in {}", length(away))?,
        }
        f.write_str("</time>")
    }
}

/// A length of time in the one or two units that matter: `42 s`, `3 h 5 min`.
pub(super) fn length(length: SignedDuration) -> String {
    let seconds = length.abs().as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=99 => format!("{seconds} s"),
        100..=5999 => format!("{minutes} min"),
        6000..=35_999 if minutes % 60 > 0 => format!("{hours} h {} min", minutes % 60),
        6000..=172_799 => format!("{hours} h"),
        _ => format!("{days} days"),
    }
}

/// Bytes that came over a time, as a rate; `None` before one can be told.
pub(super) fn rate(bytes: u64, over: SignedDuration) -> Option<u64> {
    let millis = u64::try_from(over.as_millis()).ok()?;
    // The first half second says nothing.
    (millis >= 500).then(|| bytes.saturating_mul(1000) / millis)
}

/// A size in binary units.
pub(super) fn bytes(count: u64) -> String {
    Bytes(count).to_string()
}

/// A count with its noun: `1 order`, `3 orders`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The first digits of a digest.
pub(super) fn short(digest: &impl fmt::Display) -> String {
    format!("{:.12}", digest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_units_that_matter() {
        let told = [0, 59, 99, 100, 3600, 6000, 7500, 40_000, 180_000, 9_000_000]
            .map(|seconds| length(SignedDuration::from_secs(seconds)));
        let expected = [
            "0 s",
            "59 s",
            "99 s",
            "1 min",
            "60 min",
            "1 h 40 min",
            "2 h 5 min",
            "11 h",
            "2 days",
            "104 days",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn moments_are_relative_and_exact() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let at = |second: i64| moment(Timestamp::from_second(1_000_000 + second).unwrap(), now).0;
        assert_eq!(
            at(-720).to_string(),
            "<time datetime=\"1970-01-12T13:34:40Z\" title=\"1970-01-12 13:34:40 UTC\">12 min \
             ago</time>"
        );
        assert!(at(30).to_string().contains(">in 30 s<"));
        assert!(at(1).to_string().contains(">now<"));
        let since = lasting(Timestamp::from_second(999_000).unwrap(), now).0;
        assert!(since.to_string().contains(">for 16 min<"));
    }

    #[test]
    fn a_rate_needs_some_time() {
        assert_eq!(rate(1000, SignedDuration::from_millis(499)), None);
        assert_eq!(rate(1000, SignedDuration::from_secs(2)), Some(500));
        assert_eq!(rate(1000, SignedDuration::from_secs(-2)), None);
    }
}
