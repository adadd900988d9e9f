//! The numbers of where the orders come from.

use super::catalog;
use super::exposition::Exposition;
use super::scene::MetricsScene;

pub(super) fn add(to: &mut Exposition, scene: &MetricsScene<'_>) {
    let source = scene.status.source.as_ref();
    if let Some(revision) = &scene.status.revision {
        let state = source.map_or("", |source| source.state.as_str());
        to.set(&catalog::SOURCE, [revision, state], 1);
    }
    // Of orders that somebody else puts there nothing more is known.
    let Some(source) = source else { return };
    if let Some(date) = source.date {
        to.set_time(&catalog::SOURCE_COMMIT, [], date);
    }
    let used = scene.source;
    if let Some(asked_at) = used.asked_at {
        to.set_time(&catalog::SOURCE_CHECK, [], asked_at);
    }
    if let Some(answered_at) = used.answered_at {
        to.set_time(&catalog::SOURCE_SUCCESS, [], answered_at);
    }
    to.set(&catalog::SOURCE_FAILURES, [], used.failures);
    to.set(&catalog::SOURCE_REJECTIONS, [], used.rejections);
}
