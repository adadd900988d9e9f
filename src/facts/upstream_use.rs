//! How much the upstreams were asked, and how much more they allow.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Requests by host, then by the code of the answer: three digits, or a word where none
/// came.
pub type RequestCounts = BTreeMap<String, BTreeMap<String, u64>>;

/// How much the upstreams were asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamUse {
    /// Every request that was sent, those that followed a redirect included.
    pub requests: RequestCounts,
    /// What hosts with a rate limit said last, by host.
    pub limits: BTreeMap<String, RateLimit>,
}

/// What a host said of its rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that it still allows.
    pub remaining: u64,
    /// When it allows all of them again.
    pub reset: Option<Timestamp>,
}

impl UpstreamUse {
    /// Goes on from numbers that were kept: none of them falls.
    pub fn raise(&mut self, kept: &RequestCounts) {
        for (host, codes) in kept {
            let own = self.requests.entry(host.clone()).or_default();
            for (code, &count) in codes {
                let own = own.entry(code.clone()).or_default();
                *own = count.max(*own);
            }
        }
    }
}
