//! What a receiver hears, whatever happens and in whatever order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::alert::{AlertKey, Severity};
use super::super::due::{DueMessage, due};
use super::super::finding::Finding;
use super::super::ledger::AlertLedger;
use super::super::message::{AlertMessage, EventKind, Sender};
use super::super::record::record;
use super::super::settled::{delivered, refused};
use super::{PROVIDER, alert, at, fine, firing, found, routes};

/// How an order is found.
#[derive(Debug, Clone, Copy)]
enum Found {
    Error,
    Warning,
    Fine,
    Unknown,
    Covered,
}

/// What happens.
#[derive(Debug, Clone)]
enum Act {
    /// A run that finds the orders so.
    Run([Found; 3]),
    /// What is due is sent and arrives.
    Send,
    /// What is due is sent, and a run ends before that is recorded.
    SendDuringRun([Found; 3]),
    /// What is due is sent and refused.
    Refuse,
    /// So many seconds pass.
    Wait(i64),
}

fn a_finding() -> impl Strategy<Value = Found> {
    prop_oneof![
        Just(Found::Error),
        Just(Found::Warning),
        Just(Found::Fine),
        Just(Found::Unknown),
        Just(Found::Covered),
    ]
}

fn an_act() -> impl Strategy<Value = Act> {
    let run = || [a_finding(), a_finding(), a_finding()];
    prop_oneof![
        4 => run().prop_map(Act::Run),
        4 => Just(Act::Send),
        1 => run().prop_map(Act::SendDuringRun),
        1 => Just(Act::Refuse),
        3 => (1_i64..4000).prop_map(Act::Wait),
    ]
}

struct Play {
    ledger: AlertLedger,
    now: Timestamp,
    /// What the receiver knows: since when it was told last, and how bad.
    open: BTreeMap<AlertKey, (Timestamp, Severity)>,
    /// Since when an order fires, as the runs found it.
    fires: BTreeMap<AlertKey, Timestamp>,
}

impl Play {
    fn run(&mut self, findings: [Found; 3]) {
        let mut all = Vec::new();
        for (order, finding) in ["a", "b", "c"].into_iter().zip(findings) {
            let key = AlertKey::order(order);
            match finding {
                Found::Error | Found::Warning => {
                    let severity = match finding {
                        Found::Error => Severity::Error,
                        _ => Severity::Warning,
                    };
                    self.fires.entry(key).or_insert(self.now);
                    all.push(firing(alert(order, severity, self.now)));
                }
                Found::Fine => {
                    self.fires.remove(&key);
                    all.push(fine(order));
                }
                Found::Unknown => all.push((key, Finding::Unknown)),
                Found::Covered => all.push((key, Finding::Covered)),
            }
        }
        self.ledger = record(&self.ledger, &found(all), &routes(), self.now);
        // Over a restart.
        let text = serde_json::to_string(&self.ledger).unwrap();
        self.ledger = serde_json::from_str(&text).unwrap();
    }

    fn due(&self) -> Option<AlertMessage> {
        let sender = Sender::default();
        match due(&self.ledger, PROVIDER, &routes(), &sender, self.now) {
            DueMessage::Now(message) => Some(*message),
            DueMessage::At(at) => {
                assert!(at > self.now, "asked again at once");
                None
            }
            DueMessage::Never => None,
        }
    }

    /// What the receiver makes of a message.
    fn hear(&mut self, message: &AlertMessage) -> Result<(), TestCaseError> {
        let reminder = SignedDuration::from_mins(60);
        for event in &message.events {
            let key = event.alert.key.clone();
            let severity = event.alert.severity;
            match (event.kind, self.open.get(&key).copied()) {
                (EventKind::Recovery, Some(_)) => {
                    self.open.remove(&key);
                }
                (EventKind::Recovery, None) => {
                    prop_assert!(false, "a recovery of what nobody heard of: {key}");
                }
                (EventKind::Failure, Some((_, before))) => {
                    prop_assert!(severity > before, "{key} was told twice");
                    self.open.insert(key, (self.now, severity));
                }
                (EventKind::Failure, None) => {
                    if event.alert.is_retried {
                        let lasted = self.now.duration_since(event.first_seen);
                        prop_assert!(lasted >= SignedDuration::from_mins(5), "a blip: {key}");
                    }
                    self.open.insert(key, (self.now, severity));
                }
                (EventKind::Reminder, Some((last, _))) => {
                    let since = self.now.duration_since(last);
                    prop_assert!(since >= reminder, "{key} after {since:#}");
                    self.open.insert(key, (self.now, severity));
                }
                (EventKind::Reminder, None) => {
                    prop_assert!(false, "a reminder of what nobody heard of: {key}");
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match act {
            Act::Run(findings) => self.run(*findings),
            Act::Wait(seconds) => self.now += SignedDuration::from_secs(*seconds),
            Act::Refuse => {
                if self.due().is_some() {
                    let ledger = std::mem::take(&mut self.ledger);
                    self.ledger = refused(ledger, PROVIDER, "no", None, self.now);
                    prop_assert_eq!(self.due(), None, "the receiver is given a rest");
                }
            }
            Act::Send | Act::SendDuringRun(_) => {
                let Some(message) = self.due() else {
                    return Ok(());
                };
                self.hear(&message)?;
                if let Act::SendDuringRun(findings) = act {
                    self.run(*findings);
                }
                let ledger = std::mem::take(&mut self.ledger);
                self.ledger = delivered(ledger, PROVIDER, &message, self.now);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_failure_that_was_told_gets_one_recovery_and_nothing_is_told_twice(
        acts in prop::collection::vec(an_act(), 1..40),
    ) {
        let mut play = Play {
            ledger: AlertLedger::default(),
            now: at(0),
            open: BTreeMap::new(),
            fires: BTreeMap::new(),
        };
        for act in acts {
            play.act(&act)?;
        }
        // What fires and is told for long enough is heard of, whatever came before.
        play.run([Found::Error, Found::Warning, Found::Error]);
        play.act(&Act::Wait(7 * 3600))?;
        play.act(&Act::Send)?;
        prop_assert_eq!(play.open.len(), 3);
        // In the end all is well, and the receiver knows it.
        play.run([Found::Fine, Found::Fine, Found::Fine]);
        play.act(&Act::Send)?;
        prop_assert!(play.open.is_empty(), "{:?}", play.open);
        prop_assert!(play.ledger.providers[PROVIDER].alerts.is_empty());
        prop_assert_eq!(play.due(), None);
    }
}
