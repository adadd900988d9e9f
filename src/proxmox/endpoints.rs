//! The nodes that can be asked, and which of them first.
//!
//! The one that answered last is asked first. One that failed is asked last for a
//! while: with a node down, a call should not wait for it every time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::{Host, Url};

use super::error::PveError;

/// Checks that every endpoint can be asked without showing the token to the network.
pub(super) fn check(endpoints: &[Url]) -> Result<(), PveError> {
    if endpoints.is_empty() {
        return Err(PveError::NoEndpoint);
    }
    for url in endpoints {
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let reason = match url.scheme() {
            "https" if url.has_host() => continue,
            "http" if is_here => continue,
            "http" => "plain HTTP would show the token to the network",
            _ => "accepted is https://HOST:8006",
        };
        return Err(PveError::Endpoint {
            url: shown(url),
            reason,
        });
    }
    Ok(())
}

/// An endpoint as messages name it: without anything secret.
pub(super) fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The order in which endpoints are asked.
#[derive(Debug)]
pub(super) struct Preference {
    state: Mutex<PreferenceState>,
    set_aside: Duration,
}

#[derive(Debug)]
struct PreferenceState {
    first: usize,
    failed: Vec<Option<Instant>>,
}

impl Preference {
    pub(super) fn new(count: usize, set_aside: Duration) -> Self {
        Self {
            state: Mutex::new(PreferenceState {
                first: 0,
                failed: vec![None; count],
            }),
            set_aside,
        }
    }

    /// Whom to ask, in this order.
    pub(super) fn order(&self) -> Vec<usize> {
        let state = self.lock();
        let mut order: Vec<usize> = (0..state.failed.len()).collect();
        order.sort_by_key(|&index| {
            let failed = state.failed[index].filter(|at| at.elapsed() < self.set_aside);
            (failed, index != state.first, index)
        });
        order
    }

    pub(super) fn answered(&self, index: usize) {
        let mut state = self.lock();
        state.first = index;
        state.failed[index] = None;
    }

    pub(super) fn failed(&self, index: usize) {
        self.lock().failed[index] = Some(Instant::now());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, PreferenceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_answered_is_first_and_who_failed_is_last_for_a_while() {
        let preference = Preference::new(3, Duration::from_secs(60));
        assert_eq!(preference.order(), [0, 1, 2]);
        preference.failed(0);
        preference.answered(2);
        assert_eq!(preference.order(), [2, 1, 0]);
        tokio::time::advance(Duration::from_secs(1)).await;
        preference.failed(2);
        assert_eq!(preference.order(), [1, 0, 2]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(preference.order(), [2, 0, 1]);
    }

    #[test]
    fn a_token_is_not_shown_to_the_network() {
        let check = |url: &str| check(&[Url::parse(url).unwrap()]);
        assert!(check("https://pve-01.lan:8006").is_ok());
        assert!(check("http://127.0.0.1:8006").is_ok());
        for bad in [
            "http://pve-01.lan:8006",
            "http://192.0.2.1/",
            "ftp://pve-01/",
        ] {
            let error = check(bad).unwrap_err();
            assert!(matches!(error, PveError::Endpoint { .. }), "{error}");
        }
    }
}
