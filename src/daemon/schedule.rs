//! When things come due: a table of instants, without a clock of its own.
//!
//! Everything here is a value: the time is passed in, chance (the jitter) too, so
//! a year can be tested in a moment. `clock` waits for what this table says.
//!
//! The interval is counted from the end of the last run, whatever called for it:
//! a run that has just been needs no other one. A cron time that came while a run
//! ran is made up for with one run, however many were missed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// When runs are due, and what they are to do besides. Plain values.
#[derive(Debug, Clone, PartialEq)]
pub struct LoopSchedule {
    /// From the end of a run to the next; `None` leaves it to `cron`.
    pub interval: Option<Duration>,
    /// By how much of itself an interval may be longer or shorter (0.05 for five
    /// per cent), so that many controllers do not knock at the same moment.
    pub jitter: f64,
    /// Runs at times of the calendar.
    pub cron: Option<Cron>,
    /// How often released versions are listed.
    pub versions: Option<Duration>,
    /// How often delivered files are hashed; off where neither is given.
    pub verify: Option<Duration>,
    /// The same at times of the calendar.
    pub verify_cron: Option<Cron>,
}

impl Default for LoopSchedule {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(600)),
            jitter: 0.05,
            cron: None,
            versions: Some(Duration::from_secs(3600)),
            verify: None,
            verify_cron: None,
        }
    }
}

/// What the next run is to do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopRequest {
    /// Ask upstream for the released versions, whatever is remembered of them.
    RefreshVersions,
    /// Hash delivered files anew.
    DeepVerify,
}

/// One line of the table.
#[derive(Debug)]
struct TimetableLine {
    /// What the run is to do besides; `None` for a run that is due.
    request: Option<LoopRequest>,
    rule: Rule,
    due: Option<Timestamp>,
    /// Counted from the end of a run, not from its own last time.
    after_run: bool,
}

#[derive(Debug)]
enum Rule {
    Every(Duration),
    Cron(Box<Cron>),
}

/// What is due next, and when.
#[derive(Debug)]
pub(super) struct Timetable {
    lines: Vec<TimetableLine>,
    /// What the last run said is due.
    announced: Option<Timestamp>,
    jitter: f64,
    random: fastrand::Rng,
}

impl Timetable {
    /// A table that starts counting now.
    pub(super) fn new(schedule: &LoopSchedule, now: Timestamp, random: fastrand::Rng) -> Self {
        let every = |request, every: Option<Duration>| Some((request, Rule::Every(every?)));
        let cron =
            |request, cron: &Option<Cron>| Some((request, Rule::Cron(Box::new(cron.clone()?))));
        let rules = [
            every(None, schedule.interval),
            cron(None, &schedule.cron),
            every(Some(LoopRequest::RefreshVersions), schedule.versions),
            every(Some(LoopRequest::DeepVerify), schedule.verify),
            cron(Some(LoopRequest::DeepVerify), &schedule.verify_cron),
        ];
        let lines = rules
            .into_iter()
            .flatten()
            .map(|(request, rule)| TimetableLine {
                after_run: request.is_none() && matches!(rule, Rule::Every(_)),
                request,
                rule,
                due: None,
            });
        let mut table = Self {
            lines: lines.collect(),
            announced: None,
            // Beyond this an interval could come to nothing.
            jitter: schedule.jitter.clamp(0.0, 0.5),
            random,
        };
        table.settle(now, |_| true);
        table
    }

    /// The first thing due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let lines = self.lines.iter().filter_map(|line| line.due);
        lines.chain(self.announced).min()
    }

    /// Takes everything that is due, `None` for a run and otherwise what one is to do
    /// besides; each is due again by its own rule.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Option<LoopRequest>> {
        let is_due = |line: &TimetableLine| line.due.is_some_and(|due| due <= now);
        let due = self.lines.iter().filter(|line| is_due(line));
        let due = due.map(|line| line.request);
        let announced = self.announced.take_if(|announced| *announced <= now);
        let due = due.chain(announced.map(|_| None)).collect();
        self.settle(now, is_due);
        due
    }

    /// A run is over, and said when something is due.
    pub(super) fn run_ended(&mut self, now: Timestamp, announced: Option<Timestamp>) {
        self.announced = announced;
        self.settle(now, |line| line.after_run);
    }

    /// Corrects what a clock that was set back left in the far future. To be called now
    /// and then.
    pub(super) fn correct(&mut self, now: Timestamp) {
        let jitter = self.jitter;
        self.settle(now, |line| match (&line.rule, line.due) {
            (Rule::Every(every), Some(due)) => {
                let longest = every.mul_f64(1.0 + jitter) + Duration::from_secs(1);
                due.duration_since(now) > signed(longest)
            }
            (Rule::Cron(cron), due) => due != cron.next_after(now) && due > Some(now),
            (Rule::Every(_), None) => false,
        });
    }

    /// The longest that a retry may wait: it is not to come later than the run
    /// that would have been anyway.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.lines.iter().find_map(|line| match line.rule {
            Rule::Every(every) if line.after_run => Some(every),
            Rule::Every(_) | Rule::Cron(_) => None,
        })
    }

    fn settle(&mut self, now: Timestamp, chosen: impl Fn(&TimetableLine) -> bool) {
        for line in self.lines.iter_mut().filter(|line| chosen(line)) {
            line.due = match &line.rule {
                Rule::Every(every) => {
                    let factor = 1.0 + self.jitter * (2.0 * self.random.f64() - 1.0);
                    now.checked_add(signed(every.mul_f64(factor))).ok()
                }
                Rule::Cron(cron) => cron.next_after(now),
            };
        }
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schedule: &LoopSchedule, now: &str) -> (Timetable, Timestamp) {
        let now = now.parse().unwrap();
        let random = fastrand::Rng::with_seed(1);
        (Timetable::new(schedule, now, random), now)
    }

    fn nothing() -> LoopSchedule {
        LoopSchedule {
            interval: None,
            jitter: 0.0,
            cron: None,
            versions: None,
            verify: None,
            verify_cron: None,
        }
    }

    const NOON: &str = "2026-06-01T12:00:00Z";

    #[test]
    fn an_empty_schedule_is_never_due() {
        let (mut table, now) = table(&nothing(), NOON);
        assert_eq!(table.next(), None);
        assert!(table.take_due(now).is_empty());
        assert_eq!(table.interval(), None);
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_is_used() {
        let schedule = LoopSchedule::default();
        let (mut table, now) = table(&schedule, NOON);
        let mut waits = Vec::new();
        for _ in 0..1000 {
            table.run_ended(now, None);
            waits.push(table.next().unwrap().duration_since(now).as_secs_f64());
        }
        assert!(waits.iter().all(|wait| (570.0..=630.0).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 580.0));
        assert!(waits.iter().any(|wait| *wait > 620.0));
    }

    #[test]
    fn the_interval_counts_from_the_end_of_a_run_and_versions_from_themselves() {
        let schedule = LoopSchedule {
            interval: Some(Duration::from_secs(600)),
            versions: Some(Duration::from_secs(900)),
            ..nothing()
        };
        let (mut table, now) = table(&schedule, NOON);
        let at = |seconds| now + SignedDuration::from_secs(seconds);
        table.run_ended(at(400), None);
        assert_eq!(table.next(), Some(at(900)));
        let versions = [Some(LoopRequest::RefreshVersions)];
        assert_eq!(table.take_due(at(900)), versions);
        assert_eq!(table.next(), Some(at(1000)));
        assert_eq!(table.take_due(at(1000)), [None]);
    }

    #[test]
    fn what_a_run_announces_is_due_once_and_for_as_long_as_the_last_one_says_so() {
        let schedule = LoopSchedule {
            interval: Some(Duration::from_secs(86_400)),
            ..nothing()
        };
        let (mut table, now) = table(&schedule, NOON);
        let at = |hours| now + SignedDuration::from_hours(hours);
        table.run_ended(now, Some(at(10)));
        // A clock that was set back or forward changes no time of the calendar.
        table.correct(at(-5));
        assert_eq!(table.next(), Some(at(10)));
        assert!(table.take_due(at(9)).is_empty());
        assert_eq!(table.take_due(at(11)), [None]);
        assert!(table.take_due(at(11)).is_empty());
        table.run_ended(at(11), Some(at(20)));
        table.run_ended(at(12), None);
        assert!(table.take_due(at(21)).is_empty());
    }

    #[test]
    fn cron_times_missed_while_a_run_ran_are_made_up_for_once() {
        let schedule = LoopSchedule {
            cron: Some(Cron::parse("*/10 * * * *", Some("UTC")).unwrap()),
            ..nothing()
        };
        let (mut table, now) = table(&schedule, NOON);
        let late = now + SignedDuration::from_mins(45);
        assert_eq!(table.take_due(late), [None]);
        assert!(table.take_due(late).is_empty());
        assert_eq!(table.next(), Some(now + SignedDuration::from_mins(50)));
    }

    #[test]
    fn a_clock_set_back_does_not_put_the_next_run_off_for_a_day() {
        let schedule = LoopSchedule {
            cron: Some(Cron::parse("0 * * * *", Some("UTC")).unwrap()),
            ..LoopSchedule::default()
        };
        let (mut table, now) = table(&schedule, NOON);
        let before = now - SignedDuration::from_hours(24);
        table.correct(before);
        let next = table.next().unwrap().duration_since(before);
        assert!(next <= SignedDuration::from_mins(11), "{next}");
        table.correct(now - SignedDuration::from_hours(24));
        assert_eq!(table.next().unwrap().duration_since(before), next);
    }

    #[test]
    fn what_is_overdue_is_not_corrected_away() {
        let (mut table, now) = table(
            &LoopSchedule {
                cron: Some(Cron::parse("0 * * * *", Some("UTC")).unwrap()),
                ..nothing()
            },
            NOON,
        );
        let late = now + SignedDuration::from_hours(3);
        table.correct(late);
        assert_eq!(table.take_due(late), [None]);
    }
}
