//! The numbers of the upstreams.

use super::catalog;
use super::exposition::Exposition;
use super::scene::MetricsScene;
use crate::facts::VersionKnowledge;

pub(super) fn add(to: &mut Exposition, scene: &MetricsScene<'_>) {
    for (host, codes) in &scene.upstream.requests {
        for (code, count) in codes {
            to.set(&catalog::REQUESTS, [host, code], *count);
        }
    }
    for (host, limit) in &scene.upstream.limits {
        to.set(&catalog::RATE_LEFT, [host], limit.remaining);
        if let Some(reset) = limit.reset {
            to.set_time(&catalog::RATE_RESET, [host], reset);
        }
    }
    let versions = scene.last.as_ref();
    let versions = versions.map(|last| &last.report.look.observed.catalog.versions);
    if let Some(VersionKnowledge::Known {
        source, fetched_at, ..
    }) = versions
    {
        to.set_time(&catalog::VERSIONS, [source.as_str()], *fetched_at);
    }
}
