//! What somebody is told, and when: failures, reminders and recoveries.
//!
//! Pure: what a run left ([`RunView`]) and what was told before ([`AlertLedger`]) go in.
//! [`scan`] says what is firing, what is fine and what is not known; [`record`] takes that
//! into the ledger; [`due`] says what is to be sent to a provider now, or when to ask again;
//! [`delivered`] and [`refused`] take in what came of it.
//!
//! What holds, whatever happens: a failure that was delivered gets one recovery; a failure
//! that nobody was told of gets none; what is not known neither begins nor ends anything.

mod alert;
mod due;
mod finding;
mod hint;
mod ledger;
mod message;
mod places;
mod record;
mod rule;
mod scan;
mod settled;
mod text;

pub use alert::{Alert, AlertKey, Severity};
pub use due::{DueMessage, due};
pub use finding::RunView;
pub use ledger::{AlertEnd, AlertEntry, AlertLedger, DeliveryNumbers, ProviderLedger, ToldAlert};
pub use message::{AlertEvent, AlertGroup, AlertMessage, EventKind, Sender};
pub use record::record;
pub use rule::{AlertRule, Habit, Routes};
pub use scan::{AlertScan, scan};
pub use settled::{delivered, refused};
pub use text::{MessageText, TextItem, Tone};

#[cfg(test)]
mod tests;
