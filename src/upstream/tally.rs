//! How much was asked, and what hosts say of their rate limits.
//!
//! A value that is handed down, not a global one: a reload keeps it, and each test has its
//! own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use reqwest::Response;
use reqwest::header::HeaderMap;
use tokio::time::error::Elapsed;
use url::Url;

use crate::facts::{RateLimit, RequestCounts, StorePurpose, StoreUse, UpstreamUse};

/// So many hosts have a name of their own. A redirect may lead anywhere, and numbers by
/// host must not grow without end.
const HOSTS_MAX: usize = 32;

/// So many codes of a host have a number of their own.
const CODES_MAX: usize = 32;

/// What stands for every host, or code, beyond those.
const OTHER: &str = "other";

/// Counts requests, from any task.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestTally(Arc<Mutex<Tallied>>);

#[derive(Debug, Default)]
struct Tallied {
    of_upstreams: UpstreamUse,
    /// The connections to the store count in them.
    of_store: BTreeMap<StorePurpose, Arc<AtomicU64>>,
}

impl RequestTally {
    /// What was counted until now.
    pub(crate) fn read(&self) -> UpstreamUse {
        let counted = self.lock();
        let of_store = counted.of_store.iter();
        let of_store = of_store.map(|(purpose, count)| (*purpose, count.load(Ordering::Relaxed)));
        UpstreamUse {
            store_requests: of_store.collect(),
            ..counted.of_upstreams.clone()
        }
    }

    /// Goes on from numbers that were kept; no number falls.
    pub(crate) fn raise(&self, kept: &RequestCounts) {
        self.lock().of_upstreams.raise(kept);
    }

    /// Counts what the store of a fleet was used for.
    pub(crate) fn count_store(&self, count: impl FnOnce(&mut StoreUse)) {
        count(self.lock().of_upstreams.store.get_or_insert_default());
    }

    /// Where requests to the store are counted; connections that follow each other count on.
    pub(crate) fn store_requests(&self, purpose: StorePurpose) -> Arc<AtomicU64> {
        Arc::clone(self.lock().of_store.entry(purpose).or_default())
    }

    /// Counts a request by what came of it.
    pub(super) fn count(&self, url: &Url, sent: &Result<reqwest::Result<Response>, Elapsed>) {
        match sent {
            Ok(Ok(response)) => self.answered(url, response.status().as_u16(), response.headers()),
            Ok(Err(_)) => drop(self.add(url, "error")),
            Err(_) => drop(self.add(url, "timeout")),
        }
    }

    fn answered(&self, url: &Url, status: u16, headers: &HeaderMap) {
        let host = self.add(url, &status.to_string());
        let number = |name: &str| {
            let value = headers.get(name)?.to_str().ok()?;
            value.trim().parse::<u64>().ok()
        };
        let Some(remaining) = number("x-ratelimit-remaining") else {
            return;
        };
        let reset = number("x-ratelimit-reset")
            .and_then(|reset| Timestamp::from_second(reset.try_into().ok()?).ok());
        if host != OTHER {
            let limit = RateLimit { remaining, reset };
            self.lock().of_upstreams.limits.insert(host, limit);
        }
    }

    /// Returns the name that the host is counted under.
    fn add(&self, url: &Url, code: &str) -> String {
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let mut counted = self.lock();
        let requests = &mut counted.of_upstreams.requests;
        let is_own = requests.contains_key(&host) || requests.len() < HOSTS_MAX;
        let host = if is_own { host } else { OTHER.to_owned() };
        let codes = requests.entry(host.clone()).or_default();
        let is_own = codes.contains_key(code) || codes.len() < CODES_MAX;
        let code = if is_own { code } else { OTHER };
        let count = codes.entry(code.to_owned()).or_default();
        *count = count.saturating_add(1);
        host
    }

    fn lock(&self) -> MutexGuard<'_, Tallied> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn answers_are_counted_by_host_and_code_and_limits_are_noted() {
        let tally = RequestTally::default();
        let github = url("https://user:secret@api.github.com/repos?page=2");
        let headers = [("x-ratelimit-remaining", "57"), ("x-ratelimit-reset", "99")];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        tally.answered(&github, 200, &HeaderMap::from_iter(headers));
        tally.answered(&github, 200, &HeaderMap::new());
        let odd = [(
            "x-ratelimit-remaining".parse().unwrap(),
            "-1".parse().unwrap(),
        )];
        tally.answered(
            &url("http://127.0.0.1:81/"),
            404,
            &HeaderMap::from_iter(odd),
        );
        tally.add(&github, "timeout");
        let read = tally.read();
        let expected = [
            ("127.0.0.1:81", vec![("404", 1)]),
            ("api.github.com", vec![("200", 2), ("timeout", 1)]),
        ];
        let found: Vec<_> = read.requests.iter().collect();
        assert_eq!(found.len(), expected.len());
        for ((host, codes), (wanted, counts)) in found.into_iter().zip(expected) {
            let codes: Vec<_> = codes.iter().map(|(code, &n)| (code.as_str(), n)).collect();
            assert_eq!((host.as_str(), codes), (wanted, counts));
        }
        let limit = RateLimit {
            remaining: 57,
            reset: Timestamp::from_second(99).ok(),
        };
        assert_eq!(read.limits, [("api.github.com".to_owned(), limit)].into());
    }

    #[test]
    fn hosts_and_codes_are_bounded() {
        let tally = RequestTally::default();
        for host in 0..200 {
            for code in 100..160 {
                let url = url(&format!("http://h{host}.example.net/"));
                tally.answered(&url, code, &HeaderMap::new());
            }
        }
        let requests = tally.read().requests;
        assert_eq!(requests.len(), HOSTS_MAX + 1);
        assert!(requests.values().all(|codes| codes.len() <= CODES_MAX + 1));
        let all: u64 = requests.values().flat_map(|codes| codes.values()).sum();
        assert_eq!(all, 200 * 60);
    }

    #[test]
    fn connections_to_the_store_that_follow_each_other_count_on() {
        let tally = RequestTally::default();
        assert!(tally.read().store_requests.is_empty());
        let first = tally.store_requests(StorePurpose::Leaders);
        first.fetch_add(2, Ordering::Relaxed);
        drop(first);
        let second = tally.clone().store_requests(StorePurpose::Leaders);
        second.fetch_add(3, Ordering::Relaxed);
        let read = tally.read().store_requests;
        assert_eq!(read, [(StorePurpose::Leaders, 5)].into());
    }

    #[test]
    fn kept_numbers_are_gone_on_from_and_none_falls() {
        let tally = RequestTally::default();
        let host = url("http://a/");
        let kept = |count| {
            let codes = [("200".to_owned(), count)].into();
            RequestCounts::from([("a".to_owned(), codes)])
        };
        tally.raise(&kept(7));
        tally.answered(&host, 200, &HeaderMap::new());
        tally.raise(&kept(3));
        assert_eq!(tally.read().requests, kept(8));
    }
}
