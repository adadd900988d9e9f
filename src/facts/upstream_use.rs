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
    /// How the store was used; `None` where nothing was asked of one.
    pub store: Option<StoreUse>,
    /// Requests to the store of a fleet, with those that were repeated, by what they were
    /// for; empty without a store.
    pub store_requests: BTreeMap<StorePurpose, u64>,
}

/// What the store of a fleet is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorePurpose {
    /// Images, their index and claims.
    Images,
    /// Who leads the sites.
    Leaders,
    /// What sites say of themselves, and what operators say of rollouts.
    Sites,
}

impl StorePurpose {
    /// The value of the label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Leaders => "leaders",
            Self::Sites => "sites",
        }
    }
}

/// How the store of a fleet was used for images, by this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreUse {
    /// Images that came from it.
    pub used: u64,
    /// Bytes that were read of images.
    pub read_bytes: u64,
    /// Images that were shared.
    pub shared: u64,
    /// Bytes that were written of images.
    pub written_bytes: u64,
    /// Downloads of other controllers that were waited for.
    pub waited: u64,
    /// Images that were wrong or could not be read.
    pub refused: u64,
    /// How often it could not be asked, or did not take an image.
    pub failed: u64,
    /// Images that were removed because no site wanted them.
    pub collected_images: u64,
    /// Blobs that were removed because no image has them any more.
    pub collected_blobs: u64,
    /// The bytes of those.
    pub collected_bytes: u64,
    /// Claims of controllers that are gone.
    pub collected_claims: u64,
    /// What was in it when unwanted images were last looked for.
    pub stock: Option<StoredStock>,
}

/// What is in the store of a fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredStock {
    /// Images in the index.
    pub images: u64,
    /// Files of bytes; several images may have the same.
    pub blobs: u64,
    /// The bytes of those.
    pub bytes: u64,
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
