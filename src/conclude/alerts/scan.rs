//! What is firing after a run, what is fine, and what is not known.
//!
//! What several conditions have in common is one alert: a node that does not answer, an
//! order that is refused. A run that was for some orders only, that was stopped, or that
//! could not plan says nothing about the rest.

use std::collections::BTreeMap;

use super::alert::{Alert, AlertKey, Severity, cut};
use super::finding::{Finding, RunView};
use super::places;
use crate::conclude::{ConditionState, Reason, Status, Verdict};
use crate::plan::Notice;

/// So many bytes of the subject of a commit, and of its author, are told.
const COMMIT_MAX: usize = 120;

/// How everything is.
#[derive(Debug, Clone)]
pub struct AlertScan {
    pub(super) found: BTreeMap<AlertKey, Finding>,
    /// Of what is not listed nothing is known.
    pub(super) rest_is_unknown: bool,
    /// An order could not be read: what it wants is unknown, and not nothing.
    pub(super) orders_are_unknown: bool,
    pub(super) notices_are_unknown: bool,
    pub(super) revision: Option<String>,
}

impl AlertScan {
    /// How something is that may not be listed; `alert` is what was known of it.
    pub(super) fn of(&self, alert: &Alert) -> Finding {
        if let Some(found) = self.found.get(&alert.key) {
            return found.clone();
        }
        let is_refused = alert.reason == Reason::InvalidOrder.to_string();
        let is_unknown = match alert.key.is_notice() {
            true => self.notices_are_unknown,
            // What was refused and is still wrong would be listed.
            false if is_refused => self.rest_is_unknown,
            false => self.rest_is_unknown || self.orders_are_unknown,
        };
        match is_unknown {
            true => Finding::Unknown,
            false if alert.key.is_notice() => Finding::Fine("no longer the case".to_owned()),
            false if is_refused => Finding::Fine("no longer refused".to_owned()),
            false => Finding::Fine("no order concerns it any more".to_owned()),
        }
    }
}

/// How everything is after a run.
pub fn scan(run: &RunView<'_>) -> AlertScan {
    let last = run.status.last_run.as_ref();
    let failed = last.filter(|last| last.verdict == Verdict::Failed);
    let mut found = BTreeMap::new();
    if let Some(last) = failed {
        let message = last.error.clone().unwrap_or_else(|| "it failed".to_owned());
        let alert = Alert {
            key: AlertKey::run(),
            orders: Default::default(),
            node: None,
            site: None,
            cluster: None,
            severity: Severity::Error,
            // Another run may hold the cache, or the directory be replaced just now.
            is_retried: true,
            state: "Failed".to_owned(),
            reason: "RunFailed".to_owned(),
            message: match run.is_unsaved {
                true => format!("what the run did cannot be saved: {message}"),
                false => {
                    format!("the run failed before planning, nothing is reconciled: {message}")
                }
            },
            hint: Some("the log of the controller and `talos-order status` say more".to_owned()),
            since: last.finished,
        };
        found.insert(AlertKey::run(), Finding::Firing(Box::new(alert)));
    } else {
        let fine = Finding::Fine("runs can plan again".to_owned());
        found.insert(AlertKey::run(), fine);
        found.extend(places::findings(run));
    }
    instructions(run, &mut found);
    for notice in run.notices.unwrap_or_default() {
        let alert = of_notice(notice, run);
        found.insert(
            alert.key.clone(),
            match notice.is_only_shown {
                true => Finding::Unknown,
                false => Finding::Firing(Box::new(alert)),
            },
        );
    }
    let mut conditions = run.status.conditions.iter();
    AlertScan {
        found,
        rest_is_unknown: failed.is_some() || run.is_partial,
        orders_are_unknown: conditions
            .any(|condition| condition.reason == Some(Reason::InvalidOrder)),
        notices_are_unknown: run.notices.is_none() || run.is_partial,
        revision: revision(run.status),
    }
}

/// The revision of the orders, with what people recognise the commit by.
fn revision(status: &Status) -> Option<String> {
    let revision = status.revision.clone()?;
    let source = status.source.as_ref();
    let commit = source.filter(|source| source.revision.as_ref() == Some(&revision));
    let words = commit.into_iter().flat_map(|commit| {
        let words = [&commit.subject, &commit.author].into_iter().flatten();
        words.filter(|text| !text.is_empty()).map(|text| {
            let mut text = text.clone();
            cut(&mut text, COMMIT_MAX);
            text
        })
    });
    let words: Vec<String> = words.collect();
    Some(match words.as_slice() {
        [] => revision,
        words => format!("{revision} ({})", words.join(", ")),
    })
}

/// The operator's instructions cannot be read, so everything is suspended.
fn instructions(run: &RunView<'_>, found: &mut BTreeMap<AlertKey, Finding>) {
    let key = AlertKey::instructions();
    let Some(why) = &run.status.suspended.unreadable else {
        found.insert(key, Finding::Fine("they can be read".to_owned()));
        return;
    };
    let alert = Alert {
        key: key.clone(),
        orders: Default::default(),
        node: None,
        site: None,
        cluster: None,
        severity: Severity::Error,
        is_retried: false,
        state: ConditionState::Stalled.to_string(),
        reason: "Instructions".to_owned(),
        message: format!("everything is suspended: {why}"),
        hint: Some(
            "repair the file, or run `talos-order resume --all`, which resumes everything"
                .to_owned(),
        ),
        since: run
            .status
            .last_run
            .as_ref()
            .map_or_else(Default::default, |last| last.finished),
    };
    found.insert(key, Finding::Firing(Box::new(alert.bounded())));
}

fn of_notice(notice: &Notice, run: &RunView<'_>) -> Alert {
    let (message, hint) = match notice.text.split_once("; hint: ") {
        Some((message, hint)) => (message, Some(hint.to_owned())),
        None => (notice.text.as_str(), None),
    };
    let alert = Alert {
        key: AlertKey::notice(&notice.cluster, &notice.topic),
        orders: Default::default(),
        node: None,
        site: None,
        cluster: Some(notice.cluster.clone()),
        severity: Severity::Warning,
        is_retried: notice.is_retried,
        state: "Notice".to_owned(),
        reason: "Notice".to_owned(),
        message: format!("cluster {}: {message}", notice.cluster),
        hint,
        since: run
            .status
            .last_run
            .as_ref()
            .map_or_else(Default::default, |last| last.finished),
    };
    alert.bounded()
}
