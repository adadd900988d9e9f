//! The numbers of the upstreams.

use super::catalog;
use super::exposition::Exposition;
use super::scene::MetricsScene;
use crate::facts::{StoreUse, VersionKnowledge};

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
    if let Some(store) = scene.upstream.store {
        let StoreUse {
            used,
            read_bytes,
            shared,
            written_bytes,
            waited,
            refused,
            failed,
            collected_images,
            collected_blobs,
            collected_bytes,
            collected_claims,
            stock,
        } = store;
        for (result, count) in [
            ("used", used),
            ("shared", shared),
            ("waited", waited),
            ("refused", refused),
            ("failed", failed),
        ] {
            to.set(&catalog::STORE_IMAGES, [result], count);
        }
        to.set(&catalog::STORE_BYTES, ["read"], read_bytes);
        to.set(&catalog::STORE_BYTES, ["written"], written_bytes);
        for (kind, count) in [
            ("image", collected_images),
            ("blob", collected_blobs),
            ("claim", collected_claims),
        ] {
            to.set(&catalog::STORE_COLLECTED, [kind], count);
        }
        to.set(&catalog::STORE_COLLECTED_BYTES, [], collected_bytes);
        if let Some(stock) = stock {
            to.set(&catalog::STORE_OBJECTS, ["image"], stock.images);
            to.set(&catalog::STORE_OBJECTS, ["blob"], stock.blobs);
            to.set(&catalog::STORE_SIZE, [], stock.bytes);
        }
    }
    for (purpose, count) in &scene.upstream.store_requests {
        to.set(&catalog::STORE_REQUESTS, [purpose.as_str()], *count);
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
