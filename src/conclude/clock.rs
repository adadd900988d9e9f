//! What a clock that was wrong may not do to what is remembered.
//!
//! Times are kept as times of day, and those are only as good as the clock that they
//! were read from. Two things are known besides: how long the machine has been up, which
//! nobody can set, and how long each wait is at most. From these follows how much time
//! has really passed. When that is in doubt the shorter time counts: a failure is tried
//! again early, and a file that nobody wants stays longer.

use jiff::{SignedDuration, Timestamp};

use super::memory::RetryLimits;
use crate::facts::{ClockReading, Memory};

/// What counts as a jump. Time servers correct a clock by less, or step by step.
const JUMP: SignedDuration = SignedDuration::from_secs(60);

/// How much time counts at most between the last run before a start of the machine and
/// the first one after it: whether it was off for so long, or its clock is wrong, cannot
/// be told.
const OFF_MOST: SignedDuration = SignedDuration::from_hours(24);

/// A memory whose times fit the clock of today, and by how much that one moved since
/// then, where it jumped. `last_run` is when the run before ended, as the clock was then.
pub fn settle(
    mut memory: Memory,
    now: Timestamp,
    reading: Option<ClockReading>,
    last_run: Option<Timestamp>,
    limits: &RetryLimits,
) -> (Memory, Option<SignedDuration>) {
    let mut jump = None;
    match (&memory.clock, &reading) {
        (Some(before), Some(reading)) if before.boot == reading.boot => {
            let real = seconds(reading.uptime_seconds) - seconds(before.uptime_seconds);
            let moved = now.duration_since(before.time) - real;
            if moved.abs() > JUMP {
                jump = Some(moved);
                shift(&mut memory, moved, true);
                memory.clock = Some(reading.clone());
            }
        }
        (Some(before), _) => {
            let seen = last_run.map_or(before.time, |last| last.max(before.time));
            let off = now.duration_since(seen);
            let counted = off.clamp(SignedDuration::ZERO, OFF_MOST);
            if off.is_negative() {
                jump = Some(off);
            }
            shift(&mut memory, off - counted, false);
            memory.clock = reading;
        }
        (None, _) => memory.clock = reading,
    }
    bound(&mut memory, now, limits);
    (memory, jump)
}

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The times in a memory.
struct Times<'a> {
    /// Since when files are not wanted, and rings are in sync: the graces of what is pruned
    /// hang on them, and when the next ring begins.
    unwanted: Vec<&'a mut Timestamp>,
    /// When something else happened.
    past: Vec<&'a mut Timestamp>,
    /// Until when something is left alone.
    until: Vec<&'a mut Timestamp>,
}

impl<'a> Times<'a> {
    fn of(memory: &'a mut Memory) -> Self {
        let Memory {
            unwanted_since,
            backoff,
            circuits,
            verified,
            links,
            detours,
            approved: _,
            suspended: _,
            places: _,
            storages: _,
            templates: _,
            members: _,
            certificates,
            rollouts,
            led_epochs: _,
            instructed: _,
            instructions_read: _,
            instruction_troubles: _,
            promotions_seen: _,
            clock: _,
        } = memory;
        let links = links.values_mut().map(|link| &mut link.measured_at);
        let asked = certificates.values_mut().map(|known| &mut known.asked_at);
        let failures = backoff.values_mut().chain(circuits.values_mut());
        let failures = failures.map(|failure| &mut failure.until);
        let detours = detours.values_mut().map(|detour| &mut detour.until);
        let rings = rollouts
            .values_mut()
            .flat_map(|releases| releases.values_mut());
        let rings = rings.flat_map(|rollout| rollout.rings.values_mut());
        let soaking = rings.filter_map(|ring| ring.in_sync_since.as_mut());
        Self {
            unwanted: unwanted_since.values_mut().chain(soaking).collect(),
            past: verified.values_mut().chain(links).chain(asked).collect(),
            until: failures.chain(detours).collect(),
        }
    }
}

/// Moves the times since which files are not wanted, and with `all` every other one.
fn shift(memory: &mut Memory, by: SignedDuration, all: bool) {
    let times = Times::of(memory);
    let others = times.past.into_iter().chain(times.until);
    let others = others.filter(|_| all);
    for time in times.unwanted.into_iter().chain(others) {
        *time = time.saturating_add(by).unwrap_or(*time);
    }
}

/// Nothing that is past is ahead, and nothing is waited for longer than a wait lasts.
fn bound(memory: &mut Memory, now: Timestamp, limits: &RetryLimits) {
    let most = SignedDuration::try_from(limits.most).unwrap_or(SignedDuration::MAX);
    let latest = now.saturating_add(most).unwrap_or(Timestamp::MAX);
    let times = Times::of(memory);
    for time in times.unwanted.into_iter().chain(times.past) {
        *time = (*time).min(now);
    }
    for until in times.until {
        *until = (*until).min(latest);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::facts::{Backoff, StepId};

    const HOUR: i64 = 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn clock(boot: &str, time: i64, uptime: u64) -> ClockReading {
        ClockReading {
            time: at(time),
            boot: boot.to_owned(),
            uptime_seconds: uptime,
        }
    }

    fn memory(since: i64, until: i64, clock: Option<ClockReading>) -> Memory {
        let id = || StepId::fetch(&"a.iso".parse().unwrap());
        Memory {
            unwanted_since: BTreeMap::from([(id(), at(since))]),
            backoff: BTreeMap::from([(
                id(),
                Backoff {
                    failures: 3,
                    until: at(until),
                    error: String::new(),
                    lasting: None,
                },
            )]),
            clock,
            ..Memory::default()
        }
    }

    /// How long ago the file began to be unwanted, and when the step is tried again, both
    /// in seconds from now; and whether a jump is told.
    fn settled(memory: Memory, now: i64, reading: Option<ClockReading>) -> (i64, i64, bool) {
        let (memory, jump) = settle(memory, at(now), reading, None, &RetryLimits::default());
        let since = memory.unwanted_since.values().next().unwrap();
        let until = memory.backoff.values().next().unwrap().until;
        let of = |time: Timestamp| time.duration_since(at(now)).as_secs();
        (of(*since), of(until), jump.is_some())
    }

    #[test]
    fn only_time_that_passed_counts() {
        const YEAR: i64 = 365 * 24 * HOUR;
        const QUARTER: i64 = HOUR / 4;
        let before = || Some(clock("a", 0, 1000));
        for (what, memory, now, reading, expected) in [
            (
                "as it should be",
                memory(-HOUR, 60, before()),
                600,
                Some(clock("a", 600, 1600)),
                (-HOUR - 600, -540, false),
            ),
            (
                "a small correction",
                memory(-HOUR, 60, before()),
                630,
                Some(clock("a", 630, 1600)),
                (-HOUR - 630, -570, false),
            ),
            (
                "a year ahead",
                memory(-HOUR, 660, before()),
                YEAR + 600,
                Some(clock("a", YEAR + 600, 1600)),
                (-HOUR - 600, 60, true),
            ),
            (
                "a year back",
                memory(-HOUR, 660, before()),
                600 - YEAR,
                Some(clock("a", 600 - YEAR, 1600)),
                (-HOUR - 600, 60, true),
            ),
            (
                "off for an hour",
                memory(-HOUR, 60, before()),
                HOUR,
                Some(clock("b", HOUR, 10)),
                (-2 * HOUR, 60 - HOUR, false),
            ),
            (
                "off for a year, or wrong",
                memory(-HOUR, 60, before()),
                YEAR,
                Some(clock("b", YEAR, 10)),
                (-25 * HOUR, 60 - YEAR, false),
            ),
            (
                "started in the past",
                memory(-HOUR, 60, before()),
                -YEAR,
                Some(clock("b", -YEAR, 10)),
                (-HOUR, QUARTER, true),
            ),
            (
                "kept by a version without clocks, ahead",
                memory(YEAR, YEAR, None),
                0,
                Some(clock("a", 0, 10)),
                (0, QUARTER, false),
            ),
            (
                "a kernel that tells nothing",
                memory(YEAR, YEAR, None),
                0,
                None,
                (0, QUARTER, false),
            ),
        ] {
            assert_eq!(settled(memory, now, reading), expected, "{what}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            rng_seed: proptest::test_runner::RngSeed::Fixed(7),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Hours that pass, by how many the clock is set meanwhile, and whether the
        /// machine starts anew.
        #[test]
        fn no_grace_runs_faster_than_time_but_for_a_day_at_each_start(
            runs in prop::collection::vec(
                (0_i64..72, prop_oneof![Just(0), -90_000_i64..90_000], any::<bool>()),
                1..12,
            ),
        ) {
            let mut memory = memory(0, 0, Some(clock("0", 0, 0)));
            let (mut now, mut up, mut boot, mut passed) = (0, 0, 0, 0);
            for (hours, set, is_start) in runs {
                passed += hours * HOUR;
                now += (hours + set) * HOUR;
                up += hours * HOUR;
                if is_start {
                    (up, boot) = (0, boot + 1);
                }
                let reading = clock(&boot.to_string(), now, up.unsigned_abs());
                let limits = RetryLimits::default();
                (memory, _) = settle(memory, at(now), Some(reading), None, &limits);
                let since = memory.unwanted_since.values().next().unwrap();
                let counted = at(now).duration_since(*since).as_secs();
                prop_assert!((0..=passed + boot * 24 * HOUR).contains(&counted));
            }
        }
    }

    #[test]
    fn a_later_run_of_the_same_start_sees_the_same_clock() {
        let (first, _) = settle(
            memory(0, 0, None),
            at(0),
            Some(clock("a", 0, 10)),
            None,
            &RetryLimits::default(),
        );
        let later = Some(clock("a", 5000, 5010));
        let (second, jump) = settle(
            first.clone(),
            at(5000),
            later,
            None,
            &RetryLimits::default(),
        );
        assert_eq!(
            (&second.clock, jump),
            (&first.clock, None),
            "nothing is written for it"
        );
    }
}
