//! A loop that notes what it is asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::conclude::Scope;
use crate::conclude::alerts::DeliveryNumbers;
use crate::facts::{SourceUse, UpstreamUse};
use crate::web::{Control, Vitals};

#[derive(Default)]
pub(super) struct Asks(pub Mutex<Vec<Scope>>, pub AtomicUsize);

impl Control for Asks {
    fn reconcile(&self, scope: Scope) {
        self.0.lock().unwrap().push(scope);
    }

    fn look(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
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
