//! Everything that is needed to tell: providers, rules, and who tells.

use super::mailbox::{Mailbox, habit};
use crate::conclude::alerts::{AlertRule, Routes, Sender};
use crate::model::Provider;

/// Everything that is needed to tell.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// The providers.
    pub mailboxes: Vec<Mailbox>,
    /// What goes where.
    pub routes: Routes,
    /// Who tells.
    pub sender: Sender,
}

impl Outbox {
    /// One for these providers and rules.
    pub(crate) fn new(providers: &[Provider], rules: Vec<AlertRule>, sender: Sender) -> Self {
        let habits = providers
            .iter()
            .map(|one| (one.name.to_string(), habit(&one.target)));
        Self {
            mailboxes: providers.iter().cloned().map(Mailbox::new).collect(),
            routes: Routes {
                providers: habits.collect(),
                rules,
            },
            sender,
        }
    }

    /// The provider of this name.
    pub(crate) fn mailbox(&self, name: &str) -> Option<&Mailbox> {
        self.mailboxes.iter().find(|mailbox| mailbox.name() == name)
    }
}
