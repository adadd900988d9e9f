//! Windows, asked at every minute: around midnight, and when clocks go forward and back.

use super::*;

fn window(days: &str, from: &str, to: &str, zone: &str) -> WeeklyWindow {
    let days: Vec<WindowDays> = days
        .split_whitespace()
        .map(|days| days.parse().unwrap())
        .collect();
    WeeklyWindow {
        days: WindowDays::all_of(&days),
        from: from.parse().unwrap(),
        to: to.parse().unwrap(),
        zone: TimeZone::get(zone).unwrap(),
        kinds: WindowKind::ALL.into(),
    }
}

/// The spans in which a window is open between two instants, as local times. Found by
/// asking at every minute, so nothing of how openings are computed is believed.
fn spans(window: WeeklyWindow, from: &str, until: &str) -> Vec<String> {
    let zone = window.zone.clone();
    let windows = Windows::new(vec![window]);
    let until: Timestamp = until.parse().unwrap();
    let mut now: Timestamp = from.parse().unwrap();
    let show = |at: Timestamp| {
        at.to_zoned(zone.clone())
            .strftime("%a %H:%M%:z")
            .to_string()
    };
    let (mut found, mut since): (Vec<String>, Option<Timestamp>) = (Vec::new(), None);
    let mut announced: Option<Timestamp> = None;
    while now < until {
        match (windows.opening(WindowKind::Push, now), since) {
            (None, None) => {
                assert!(
                    announced.is_none_or(|announced| announced == now),
                    "it opened at another time than it said"
                );
                since = Some(now);
            }
            (Some(next), opened) => {
                let next = next.timestamp();
                assert!(next > now, "it is not open and says that it opened");
                if let Some(opened) = opened {
                    found.push(format!("{} to {}", show(opened), show(now)));
                    since = None;
                } else if let Some(announced) = announced {
                    assert_eq!(announced, next, "it says another time at {}", show(now));
                }
                announced = Some(next);
            }
            (None, Some(_)) => {}
        }
        now += SignedDuration::from_mins(1);
    }
    if let Some(opened) = since {
        found.push(format!("{} on", show(opened)));
    }
    found
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_opens() {
    let monday = ("2026-06-01T00:00:00Z", "2026-06-08T00:00:00Z");
    for (days, from, to, expected) in [
        (
            "fri",
            "22:00",
            "05:00",
            &["Fri 22:00+00:00 to Sat 05:00+00:00"][..],
        ),
        ("sat-sun", "00:00", "24:00", &["Sat 00:00+00:00 on"]),
        (
            "sun-mon",
            "22:30",
            "01:00",
            // The one of last Sunday is still open.
            &[
                "Mon 00:00+00:00 to Mon 01:00+00:00",
                "Mon 22:30+00:00 to Tue 01:00+00:00",
                "Sun 22:30+00:00 on",
            ],
        ),
        (
            "tue thu",
            "20:00",
            "24:00",
            &[
                "Tue 20:00+00:00 to Wed 00:00+00:00",
                "Thu 20:00+00:00 to Fri 00:00+00:00",
            ],
        ),
        (
            "wed",
            "23:00",
            "00:00",
            &["Wed 23:00+00:00 to Thu 00:00+00:00"],
        ),
    ] {
        let found = spans(window(days, from, to, "UTC"), monday.0, monday.1);
        assert_eq!(found, expected, "{days} {from} {to}");
    }
}

#[test]
fn a_time_that_is_skipped_in_spring_is_the_moment_of_the_change() {
    let night = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
    for (from, to, expected) in [
        (
            "22:00",
            "05:00",
            &["Sat 22:00+01:00 to Sun 05:00+02:00"][..],
        ),
        ("02:30", "04:00", &["Sun 03:00+02:00 to Sun 04:00+02:00"]),
        ("01:00", "02:30", &["Sun 01:00+01:00 to Sun 03:00+02:00"]),
        // Nothing of it is there.
        ("02:00", "03:00", &[]),
        ("02:15", "02:45", &[]),
    ] {
        let found = spans(window("", from, to, "Europe/Berlin"), night.0, night.1);
        assert_eq!(found, expected, "{from} {to}");
    }
    // One that is skipped on the only day of the week opens a week later.
    let skipped = Windows::new(vec![window("sun", "02:15", "02:45", "Europe/Berlin")]);
    let now = "2026-03-28T12:00:00Z".parse().unwrap();
    let opens = skipped.opening(WindowKind::Push, now).unwrap();
    assert_eq!(
        opens.to_string(),
        "2026-04-05T02:15:00+02:00[Europe/Berlin]"
    );
}

#[test]
fn of_a_time_that_comes_twice_in_autumn_the_first_counts() {
    let night = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
    for (from, to, expected) in [
        (
            "22:00",
            "05:00",
            &["Sat 22:00+02:00 to Sun 05:00+01:00"][..],
        ),
        ("02:30", "03:00", &["Sun 02:30+02:00 to Sun 03:00+01:00"]),
        ("22:00", "02:30", &["Sat 22:00+02:00 to Sun 02:30+02:00"]),
        ("02:00", "02:30", &["Sun 02:00+02:00 to Sun 02:30+02:00"]),
    ] {
        let found = spans(window("", from, to, "Europe/Berlin"), night.0, night.1);
        assert_eq!(found, expected, "{from} {to}");
    }
}

#[test]
fn midnight_itself_may_be_skipped_and_a_whole_day_too() {
    // Lebanon changes at midnight.
    let found = spans(
        window("sun", "00:00", "01:30", "Asia/Beirut"),
        "2026-03-28T12:00:00Z",
        "2026-03-29T12:00:00Z",
    );
    assert_eq!(found, ["Sun 01:00+03:00 to Sun 01:30+03:00"]);
    // Samoa had no December 30 in 2011.
    let found = spans(
        window("fri", "08:00", "20:00", "Pacific/Apia"),
        "2011-12-29T12:00:00Z",
        "2012-01-02T12:00:00Z",
    );
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn one_open_window_is_enough_and_a_kind_without_windows_is_not_held() {
    let of = |kinds: &[WindowKind], from, to| WeeklyWindow {
        kinds: kinds.iter().copied().collect(),
        ..window("", from, to, "UTC")
    };
    let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    let opens = |windows: Vec<WeeklyWindow>, kind| {
        let opening = Windows::new(windows).opening(kind, now);
        opening.map(|opening| opening.strftime("%H:%M").to_string())
    };
    let (push, prune) = (WindowKind::Push, WindowKind::Prune);
    let windows = || vec![of(&[push], "22:00", "23:00"), of(&[push], "20:00", "21:00")];
    assert_eq!(opens(windows(), push).as_deref(), Some("20:00"));
    assert_eq!(opens(windows(), prune), None);
    let mut more = windows();
    more.push(of(&[push, prune], "11:00", "12:01"));
    assert_eq!(opens(more.clone(), push), None);
    more.push(of(&[prune], "13:00", "14:00"));
    assert_eq!(opens(more, prune), None);
    assert_eq!(opens(Vec::new(), prune), None);
    // It is open from its first minute, and no more in its last.
    assert_eq!(opens(vec![of(&[push], "12:00", "13:00")], push), None);
    let closed = vec![of(&[push], "11:00", "12:00")];
    assert_eq!(opens(closed, push).as_deref(), Some("11:00"));
}

#[test]
fn days_and_times_are_read_as_people_write_them() {
    let days = |text: &str| text.parse::<WindowDays>().map(|days| days.0);
    let of = |text: &str| text.split(' ').map(|day| day == "x").collect::<Vec<_>>();
    for (text, expected) in [
        ("mon", "x . . . . . ."),
        ("mon-fri", "x x x x x . ."),
        ("Fri - Mon", "x . . . x x x"),
        ("sun-sun", ". . . . . . x"),
        ("tue-mon", "x x x x x x x"),
    ] {
        assert_eq!(days(text).unwrap().to_vec(), of(expected), "{text}");
    }
    for text in ["", "-", "monday", "mon-", "mon-fri-sat", "1", "montag"] {
        assert!(days(text).is_err(), "{text:?}");
    }
    for text in ["00:00", "05:30", "23:59", "24:00"] {
        assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
    }
    for text in [
        "", "5:30", "24:01", "12:60", "1330", "12:3", "12:30:00", "+1:00", "25:00",
    ] {
        assert!(text.parse::<TimeOfDay>().is_err(), "{text:?}");
    }
}
