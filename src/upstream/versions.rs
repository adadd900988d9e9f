//! Who knows the versions: the factory's list, or GitHub's tags, page by page.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ETAG, HeaderMap, IF_NONE_MATCH, LINK};
use serde_json::Value;
use url::Url;

use super::client::{HttpClient, UpstreamRequest, UpstreamResponse};
use super::endpoint::Endpoint;
use super::memory::{ListMemory, ListPage, Listing, Remembered};
use super::retry::{self, Attempts};
use super::{UpstreamError, text};
use crate::model::ListSource;
use crate::model::TalosVersion;

/// How long a page of a list may take; a list is a few kilobytes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a source may take for all of its pages, with what is tried again.
pub(super) const TOTAL: Duration = Duration::from_secs(60);
/// Bytes of a page that are read.
const PAGE_BYTES: usize = 4 << 20;
/// Pages that are followed: at 100 tags each, ten times what there is.
const PAGES: usize = 60;
/// Lists are asked for at the start of every run and there are other sources,
/// so fewer retries than for an image do.
const RETRIES: u32 = 2;
/// The longest time that a source is left alone without asking again. GitHub's
/// limits last an hour; a wrong clock must not make it forever.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(1);

/// A request to one source of versions, with what is remembered of it.
#[derive(Debug)]
pub(super) struct VersionQuery<'a> {
    pub kind: ListSource,
    pub client: &'a HttpClient,
    pub endpoint: &'a Endpoint,
    pub memory: &'a ListMemory,
    /// How many retries are allowed at most, and the wait before the first.
    pub retries: (u32, Duration),
    /// How long all of it may take.
    pub total: Duration,
}

impl VersionQuery<'_> {
    /// Asks the source; remembers what it said.
    pub(super) async fn run(&self) -> Result<Listing, UpstreamError> {
        let remembered = self.memory.recall();
        let now = Timestamp::now();
        if let Some(rest) = remembered.not_before.map(|until| until.duration_since(now))
            && rest.is_positive()
            && rest <= LONGEST_REST
        {
            return Err(UpstreamError::RateLimited {
                url: text::public(&self.endpoint.base),
                retry_after: Some(rest.unsigned_abs()),
            });
        }
        let pages = self.pages(remembered.listing.as_ref());
        let asked = match tokio::time::timeout(self.total, pages).await {
            Ok(asked) => asked,
            Err(_) => Err(UpstreamError::Timeout {
                url: text::public(&self.endpoint.base),
                waiting_for: "waiting for the whole list of versions",
                after: self.total,
            }),
        };
        match asked {
            Ok(listing) => {
                self.memory.keep(Remembered {
                    listing: Some(listing.clone()),
                    not_before: None,
                    ..remembered
                });
                Ok(listing)
            }
            Err(error) => {
                if error.is_rate_limit()
                    && let Some(rest) = error.retry_after()
                {
                    let rest = SignedDuration::try_from(rest).unwrap_or(LONGEST_REST);
                    let until = now.checked_add(rest.min(LONGEST_REST)).ok();
                    self.memory.keep(Remembered {
                        not_before: until,
                        ..remembered
                    });
                }
                Err(error)
            }
        }
    }

    async fn pages(&self, known: Option<&Listing>) -> Result<Listing, UpstreamError> {
        let mut pages: Vec<ListPage> = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(self.first()?);
        while let Some(url) = next {
            // A server that goes round in circles has shown all it has.
            if !seen.insert(url.clone()) {
                break;
            }
            if pages.len() == PAGES {
                return Err(UpstreamError::Answer {
                    url: text::public(&url),
                    reason: format!("more than {PAGES} pages of versions"),
                });
            }
            let known = known.and_then(|known| known.pages.iter().find(|page| page.url == url));
            let page = self.page(url, known).await?;
            next = page.next.clone();
            pages.push(page);
        }
        let listing = Listing {
            fetched_at: Timestamp::now(),
            pages,
        };
        if listing.versions().is_empty() {
            // An empty list would read as "nothing was ever released".
            return Err(UpstreamError::Answer {
                url: text::public(&self.first()?),
                reason: "a list without a single Talos version".into(),
            });
        }
        Ok(listing)
    }

    fn first(&self) -> Result<Url, UpstreamError> {
        let path = match self.kind {
            ListSource::Factory => "versions",
            ListSource::Github => "repos/siderolabs/talos/tags?per_page=100",
        };
        let base = &self.endpoint.base;
        base.join(path).map_err(|_| UpstreamError::Url {
            url: text::public(base),
        })
    }

    /// One page, or the known one if it did not change. Every page is asked for
    /// by itself: the order of tags is not defined, so an unchanged first page
    /// says nothing about the others.
    async fn page(&self, url: Url, known: Option<&ListPage>) -> Result<ListPage, UpstreamError> {
        let (limit, first) = self.retries;
        let mut attempts = Attempts::new(limit.min(RETRIES), first);
        loop {
            match self.page_once(&url, known).await {
                Ok(page) => return Ok(page),
                Err(error) => tokio::time::sleep(attempts.after(error)?).await,
            }
        }
    }

    async fn page_once(
        &self,
        url: &Url,
        known: Option<&ListPage>,
    ) -> Result<ListPage, UpstreamError> {
        let mut request = UpstreamRequest::get(self.endpoint, url.clone(), PATIENCE);
        request.header(ACCEPT, "application/json");
        if let Some(etag) = known.and_then(|page| page.etag.as_deref()) {
            request.header(IF_NONE_MATCH, etag);
        }
        let response = self.client.send(&request).await?;
        if response.status() == StatusCode::NOT_MODIFIED
            && let Some(known) = known
        {
            return Ok(known.clone());
        }
        if let Some(limited) = self.limited(&response) {
            return Err(limited);
        }
        if response.status() != StatusCode::OK {
            return Err(self.client.refusal(&request, response).await);
        }
        let etag = response.header(ETAG).map(str::to_owned);
        let next = next_page(response.inner.headers(), url);
        let from = response.from.clone();
        let body = response.text(PAGE_BYTES, PATIENCE).await?;
        let versions = versions_in(self.kind, &body)
            .map_err(|reason| UpstreamError::Answer { url: from, reason })?;
        Ok(ListPage {
            url: url.clone(),
            etag,
            next,
            versions,
        })
    }

    /// GitHub's way of saying "not now", with two statuses and three headers.
    fn limited(&self, response: &UpstreamResponse) -> Option<UpstreamError> {
        if self.kind != ListSource::Github || !matches!(response.status().as_u16(), 403 | 429) {
            return None;
        }
        let number = |name: &str| {
            let value = response.inner.headers().get(name)?;
            value.to_str().ok()?.trim().parse::<u64>().ok()
        };
        let now = SystemTime::now();
        let wish = retry::retry_after(response.inner.headers(), now);
        let used_up = number("x-ratelimit-remaining") == Some(0);
        if !used_up && wish.is_none() && response.status() != StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        let reset = number("x-ratelimit-reset")
            .filter(|_| used_up)
            .map(|reset| {
                let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                Duration::from_secs(reset).saturating_sub(since_1970)
            });
        Some(UpstreamError::RateLimited {
            url: response.from.clone(),
            retry_after: wish.max(reset),
        })
    }
}

/// The versions on a page of a list.
///
/// Entries that are none are left out: most of GitHub's tags are of a Go module, and one
/// odd entry must not hide all others.
///
/// # Errors
/// If it is no list; says what it is instead.
pub(super) fn versions_in(kind: ListSource, body: &str) -> Result<BTreeSet<TalosVersion>, String> {
    let list: Value = serde_json::from_str(body)
        .map_err(|error| format!("something that is not JSON ({error})"))?;
    let Value::Array(entries) = list else {
        return Err("JSON that is not a list".to_owned());
    };
    let versions = entries.iter().filter_map(|entry| {
        let name = match kind {
            ListSource::Factory => entry.as_str()?,
            ListSource::Github => entry.get("name")?.as_str()?,
        };
        name.parse().ok().filter(|_| name.starts_with('v'))
    });
    Ok(versions.collect())
}

/// The page after this one, from `Link: <…>; rel="next"`; only of the same
/// origin, because the token goes along.
pub(super) fn next_page(headers: &HeaderMap, from: &Url) -> Option<Url> {
    headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|link| {
            let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            let is_next = parameters.split(';').any(|parameter| {
                parameter
                    .trim()
                    .strip_prefix("rel=")
                    .is_some_and(|rel| rel.trim_matches('"').eq_ignore_ascii_case("next"))
            });
            is_next.then(|| from.join(target).ok())?
        })
        .filter(|next| next.origin() == from.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &str) -> Option<String> {
        let from = Url::parse("https://api.example.org/repos/x/tags?page=1").unwrap();
        let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
        next_page(&headers, &from).map(String::from)
    }

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let page = "https://api.example.org/repositories/1/tags?page=2";
        assert_eq!(
            next(&format!(
                "<{page}>; rel=\"next\", <https://x.example/>; rel=\"last\""
            ))
            .as_deref(),
            Some(page)
        );
        assert_eq!(
            next(&format!(
                "<https://x.example/>; rel=\"last\", <{page}>; foo=\"a\"; rel=next"
            ))
            .as_deref(),
            Some(page)
        );
        assert_eq!(
            next("</repos/x/tags?page=2>; rel=\"next\"").as_deref(),
            Some("https://api.example.org/repos/x/tags?page=2")
        );
    }

    #[test]
    fn a_next_page_elsewhere_is_not_followed() {
        assert_eq!(
            next("<https://evil.example/tags?page=2>; rel=\"next\""),
            None
        );
        assert_eq!(next("<http://api.example.org/tags>; rel=\"next\""), None);
        assert_eq!(next("<https://api.example.org/tags>; rel=\"prev\""), None);
        assert_eq!(next("nonsense"), None);
    }
}
