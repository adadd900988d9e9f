//! The orders of the controller: where they are, what is fetched before a run, and what is
//! said of that.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::source_watch::{LookNow, SourceWatch};
use crate::app::{App, OrdersAt, StartError};
use crate::conclude::{SourceLine, SourceState};
use crate::model::{Trigger, visible, visible_path};
use crate::source::Freshness;

/// Follows the orders from run to run.
pub(super) struct OrdersFollower {
    /// The orders of the command line; the configuration names them otherwise.
    named: Option<PathBuf>,
    look: LookNow,
    /// Asks for new orders between runs, where they are fetched.
    watch: Option<SourceWatch>,
    /// The revision of the last run, where they are fetched.
    revision: Option<String>,
}

impl OrdersFollower {
    pub(super) fn new(named: Option<&Path>, look: LookNow) -> Self {
        Self {
            named: named.map(Path::to_owned),
            look,
            watch: None,
            revision: None,
        }
    }

    /// That somebody names the orders at all.
    pub(super) fn check(&self, app: &App) -> Result<(), StartError> {
        app.known_orders(self.named.as_deref()).map(drop)
    }

    /// Asks for new orders from now on, as this configuration says.
    pub(super) fn watch(&mut self, app: &App) {
        self.watch = SourceWatch::start(app.git(self.named.as_deref()), &self.look);
    }

    /// Fetches the orders for a run, if they are to be fetched, and says what came of it.
    /// Whoever asks for a run by name wants to see what is there now. Without the lock of
    /// the run, or when it is to stop, nobody is asked.
    pub(super) async fn fetch(
        &mut self,
        app: &App,
        trigger: Trigger,
        is_locked: bool,
        stop: &CancellationToken,
    ) -> Result<OrdersAt, StartError> {
        let named = self.named.as_deref();
        let freshness = match trigger {
            Trigger::Manual => Freshness::Now,
            _ => Freshness::Interval,
        };
        if is_locked {
            tokio::select! {
                orders = app.fetch_orders(named, freshness) => {
                    let orders = orders?;
                    self.tell(orders.source());
                    return Ok(orders);
                }
                () = stop.cancelled() => {}
            }
        }
        app.known_orders(named)
    }

    /// Says what was fetched, and what was not.
    fn tell(&mut self, source: Option<&SourceLine>) {
        let Some(line) = source else { return };
        let revision = line.revision.as_deref();
        let reason = line.message.as_deref().unwrap_or_default();
        match line.state {
            SourceState::Rejected => {
                tracing::warn!(
                    revision,
                    reason,
                    "the newest revision of the orders is refused"
                );
            }
            SourceState::Unavailable => {
                tracing::warn!(revision, reason, "cannot look for new orders");
            }
            SourceState::Ok if self.revision != line.revision => {
                let text = |text: &Option<String>| {
                    let text = text.as_deref().unwrap_or_default();
                    visible(text).into_owned()
                };
                let (author, subject) = (text(&line.author), text(&line.subject));
                tracing::info!(revision, author, subject, "orders fetched");
            }
            SourceState::Ok => {}
        }
        self.revision.clone_from(&line.revision);
    }

    /// The orders, for the log.
    pub(super) fn name(&self, app: &App) -> String {
        let named = self.named.as_deref();
        match app.git(named) {
            Some(git) => format!("{} ({})", git.source().url, git.source().reference),
            None => {
                let known = app.known_orders(named);
                known.map_or_else(|_| String::new(), |at| visible_path(at.shown()))
            }
        }
    }

    /// What of the file system is watched: nothing where the orders are fetched.
    pub(super) fn local(&self, app: &App) -> Option<PathBuf> {
        let known = app.known_orders(self.named.as_deref()).ok()?;
        known.local().map(Path::to_owned)
    }
}
