//! Where the orders are, and reading them: a path of this machine, or what was fetched
//! from a git repository.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::{App, Mode, StartError, shown};
use crate::conclude::{SourceLine, SourceState};
use crate::config;
use crate::error::chain;
use crate::model::OrderSet;
use crate::source::{Freshness, GitOrders, SourceAnswer, SourceError, Writes};

/// Where the orders are for one run.
#[derive(Debug)]
pub(crate) struct OrdersAt {
    /// As messages and manifests name it.
    shown: PathBuf,
    /// Where they are read. A directory of a commit never changes.
    found: Result<PathBuf, Arc<SourceError>>,
    /// Where they come from, where they are fetched.
    source: Option<SourceLine>,
    /// What is removed once nobody reads it any more.
    _temporary: Option<tempfile::TempDir>,
}

impl OrdersAt {
    fn path(path: &Path) -> Self {
        Self {
            shown: path.to_owned(),
            found: Ok(path.to_owned()),
            source: None,
            _temporary: None,
        }
    }

    fn git(orders: &GitOrders, answer: SourceAnswer, now: Timestamp) -> Self {
        let line = line(orders, &answer, now);
        let found = match (answer.good, answer.trouble) {
            (Some((_, path)), _) => Ok(path),
            (None, Some(trouble)) => Err(trouble),
            (None, None) => Err(Arc::new(SourceError::NeverFetched {
                url: orders.source().url.to_string(),
            })),
        };
        Self {
            shown: orders.shown(),
            found,
            source: Some(line),
            _temporary: answer.temporary,
        }
    }

    /// As messages and manifests name it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// A path of this machine, unless they are fetched.
    pub(crate) fn local(&self) -> Option<&Path> {
        match (&self.source, &self.found) {
            (None, Ok(path)) => Some(path),
            _ => None,
        }
    }

    /// Where they come from, where they are fetched.
    pub(crate) fn source(&self) -> Option<&SourceLine> {
        self.source.as_ref()
    }
}

/// What is said of the source after it was asked.
fn line(orders: &GitOrders, answer: &SourceAnswer, now: Timestamp) -> SourceLine {
    let source = orders.source();
    let good = answer.good.as_ref().map(|(good, _)| good);
    let commit = good.map(|good| &good.commit);
    SourceLine {
        url: source.url.to_string(),
        reference: source.reference.to_string(),
        revision: good.map(|good| good.revision.clone()),
        commit: commit.map(|commit| commit.commit.clone()),
        author: commit.map(|commit| commit.author.clone()),
        date: commit.and_then(|commit| commit.date),
        subject: commit.map(|commit| commit.subject.clone()),
        signer: good.and_then(|good| good.signer.clone()),
        checked_at: Some(now),
        fetched_at: good.map(|good| good.fetched_at),
        state: match &answer.trouble {
            None => SourceState::Ok,
            Some(error) if error.is_rejection() => SourceState::Rejected,
            Some(_) => SourceState::Unavailable,
        },
        refused: answer.refused.clone(),
        message: answer.trouble.as_ref().map(|error| chain(&**error)),
        hint: answer.trouble.as_ref().and_then(|error| error.hint()),
    }
}

impl App {
    /// Fetches the orders, where they are in git; where they are, in any case. What the
    /// command line names wins. That there are none is found when they are read.
    ///
    /// # Errors
    /// When neither command line nor configuration name them.
    pub(crate) async fn fetch_orders(
        &self,
        named: Option<&Path>,
        freshness: Freshness,
    ) -> Result<OrdersAt, StartError> {
        let Some(git) = self.git(named) else {
            return self.orders_path(named).map(OrdersAt::path);
        };
        let writes = match self.mode {
            Mode::ReadOnly => Writes::Nothing,
            Mode::ReadWrite => Writes::Good,
        };
        let now = self.now();
        let answer = git.update(writes, freshness, now).await;
        Ok(OrdersAt::git(git, answer, now))
    }

    /// The same without asking anybody: what was fetched last.
    ///
    /// # Errors
    /// When neither command line nor configuration name them.
    pub(crate) fn known_orders(&self, named: Option<&Path>) -> Result<OrdersAt, StartError> {
        let Some(git) = self.git(named) else {
            return self.orders_path(named).map(OrdersAt::path);
        };
        let answer = git.known();
        let checked_at = answer.good.as_ref().map(|(good, _)| good.checked_at);
        let at = OrdersAt::git(git, answer, self.now());
        let source = at.source.map(|line| SourceLine { checked_at, ..line });
        Ok(OrdersAt { source, ..at })
    }

    /// The repository that the orders are fetched from.
    pub(crate) fn git(&self, named: Option<&Path>) -> Option<&Arc<GitOrders>> {
        self.source.as_ref().filter(|_| named.is_none())
    }

    /// The path of the orders: as named on the command line, else in the configuration.
    fn orders_path<'a>(&'a self, named: Option<&'a Path>) -> Result<&'a Path, StartError> {
        named
            .or(self.settings.orders_path.as_deref())
            .ok_or_else(|| match self.settings.source {
                Some(_) => StartError::NoOrders,
                None => StartError::Unconfigured {
                    usual: config::usual_file(),
                },
            })
    }

    /// Loads the orders; those that did not change since the last time are the same.
    ///
    /// # Errors
    /// When the path cannot be read at all, or nothing could be fetched. Problems inside
    /// are part of the answer.
    pub(crate) fn orders(&self, at: &OrdersAt) -> Result<Arc<OrderSet>, StartError> {
        let path = match &at.found {
            Ok(path) => path,
            Err(error) => return Err(StartError::Source(Arc::clone(error))),
        };
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(reader.load_as(path, &at.shown, &self.defaults())?)
    }

    /// The configuration file, if there is one, and the orders, by their whole paths.
    pub(crate) fn whole_paths(&self, orders: &OrdersAt) -> (Option<String>, String) {
        // Links stay as they are: they may lead elsewhere tomorrow.
        let whole = |path: &Path| {
            let whole = std::path::absolute(path);
            whole.map_or_else(|_| shown(path), |path| shown(&path))
        };
        (
            self.settings.source.as_deref().map(whole),
            whole(&orders.shown),
        )
    }
}
