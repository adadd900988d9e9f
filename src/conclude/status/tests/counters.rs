//! The counters of all runs, and when something was last ready.

use super::*;
use crate::conclude::counters::RunDurations;

fn count(counts: &BTreeMap<String, BTreeMap<String, u64>>, first: &str, second: &str) -> u64 {
    let count = counts.get(first).and_then(|counts| counts.get(second));
    count.copied().unwrap_or(0)
}

#[test]
fn every_run_is_counted_and_every_step_that_ended() {
    let orders = orders();
    let report = report(&orders, full);
    let status = Status::default()
        .finished(&occasion(100), &orders, &report, &memory())
        .finished(&occasion(200), &orders, &report, &memory())
        .unable(&occasion(300), "gone".to_owned());
    let counters = &status.counters;
    assert_eq!(count(&counters.runs, "stalled", "change"), 2);
    assert_eq!(count(&counters.runs, "failed", "change"), 1);
    assert_eq!(
        (counters.durations.count, counters.durations.sum_millis),
        (3, 3000)
    );
    let fetches = report.look.plan.steps.iter();
    let fetches = fetches.filter(|step| step.needs.is_empty()).count() as u64;
    let failed: u64 = counters
        .steps
        .values()
        .filter_map(|ends| ends.get("failed"))
        .sum();
    assert!(fetches > 0);
    assert_eq!(failed, 2 * fetches);
    let pushes = count(&counters.steps, "push", "skipped");
    assert!(pushes > 0 && pushes.is_multiple_of(2), "{pushes}");
    // It reads what it writes, also below a version.
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    // A download that goes on after its run is counted by the run that sees its end.
    let busy = super::report(&orders, |_| Outcome::UnderWay);
    let status = Status::default().finished(&occasion(100), &orders, &busy, &memory());
    assert!(status.counters.steps.is_empty());
}

#[test]
fn a_run_belongs_to_the_first_bound_that_it_keeps() {
    let orders = orders();
    let report = report(&orders, full);
    let took = |millis: i64| {
        let started = at(100);
        let occasion = Occasion {
            finished: started + jiff::SignedDuration::from_millis(millis),
            ..occasion(100)
        };
        let status = Status::default().finished(&occasion, &orders, &report, &memory());
        status.counters.durations
    };
    let of = |bound: Option<u64>, sum_millis: u64| RunDurations {
        up_to: bound.map(|bound| (bound, 1)).into_iter().collect(),
        count: 1,
        sum_millis,
    };
    assert_eq!(took(100), of(Some(100), 100));
    assert_eq!(took(101), of(Some(500), 101));
    assert_eq!(took(90_000_000), of(None, 90_000_000));
    // The clock was set back.
    assert_eq!(took(-5000), of(Some(100), 0));
}

#[test]
fn when_something_was_last_ready_is_kept_until_it_is_ready_again() {
    let orders = orders();
    let report = report(&orders, full);
    let mut ready = Status::default().finished(&occasion(50), &orders, &report, &memory());
    for condition in &mut ready.conditions {
        (condition.state, condition.reason) = (ConditionState::Ready, None);
    }
    let looked_at = ready.looked_at;
    assert_eq!(looked_at, Some(at(51)));
    // A run that failed before planning found nothing ready.
    let ready = ready.unable(&occasion(60), "gone".to_owned());
    assert_eq!(ready.conditions[0].ready_at(ready.looked_at), looked_at);
    let first = ready.finished(&occasion(100), &orders, &report, &memory());
    let second = first
        .clone()
        .finished(&occasion(200), &orders, &report, &memory());
    let everything = Suspended {
        all: true,
        ..Suspended::default()
    };
    let suspended = second.clone().with_suspended(everything);
    for status in [first, second, suspended] {
        for condition in &status.conditions {
            assert_eq!(condition.ready_at(status.looked_at), looked_at);
        }
    }
}
