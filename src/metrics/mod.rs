//! What the controller knows, as numbers for Prometheus.
//!
//! Pure: [`text`] makes the whole text of values. A page of the controller serves it, and
//! `--metrics-file` writes it. The names are an interface that `docs/metrics.md` describes.
//!
//! The numbers are made from the status on every request rather than counted on the way:
//! what is no longer there has no number, and no number can be forgotten.

mod cache;
mod catalog;
mod definition;
mod exposition;
mod fleet;
mod machine;
mod messages;
mod orders;
mod places;
mod rollouts;
mod runs;
mod scene;
mod sites;
mod source;
#[cfg(test)]
mod tests;
mod upstream;

use exposition::Exposition;
pub(crate) use scene::{HookNumbers, LastLook, LiveNumbers, MetricsScene, RunningNumbers};

/// The type of the text, for whoever fetches it.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything as text.
pub(crate) fn text(scene: &MetricsScene<'_>) -> String {
    let mut to = Exposition::default();
    to.set(&catalog::BUILD_INFO, [env!("CARGO_PKG_VERSION")], 1);
    runs::add(&mut to, scene);
    orders::add(&mut to, scene.status);
    rollouts::add(&mut to, scene.status);
    places::add(&mut to, scene);
    cache::add(&mut to, scene);
    upstream::add(&mut to, scene);
    source::add(&mut to, scene);
    messages::add(&mut to, scene);
    sites::add(&mut to, scene.status);
    if let Some(fleet) = scene.live.as_ref().and_then(|live| live.fleet.as_deref()) {
        fleet::add(&mut to, fleet);
    }
    machine::add(&mut to, scene.live.as_ref());
    to.text()
}
