//! Getting every byte of an image into a sink, over connections that break.
//!
//! An attempt begins with what the sink holds. Where the server proved what that
//! is (a strong validator), the rest is asked for with `Range` and `If-Range`, and
//! the answer is believed only if it says that it is that rest. In every other
//! case the transfer starts over. The factory itself offers neither; the storage
//! it redirects to does.

use std::time::Duration;

use reqwest::header::{
    CONTENT_ENCODING, CONTENT_RANGE, DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Method, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use url::Url;

use super::client::{HttpClient, UpstreamRequest, UpstreamResponse};
use super::endpoint::Endpoint;
use super::range::{ContentRange, length};
use super::rate::Rate;
use super::retry::Attempts;
use super::{Transferred, UpstreamError};
use crate::io::flow::{Sink, Validator};

/// New bytes that count as progress. Less does not, or a server that breaks off
/// at once would be asked for ever.
const PROGRESS: u64 = 1 << 20;

/// A date is a strong validator only if the file could not have changed again
/// within its second (RFC 9110, 8.8.2.2); a minute leaves room for clocks.
const SETTLED: Duration = Duration::from_secs(60);

/// How long a length is waited for that the answer itself does not tell.
const LENGTH_PATIENCE: Duration = Duration::from_secs(20);

/// What a transfer is told about time.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransferLimits {
    pub first_byte: Duration,
    pub idle: Duration,
    /// Bytes per second; 0 for no limit.
    pub least_rate: u64,
    pub rate_window: Duration,
    pub retries: u32,
    pub backoff: Duration,
}

#[derive(Debug)]
pub(super) struct ImageDownload<'a> {
    pub client: &'a HttpClient,
    pub endpoint: &'a Endpoint,
    pub url: Url,
    pub limits: TransferLimits,
    /// Held from the request until its first byte, while the factory may be building.
    pub builds: &'a Semaphore,
}

/// What the server sends now, as far as its head says.
struct Coming {
    /// The position of its first byte in the file.
    from: u64,
    total: Option<u64>,
    validator: Option<Validator>,
    etag: Option<String>,
}

impl ImageDownload<'_> {
    /// Runs until every byte is in the sink, or until it makes no sense any more.
    pub(super) async fn run<S: Sink>(&self, sink: &mut S) -> Result<Transferred, UpstreamError> {
        let mut attempts = Attempts::new(self.limits.retries, self.limits.backoff);
        let mut wire_bytes = 0;
        let (mut furthest, _) = sink.position();
        loop {
            let error = match self.attempt(sink, &mut wire_bytes).await {
                Ok(etag) => {
                    return Ok(Transferred {
                        wire_bytes,
                        etag,
                        retries: attempts.retries(),
                    });
                }
                Err(error) => error,
            };
            let (position, _) = sink.position();
            // A source that stays below the least rate does not earn more attempts by
            // what trickles in: it would hold its place among the downloads for ever.
            let slow = matches!(error, UpstreamError::Slow { .. });
            if position >= furthest.saturating_add(PROGRESS) && !slow {
                furthest = position;
                attempts.progressed();
            }
            let reason = error.one_line();
            let wait = attempts.after(error)?;
            tracing::warn!(
                reason,
                at_byte = position,
                retry = attempts.retries(),
                wait_ms = wait.as_millis() as u64,
                "transfer interrupted, resuming"
            );
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt<S: Sink>(
        &self,
        sink: &mut S,
        wire_bytes: &mut u64,
    ) -> Result<Option<String>, UpstreamError> {
        let mut held = self.held(sink).await?;
        loop {
            if let Some((have, validator)) = &held
                && validator.total == Some(*have)
            {
                // An earlier run got everything and was stopped before it could
                // say so. Asking for the nothing that is left is an error in HTTP.
                let etag = validator
                    .value
                    .starts_with('"')
                    .then(|| validator.value.clone());
                let validator = Some(validator.clone());
                self.put(sink.expect(Some(*have), validator).await)?;
                return Ok(etag);
            }
            let request = self.request(held.as_ref());
            let building = building(self.builds).await;
            let response = self.client.send(&request).await?;
            match response.status() {
                StatusCode::OK => {
                    // Looked at first: a sign-in page is no reason to throw away
                    // what is there.
                    let coming = self.whole(&response).await?;
                    if held.is_some() {
                        tracing::info!(
                            url = response.from,
                            "the server sends the whole file again, starting over"
                        );
                        self.put(sink.restart().await)?;
                    }
                    return self
                        .receive(response, coming, sink, wire_bytes, building)
                        .await;
                }
                StatusCode::PARTIAL_CONTENT => {
                    if let Some((have, validator)) = &held
                        && let Some(coming) = self.rest(&response, *have, validator)
                    {
                        self.acceptable(&response)?;
                        return self
                            .receive(response, coming, sink, wire_bytes, building)
                            .await;
                    }
                    if held.is_none() {
                        return Err(UpstreamError::Answer {
                            url: response.from,
                            reason: "a part of the file, though the whole was asked for".into(),
                        });
                    }
                }
                StatusCode::RANGE_NOT_SATISFIABLE if held.is_some() => {}
                _ => return Err(self.client.refusal(&request, response).await),
            }
            // Not the rest of what is held. Once without a range: now, not after
            // a wait, since nothing is wrong with the server.
            tracing::info!(
                url = response.from,
                "the transfer cannot be resumed, starting over"
            );
            self.put(sink.restart().await)?;
            held = None;
        }
    }

    /// What the sink holds and what it is part of, if that can be continued.
    async fn held<S: Sink>(&self, sink: &mut S) -> Result<Option<(u64, Validator)>, UpstreamError> {
        match sink.position() {
            (0, _) => Ok(None),
            (have, Some(validator))
                if is_usable(&validator.value)
                    && validator.total.is_none_or(|total| have <= total) =>
            {
                Ok(Some((have, validator)))
            }
            _ => {
                self.put(sink.restart().await)?;
                Ok(None)
            }
        }
    }

    fn request(&self, held: Option<&(u64, Validator)>) -> UpstreamRequest<'_> {
        let mut request =
            UpstreamRequest::get(self.endpoint, self.url.clone(), self.limits.first_byte);
        if let Some((have, validator)) = held {
            request.header(RANGE, &format!("bytes={have}-"));
            request.header(IF_RANGE, &validator.value);
        }
        request
    }

    /// The head of an answer with the whole file.
    async fn whole(&self, response: &UpstreamResponse) -> Result<Coming, UpstreamError> {
        self.acceptable(response)?;
        let total = match length(response)? {
            Some(total) => Some(total),
            None => self.told_length().await,
        };
        Ok(Coming {
            from: 0,
            total,
            validator: validator(response).map(|value| Validator { value, total }),
            etag: response.header(ETAG).map(str::to_owned),
        })
    }

    /// The length by HEAD, where the answer to GET has none: a body that ends early
    /// without one looks like one that is whole. The image is built by now, so asking
    /// costs the factory nothing. What cannot be told is not known, which is no error.
    async fn told_length(&self) -> Option<u64> {
        let request = UpstreamRequest {
            method: Method::HEAD,
            ..UpstreamRequest::get(self.endpoint, self.url.clone(), LENGTH_PATIENCE)
        };
        let response = self.client.demand(&request).await.ok()?;
        match response.header(CONTENT_ENCODING) {
            // The length of something else.
            Some(_) => None,
            None => length(&response).ok()?,
        }
    }

    /// The head of an answer with a part of the file: `None` unless it is the part
    /// that was asked for, of the file that it is to be added to.
    fn rest(&self, response: &UpstreamResponse, have: u64, known: &Validator) -> Option<Coming> {
        let range = ContentRange::parse(response.header(CONTENT_RANGE)?)?;
        let span = range.last - range.first + 1;
        let fits = range.first == have
            && known.total.is_none_or(|total| total == range.total)
            && length(response).is_ok_and(|sent| sent.is_none_or(|sent| sent == span));
        // A server need not repeat the tag. If it does, it has to be the same:
        // some answer 206 without having looked at If-Range.
        let same = match (response.header(ETAG), known.value.starts_with('"')) {
            (Some(etag), true) => etag == known.value,
            _ => true,
        };
        (fits && same).then(|| Coming {
            from: have,
            total: Some(range.total),
            validator: Some(Validator {
                value: known.value.clone(),
                total: Some(range.total),
            }),
            etag: response.header(ETAG).map(str::to_owned),
        })
    }

    /// Refuses what cannot be an image before its bytes reach the sink.
    fn acceptable(&self, response: &UpstreamResponse) -> Result<(), UpstreamError> {
        let coding = response.header(CONTENT_ENCODING).unwrap_or("identity");
        if !coding.trim().is_empty() && !coding.trim().eq_ignore_ascii_case("identity") {
            return Err(UpstreamError::Answer {
                url: response.from.clone(),
                reason: format!(
                    "content encoded as {coding:?}, though only the bytes themselves are accepted"
                ),
            });
        }
        Ok(())
    }

    async fn receive<S: Sink>(
        &self,
        mut response: UpstreamResponse,
        coming: Coming,
        sink: &mut S,
        wire_bytes: &mut u64,
        building: SemaphorePermit<'_>,
    ) -> Result<Option<String>, UpstreamError> {
        let mut building = Some(building);
        self.put(sink.expect(coming.total, coming.validator).await)?;
        let mut got = coming.from;
        // The first byte has the whole of its long time, also where the head
        // came at once.
        let idle = self.limits.idle;
        let mut until = response.deadline.max(Instant::now() + idle);
        let mut patience = self.limits.first_byte;
        let mut rate = Rate::new(self.limits.least_rate, self.limits.rate_window);
        loop {
            let asked = Instant::now();
            let Some(piece) = response.piece(until, patience).await? else {
                break;
            };
            match building.take() {
                // What the first byte took is not the rate of the transfer.
                Some(permit) => drop(permit),
                None => rate.took(asked.elapsed(), piece.len() as u64, &response.from)?,
            }
            *wire_bytes += piece.len() as u64;
            got += piece.len() as u64;
            if let Some(total) = coming.total
                && got > total
            {
                return Err(UpstreamError::Answer {
                    url: response.from,
                    reason: format!("more than the {total} bytes it announced"),
                });
            }
            self.put(sink.write(piece).await)?;
            // Counted from here: the time that the sink takes is not the server's.
            until = Instant::now() + idle;
            patience = idle;
        }
        match coming.total {
            Some(total) if got < total => Err(UpstreamError::Short {
                url: response.from,
                got,
                total,
            }),
            _ => Ok(coming.etag),
        }
    }

    fn put<T>(&self, result: std::io::Result<T>) -> Result<T, UpstreamError> {
        result.map_err(|source| UpstreamError::Sink {
            url: super::text::public(&self.url),
            source,
        })
    }
}

/// The strong validator of an answer: an entity tag, or a date that has settled.
fn validator(response: &UpstreamResponse) -> Option<String> {
    if let Some(etag) = response.header(ETAG) {
        // A weak tag says that two files mean the same, not that they are equal.
        return is_strong(etag).then(|| etag.to_owned());
    }
    let modified = response.header(LAST_MODIFIED)?;
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let age = date(response.header(DATE)?)?.duration_since(date(modified)?);
    age.is_ok_and(|age| age >= SETTLED)
        .then(|| modified.to_owned())
}

fn is_strong(etag: &str) -> bool {
    etag.len() >= 2 && etag.starts_with('"') && etag.ends_with('"')
}

/// True for what [`validator`] gives; what a sink kept on disk may be anything.
fn is_usable(value: &str) -> bool {
    is_strong(value) || httpdate::parse_http_date(value).is_ok()
}

/// Waits for a place among the images that the factory may have to build. The gate is
/// never closed.
pub(super) async fn building(builds: &Semaphore) -> SemaphorePermit<'_> {
    builds.acquire().await.expect("the gate is never closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_validators_are_used() {
        assert!(is_usable("\"abc\""));
        assert!(is_usable("Sun, 06 Nov 1994 08:49:37 GMT"));
        for weak in ["W/\"abc\"", "\"", "", "abc", "yesterday"] {
            assert!(!is_usable(weak), "{weak}");
        }
    }
}
