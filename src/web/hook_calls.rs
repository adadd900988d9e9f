//! How often each hook was called: what is taken, what is put off, and what is logged.

mod pace;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::HookNumbers;
use crate::model::{Hook, HookName};
use pace::HookPace;
pub(super) use pace::Paced;

/// How often refused calls are logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What is known of each hook that was called.
#[derive(Debug, Default)]
pub(super) struct HookCalls(Mutex<BTreeMap<HookName, CallsOfHook>>);

#[derive(Debug)]
struct CallsOfHook {
    pace: HookPace,
    numbers: HookNumbers,
    /// Calls that were refused and not logged yet.
    refused: u64,
    /// When one was logged.
    told: Option<Instant>,
}

impl HookCalls {
    /// A call that proved itself.
    pub(super) fn taken(&self, name: &HookName) -> Paced {
        self.with(name, |calls, now| {
            let paced = calls.pace.call(now);
            match paced {
                Paced::Now => calls.numbers.accepted += 1,
                Paced::Later(_) | Paced::Joined(_) => calls.numbers.limited += 1,
            }
            paced
        })
    }

    /// A call that proved itself and asks for nothing.
    pub(super) fn tried(&self, name: &HookName) {
        self.with(name, |calls, _| calls.numbers.accepted += 1);
    }

    /// How often each of these was called.
    pub(super) fn numbers(&self, hooks: &[Hook]) -> BTreeMap<String, HookNumbers> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = hooks.iter().map(|hook| {
            let calls = known.get(&hook.name).map(|calls| calls.numbers);
            (hook.name.to_string(), calls.unwrap_or_default())
        });
        numbers.collect()
    }

    fn with<T>(&self, name: &HookName, change: impl FnOnce(&mut CallsOfHook, Instant) -> T) -> T {
        let now = Instant::now();
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry(name.clone()).or_insert_with(|| CallsOfHook {
            pace: HookPace::new(now),
            numbers: HookNumbers::default(),
            refused: 0,
            told: None,
        });
        change(calls, now)
    }

    /// Counts a refused call; the count, where it is time to log it.
    pub(super) fn refused(&self, name: &HookName) -> Option<u64> {
        self.with(name, |calls, now| {
            calls.numbers.refused += 1;
            calls.refused += 1;
            let is_told = |told: Instant| now.duration_since(told) < LOG_EVERY;
            if calls.told.is_some_and(is_told) {
                return None;
            }
            calls.told = Some(now);
            Some(std::mem::take(&mut calls.refused))
        })
    }
}
