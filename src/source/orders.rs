//! The orders of a repository: looked for, fetched, checked and published.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::command::Git;
use super::error::SourceError;
use super::failures::FetchFailures;
use super::history::{self, Before};
use super::home::{GoodRevision, SourceHome};
use super::remote::{self, RemoteReference};
use super::tally::SourceTally;
use super::{export, repository, signature, tree};
use crate::model::GitSource;

/// The longest pause after failures: a server that is back is noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Whether what was found may be kept for the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// What is fetched is gone afterwards; the source's directory is not touched.
    Nothing,
    /// A good revision becomes the last good one.
    Good,
}

/// Whether the remote is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// In any case.
    Now,
    /// Unless that was done within the interval, or failed and is to be tried later.
    Interval,
}

/// What there is to read, and why it is not the newest.
#[derive(Debug)]
pub(crate) struct SourceAnswer {
    /// The last good revision, and the directory or file with its orders.
    pub(crate) good: Option<(GoodRevision, PathBuf)>,
    /// Why the newest one is not known or not accepted.
    pub(crate) trouble: Option<Arc<SourceError>>,
    /// The commit or tag that is refused.
    pub(crate) refused: Option<String>,
    /// What is to be removed once the orders are read.
    pub(crate) temporary: Option<tempfile::TempDir>,
}

/// What the remote said last.
#[derive(Debug)]
struct RemoteSaid {
    at: Instant,
    said: Result<RemoteReference, Arc<SourceError>>,
    /// How many times in a row it failed.
    failures: u32,
}

/// The orders of a repository.
#[derive(Debug)]
pub(crate) struct GitOrders {
    source: GitSource,
    home: SourceHome,
    asked: Mutex<Option<RemoteSaid>>,
    /// What the remote had when a revision was last accepted or refused.
    considered: Mutex<Option<RemoteReference>>,
    failures: FetchFailures,
    tally: SourceTally,
}

impl GitOrders {
    /// The orders of a repository, kept in a directory that nobody else uses.
    pub(crate) fn new(source: GitSource, dir: PathBuf) -> Self {
        Self {
            source,
            home: SourceHome::new(dir),
            asked: Mutex::default(),
            considered: Mutex::default(),
            failures: FetchFailures::default(),
            tally: SourceTally::default(),
        }
    }

    /// Counts there from now on.
    pub(crate) fn count_in(&mut self, tally: SourceTally) {
        self.tally = tally;
    }

    /// The repository of our own, whether it is there or not.
    pub(crate) fn repository(&self) -> PathBuf {
        self.home.repository()
    }

    /// What is fetched, and how.
    pub(crate) fn source(&self) -> &GitSource {
        &self.source
    }

    /// Where the orders are, as messages name them: the same for each commit.
    pub(crate) fn shown(&self) -> PathBuf {
        self.source.path.below(&self.home.current())
    }

    /// How long until the remote is to be asked again.
    pub(super) fn pause(&self) -> Duration {
        let failures = lock(&self.asked).as_ref().map_or(0, |asked| asked.failures);
        let failures = failures.max(self.failures.count());
        let pause = self.source.interval * 2_u32.pow(failures.min(10));
        pause.min(LONGEST_PAUSE.max(self.source.interval))
    }

    /// Waits for so long, more or less: many controllers of one server do not ask at the
    /// same moment.
    pub(crate) async fn wait(&self) {
        let pause = self.pause().mul_f64(0.95 + 0.1 * fastrand::f64());
        tokio::time::sleep(pause).await;
    }

    /// Asks the remote, and says whether it has something that was not considered yet.
    ///
    /// # Errors
    /// Why the remote does not say.
    pub(crate) async fn poll(&self) -> Result<bool, Arc<SourceError>> {
        let found = self.ask(Freshness::Now).await?;
        self.failures.try_again();
        Ok(lock(&self.considered).as_ref() != Some(&found))
    }

    /// The last good revision, without asking anybody.
    pub(crate) fn known(&self) -> SourceAnswer {
        let good = self.good().filter(|(_, tree)| self.has_orders(tree));
        let trouble = match good {
            Some(_) => None,
            None => Some(Arc::new(SourceError::NeverFetched {
                url: self.source.url.to_string(),
            })),
        };
        self.answer(good.map(|(good, _)| good), trouble)
    }

    /// Looks for a newer revision, and takes it if it is good. The last good one stays
    /// otherwise; there may be none.
    pub(crate) async fn update(
        &self,
        writes: Writes,
        freshness: Freshness,
        now: Timestamp,
    ) -> SourceAnswer {
        let lock = match writes {
            Writes::Nothing => None,
            // Another process may be fetching; what it finds is what we are looking for.
            Writes::Good => match self.home.lock(self.source.timeout * 4).await {
                Ok(lock) => Some(lock),
                Err(error) => return self.failed(Arc::new(error)),
            },
        };
        let remote = match self.ask(freshness).await {
            Ok(remote) => remote,
            Err(error) => {
                // Once it answers again, a run says so.
                *self::lock(&self.considered) = None;
                return self.failed(error);
            }
        };
        let before = self.good();
        let is_newest = |good: &GoodRevision| {
            (&good.name, &good.object) == (&remote.name, &remote.object) && self.is_verified(good)
        };
        if let Some((good, tree)) = &before
            && is_newest(good)
            && self.has_orders(tree)
        {
            *self::lock(&self.considered) = Some(remote);
            self.failures.clear();
            let good = GoodRevision {
                checked_at: now,
                ..good.clone()
            };
            // A process may have been killed before the link.
            let kept = match writes {
                Writes::Nothing => Ok(()),
                Writes::Good => self.home.point_to(&good),
            };
            return self.answer(Some(good), kept.err().map(Arc::new));
        }
        if freshness == Freshness::Interval
            && let Some(error) = self.failures.recent(&remote, self.pause())
        {
            return self.failed(error);
        }
        let before = before.map(|(good, _)| good);
        let taken = match &lock {
            Some(_) => self.take(&remote, before.as_ref(), now).await,
            None => self.take_briefly(&remote, before.as_ref(), now).await,
        };
        match taken {
            Ok(answer) => {
                *self::lock(&self.considered) = Some(remote);
                self.failures.clear();
                answer
            }
            Err(error) => {
                self.tally.failed(&error);
                let is_rejection = error.is_rejection();
                let error = Arc::new(error);
                match is_rejection {
                    true => self.failures.clear(),
                    // What failed for another reason is tried again, later.
                    false => self.failures.add(remote.clone(), &error),
                }
                let refused = is_rejection.then_some(remote);
                self::lock(&self.considered).clone_from(&refused);
                SourceAnswer {
                    refused: refused.map(|remote| remote.object),
                    ..self.failed(error)
                }
            }
        }
    }

    /// Fetches into the source's directory.
    async fn take(
        &self,
        remote: &RemoteReference,
        before: Option<&GoodRevision>,
        now: Timestamp,
    ) -> Result<SourceAnswer, SourceError> {
        self.home.tidy(before);
        let git = Git::new(&self.source, &self.home.repository());
        let found = match self.consider(&git, remote, before, now).await {
            // Whatever is wrong with the repository, a new one has it not.
            Err(SourceError::Git { what, said }) if git.dir.exists() => {
                tracing::debug!(
                    reason = said,
                    "failed to {what}, beginning with a new repository"
                );
                self.home.drop_repository()?;
                self.consider(&git, remote, before, now).await
            }
            found => found,
        };
        let (good, content) = found?;
        let written = self.home.new_tree()?;
        export::write(written.path(), &self.source.path, &content)?;
        let had = self.home.tree(&good);
        if had.is_dir() && !self.has_orders(&had) {
            self.home.drop_tree(&good)?;
        }
        self.home.add_tree(&written, &good)?;
        self.home.retire(before);
        self.home.publish(&good)?;
        repository::keep_good(&git, &good.object).await?;
        self.home.tidy(Some(&good));
        Ok(self.answer(Some(good), None))
    }

    /// Fetches into a directory that is gone afterwards.
    async fn take_briefly(
        &self,
        remote: &RemoteReference,
        before: Option<&GoodRevision>,
        now: Timestamp,
    ) -> Result<SourceAnswer, SourceError> {
        let failed = |source| SourceError::Io {
            what: "write to",
            path: std::env::temp_dir(),
            source,
        };
        let made = tempfile::Builder::new()
            .prefix("talos-order-git-")
            .tempdir();
        let temporary = made.map_err(failed)?;
        let git = Git::new(&self.source, &temporary.path().join("repo"));
        let (good, content) = self.consider(&git, remote, before, now).await?;
        let tree = temporary.path().join("tree");
        std::fs::create_dir(&tree).map_err(failed)?;
        export::write(&tree, &self.source.path, &content)?;
        let orders = self.source.path.below(&tree);
        Ok(SourceAnswer {
            good: Some((good, orders)),
            trouble: None,
            refused: None,
            temporary: Some(temporary),
        })
    }

    /// Fetches what the remote has and checks everything about it. Nothing but the
    /// repository is changed.
    async fn consider(
        &self,
        git: &Git<'_>,
        remote: &RemoteReference,
        before: Option<&GoodRevision>,
        now: Timestamp,
    ) -> Result<(GoodRevision, tree::TreeContent), SourceError> {
        repository::make(git, &remote.object).await?;
        let last = before.filter(|_| !self.source.allow_rewind);
        let last = last.map(|good| Before {
            commit: &good.commit.commit,
            name: &good.name,
            object: &good.object,
        });
        let candidate = history::fetch(git, remote, last).await?;
        let signer = match &self.source.verify {
            Some(keys) => Some(signature::verify(git, keys, remote, &candidate).await?),
            None => None,
        };
        let commit = repository::describe(git, &candidate.commit).await?;
        let content = tree::read(git, &candidate.commit).await?;
        let good = GoodRevision::new(&self.source, &remote.name, candidate.object, commit, now);
        Ok((GoodRevision { signer, ..good }, content))
    }

    /// What the remote says, or said a while ago.
    async fn ask(&self, freshness: Freshness) -> Result<RemoteReference, Arc<SourceError>> {
        let pause = self.pause();
        if let Some(asked) = &*lock(&self.asked)
            && freshness == Freshness::Interval
            && asked.at.elapsed() < pause
        {
            return asked.said.clone();
        }
        // Nothing is there yet, and nothing has to be.
        let git = Git::new(&self.source, Path::new("/nonexistent"));
        let said = remote::look(&git).await;
        self.tally.asked(&said, Timestamp::now());
        let said = said.map_err(Arc::new);
        let mut asked = lock(&self.asked);
        let failures = asked.as_ref().map_or(0, |asked| asked.failures);
        *asked = Some(RemoteSaid {
            at: Instant::now(),
            failures: match &said {
                Ok(_) => 0,
                Err(_) => failures.saturating_add(1),
            },
            said: said.clone(),
        });
        said
    }

    /// The last good revision with its directory; whether that is there is another matter.
    fn good(&self) -> Option<(GoodRevision, PathBuf)> {
        let good = self.home.good(&self.source)?;
        let tree = self.home.tree(&good);
        Some((good, tree))
    }

    /// True unless somebody took the orders out of the directory of a commit, or all of it:
    /// without its path it says nothing about them.
    fn has_orders(&self, tree: &Path) -> bool {
        self.source.path.below(tree).exists()
    }

    /// A revision that was accepted without a signature is not good where one is asked for.
    fn is_verified(&self, good: &GoodRevision) -> bool {
        self.source.verify.is_none() || good.signer.is_some()
    }

    /// The last good revision, as far as there is one, and what went wrong.
    fn failed(&self, trouble: Arc<SourceError>) -> SourceAnswer {
        let good = self
            .good()
            .filter(|(good, tree)| self.is_verified(good) && self.has_orders(tree));
        self.answer(good.map(|(good, _)| good), Some(trouble))
    }

    fn answer(
        &self,
        good: Option<GoodRevision>,
        trouble: Option<Arc<SourceError>>,
    ) -> SourceAnswer {
        let with_path = |good: GoodRevision| {
            let orders = self.source.path.below(&self.home.tree(&good));
            (good, orders)
        };
        SourceAnswer {
            good: good.map(with_path),
            trouble,
            refused: None,
            temporary: None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
