//! A loop that notes what it is asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::conclude::Scope;
use crate::conclude::alerts::DeliveryNumbers;
use crate::facts::{RolloutChange, RolloutInstruction, SourceUse, UpstreamUse};
use crate::model::OrderId;
use crate::web::{Control, Instructed, Vitals};

#[derive(Default)]
pub(super) struct Asks(
    pub Mutex<Vec<Scope>>,
    pub AtomicUsize,
    pub Mutex<Vec<(OrderId, RolloutChange)>>,
);

impl Control for Asks {
    fn reconcile(&self, scope: Scope) {
        self.0.lock().unwrap().push(scope);
    }

    fn look(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn instruct(&self, order: OrderId, change: RolloutChange) -> Instructed<'_> {
        let mut said = RolloutInstruction::default();
        said.change(&change, jiff::Timestamp::UNIX_EPOCH);
        self.2.lock().unwrap().push((order, change));
        Box::pin(std::future::ready(Ok(said)))
    }
}

impl Vitals for Asks {
    fn is_alive(&self) -> Result<(), Duration> {
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn upstream(&self) -> UpstreamUse {
        UpstreamUse::default()
    }

    fn source(&self) -> SourceUse {
        SourceUse::default()
    }

    fn notifications(&self) -> BTreeMap<String, DeliveryNumbers> {
        BTreeMap::new()
    }
}
