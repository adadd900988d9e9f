//! What was told, to whom, and what is still to be told.
//!
//! It is kept in a file. Without it everything that is firing is told anew, once; from an
//! older copy of it, at most one message is sent again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::alert::{Alert, AlertKey, Severity};

/// So many alerts are kept for a provider. What has no room is told when there is some.
pub(super) const ALERTS_MAX: usize = 2000;

/// What was told, by the provider's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertLedger {
    /// By the name of the provider.
    pub providers: BTreeMap<String, ProviderLedger>,
    /// What the last run said of itself, for the messages that are sent later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// What one provider was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderLedger {
    /// What is firing, or over and not told yet.
    pub alerts: BTreeMap<AlertKey, AlertEntry>,
    /// Messages that did not arrive, in a row.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// When the next attempt is made, after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Why the last message did not arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When a message arrived last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Messages that arrived, ever.
    #[serde(skip_serializing_if = "is_zero")]
    pub delivered: u64,
    /// Attempts that failed, ever.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: u64,
}

fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}

/// How well a provider is told, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryNumbers {
    /// Messages that arrived, ever.
    pub delivered: u64,
    /// Attempts that failed, ever.
    pub failed: u64,
    /// Failures and recoveries that it was not told of yet.
    pub pending: usize,
    /// The last attempt failed, and another will be made.
    pub is_failing: bool,
}

/// An alert, and how much of it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEntry {
    /// The alert, as it was last.
    pub alert: Alert,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// The last run could not tell whether it still holds.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_unsure: bool,
    /// What arrived; `None` if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldAlert>,
    /// It is over, which is still to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<AlertEnd>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
fn is_false(it: &bool) -> bool {
    !it
}

/// What arrived of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAlert {
    /// When, last.
    pub at: Timestamp,
    /// How bad it was said to be.
    pub severity: Severity,
    /// The reason that was told.
    pub reason: String,
    /// How many times it was told.
    pub count: u32,
}

/// How an alert ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEnd {
    /// When that was seen.
    pub at: Timestamp,
    /// How it is now.
    pub outcome: String,
}

impl AlertLedger {
    /// The numbers of these providers, also of one that was never told anything.
    pub fn numbers<'a>(
        &self,
        providers: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<String, DeliveryNumbers> {
        let providers = providers.into_iter().map(|name| {
            let known = self.providers.get(name).map(ProviderLedger::numbers);
            (name.to_owned(), known.unwrap_or_default())
        });
        providers.collect()
    }
}

impl ProviderLedger {
    fn numbers(&self) -> DeliveryNumbers {
        DeliveryNumbers {
            delivered: self.delivered,
            failed: self.failed,
            pending: self.waiting(),
            // With nothing left to tell there is no further attempt that could succeed.
            is_failing: self.failures > 0 && !self.alerts.is_empty(),
        }
    }

    /// How many alerts wait to be told, of failures and recoveries.
    pub fn waiting(&self) -> usize {
        let waits = |entry: &&AlertEntry| entry.told.is_none() || entry.ended.is_some();
        self.alerts.values().filter(waits).count()
    }

    /// How many are firing and were told.
    pub fn firing(&self) -> usize {
        let fires = |entry: &&AlertEntry| entry.told.is_some() && entry.ended.is_none();
        self.alerts.values().filter(fires).count()
    }
}
