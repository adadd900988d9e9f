//! The numbers of what goes out to people and comes in from other programs.

use super::catalog;
use super::exposition::Exposition;
use super::scene::MetricsScene;

pub(super) fn add(to: &mut Exposition, scene: &MetricsScene<'_>) {
    for (provider, numbers) in scene.notifications {
        let provider = [provider.as_str()];
        to.set(&catalog::NOTIFIED, provider, numbers.delivered);
        to.set(&catalog::NOT_NOTIFIED, provider, numbers.failed);
        to.set(&catalog::NOTIFY_PENDING, provider, numbers.pending as u64);
        to.set_true(&catalog::NOTIFY_FAILING, provider, numbers.is_failing);
    }
    for (hook, calls) in scene.live.iter().flat_map(|live| &live.hooks) {
        let counts = [
            ("accepted", calls.accepted),
            ("refused", calls.refused),
            ("limited", calls.limited),
        ];
        for (result, count) in counts {
            to.set(&catalog::HOOK_CALLS, [hook, result], count);
        }
    }
}
