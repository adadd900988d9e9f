//! What the user should know besides the answer; all of it goes to stderr.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{out, style};
use crate::conclude::SourceLine;
use crate::facts::VersionKnowledge;
use crate::model::{ClusterName, OrderSet, visible};

/// Prints every problem of the orders to stderr, then what has no effect.
pub(super) fn problems(orders: &OrderSet) {
    for problem in orders.problems() {
        out::note(&format!("{} {problem}", style::error("error:")));
    }
    for warning in &orders.warnings {
        out::note(&format!("{} {warning}", style::warning("warning:")));
    }
    for order in &orders.orders {
        for skipped in &order.skipped {
            out::note(&format!(
                "{} {}/{}: product {:?} is skipped; only talos is supported",
                style::warning("note:"),
                order.id,
                skipped.name,
                skipped.product
            ));
        }
    }
}

/// Says why the orders may not be the newest ones.
pub(super) fn source(source: Option<&SourceLine>) {
    let Some((line, message)) = source.and_then(|line| Some((line, line.message.as_ref()?))) else {
        return;
    };
    // Without any orders this is the error itself.
    if let Some(revision) = &line.revision {
        out::note(&format!(
            "{} {}; using {}",
            style::warning("warning:"),
            visible(message),
            visible(revision)
        ));
        if let Some(hint) = &line.hint {
            out::note(&format!("  hint: {}", visible(hint)));
        }
    }
}

/// Says which nodes only a cluster knows: whether it does is not an error before it is
/// asked.
pub(super) fn awaited(orders: &OrderSet, is_asked: &dyn Fn(&ClusterName) -> bool, was_asked: bool) {
    let mut names: BTreeMap<(&str, &[ClusterName]), Vec<String>> = BTreeMap::new();
    let awaited = orders.awaited();
    // What others ask is told otherwise, or right.
    for awaited in awaited.filter(|awaited| awaited.clusters.iter().any(is_asked)) {
        let places = names.entry((&awaited.name, &awaited.clusters)).or_default();
        places.push(format!("{}:{}", awaited.source.file, awaited.source.line));
    }
    for ((name, clusters), places) in names {
        let clusters: Vec<&str> = clusters.iter().map(ClusterName::as_str).collect();
        let more = match places.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let why = match was_asked {
            true => "which could not be asked",
            false => "which is asked in each run and by `validate --online`",
        };
        out::note(&format!(
            "{} {}{more}: {name} is known only to the cluster {}, {why}",
            style::warning("note:"),
            places[0],
            clusters.join(", "),
        ));
    }
}

/// Says which sources of versions failed, and how old the list is where none
/// answered. That nothing is known at all is said by the plan.
pub(super) fn versions(knowledge: &VersionKnowledge, now: Timestamp) {
    let VersionKnowledge::Known {
        source,
        fetched_at,
        failures,
        ..
    } = knowledge
    else {
        return;
    };
    for failure in failures {
        out::note(&format!("{} {failure}", style::warning("warning:")));
    }
    if *fetched_at < now {
        out::note(&format!(
            "{} no version source answers; using the list from {} of {fetched_at:.0}, {} old",
            style::warning("warning:"),
            source.as_str(),
            age(now.duration_since(*fetched_at)),
        ));
    }
}

/// A length of time in the unit that a user would choose.
fn age(length: SignedDuration) -> String {
    let minutes = usize::try_from(length.as_mins()).unwrap_or(0);
    match minutes {
        ..120 => out::counted(minutes, "minute"),
        120..2880 => out::counted(minutes / 60, "hour"),
        _ => out::counted(minutes / 1440, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_unit() {
        let minutes = [0, 1, 119, 120, 2879, 2880, 100_000];
        let told = minutes.map(|minutes| age(SignedDuration::from_mins(minutes)));
        let expected = [
            "0 minutes",
            "1 minute",
            "119 minutes",
            "2 hours",
            "47 hours",
            "2 days",
            "69 days",
        ];
        assert_eq!(told, expected);
    }
}
