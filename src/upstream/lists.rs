//! The lists of versions of all sources, and what serves while none answers.
//!
//! A run does not wait long for a list where an older one is at hand: the orders that
//! name their version have nothing to do with it. Who is asked goes on being asked in
//! the background, and what they say serves the next run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::client::HttpClient;
use super::endpoint::Endpoint;
use super::memory::ListMemory;
use super::versions::{TOTAL, VersionQuery};
use crate::facts::{VersionKnowledge, VersionSource};
use crate::model::ListSource;

/// How long a run waits for a list where an older one can serve.
const SHORT: Duration = Duration::from_secs(10);

/// The sources of versions.
#[derive(Debug)]
pub(super) struct Lists {
    sources: Arc<ListSources>,
    /// What is being asked at present.
    asking: Mutex<Option<JoinHandle<VersionKnowledge>>>,
    /// How long it is waited for where an older list can serve.
    pub(super) short: Duration,
}

/// Whom to ask, and how.
#[derive(Debug)]
pub(super) struct ListSources {
    pub client: Arc<HttpClient>,
    pub factory: Arc<Endpoint>,
    pub github: Arc<Endpoint>,
    pub sources: Vec<(ListSource, ListMemory)>,
    pub retries: (u32, Duration),
}

impl Lists {
    pub(super) fn new(sources: ListSources) -> Self {
        Self {
            sources: Arc::new(sources),
            asking: Mutex::default(),
            short: SHORT,
        }
    }

    /// The versions from the first source that answers, or the youngest list that one
    /// of them gave before.
    pub(super) async fn versions(&self) -> VersionKnowledge {
        let earlier = self.asking().take();
        let mut asking = match earlier {
            // Asked by an earlier run that did not wait for it; one question at a time
            // is enough. What an ended one got is remembered.
            Some(asking) if !asking.is_finished() => asking,
            _ => {
                let sources = Arc::clone(&self.sources);
                tokio::spawn(async move { sources.ask().await })
            }
        };
        // With nothing to fall back on, all that the sources themselves are given.
        let patience = match self.sources.remembered(Vec::new()) {
            VersionKnowledge::Unknown { .. } => TOTAL * 3,
            _ => self.short,
        };
        match tokio::time::timeout(patience, &mut asking).await {
            Ok(Ok(known)) => known,
            Ok(Err(_)) => self
                .sources
                .remembered(vec!["the request failed".to_owned()]),
            Err(_) => {
                *self.asking() = Some(asking);
                let seconds = patience.as_secs_f32();
                let why =
                    format!("no source has answered within {seconds} s; the next run asks again");
                self.sources.remembered(vec![why])
            }
        }
    }

    fn asking(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<VersionKnowledge>>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        if let Some(asking) = self.asking().take() {
            asking.abort();
        }
    }
}

impl ListSources {
    async fn ask(&self) -> VersionKnowledge {
        let mut failures = Vec::new();
        for (kind, memory) in &self.sources {
            let query = VersionQuery {
                kind: *kind,
                client: &self.client,
                endpoint: match kind {
                    ListSource::Factory => &self.factory,
                    ListSource::Github => &self.github,
                },
                memory,
                retries: self.retries,
                total: TOTAL,
            };
            match query.run().await {
                Ok(listing) => {
                    return VersionKnowledge::Known {
                        versions: listing.versions(),
                        source: named(*kind),
                        fetched_at: listing.fetched_at,
                        failures,
                    };
                }
                Err(error) => {
                    failures.push(format!("{}: {}", named(*kind).as_str(), error.one_line()));
                }
            }
        }
        self.remembered(failures)
    }

    /// The youngest list, whoever it is from: between an hour-old answer of the
    /// second source and a month-old one of the first, the second is right.
    fn remembered(&self, failures: Vec<String>) -> VersionKnowledge {
        let remembered = self.sources.iter().rev().filter_map(|(kind, memory)| {
            let listing = memory.recall().listing?;
            Some((*kind, listing))
        });
        match remembered.max_by_key(|(_, listing)| listing.fetched_at) {
            Some((kind, listing)) => VersionKnowledge::Known {
                versions: listing.versions(),
                source: named(kind),
                fetched_at: listing.fetched_at,
                failures,
            },
            None => VersionKnowledge::Unknown { failures },
        }
    }
}

fn named(source: ListSource) -> VersionSource {
    match source {
        ListSource::Factory => VersionSource::Factory,
        ListSource::Github => VersionSource::Github,
    }
}
