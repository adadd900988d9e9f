//! Says of which nodes it is not known whether there are any: a typo in an order for other
//! sites is not accepted in silence.

use crate::model::UnknownNode;
use crate::plan::node_doubt::NodeDoubt;
use crate::plan::stage::{PlanDraft, StageInput};
use crate::plan::step::Notice;

/// So many nodes are told that are unknown here.
const UNKNOWN_MAX: usize = 5;

/// Adds what is to be said of nodes that only clusters of other sites can know.
pub(in crate::plan) fn unknown_nodes(input: &StageInput<'_>, draft: &mut PlanDraft) {
    let fleet = input.observed.fleet.as_ref();
    let unknown = input.desired.unknown_nodes.iter();
    let mut doubts: Vec<NodeDoubt<'_>> = unknown
        .filter_map(|unknown| NodeDoubt::of(unknown, fleet))
        .collect();
    // Of a name that is not reported yet nobody has to be alerted.
    doubts.sort_by_key(|doubt| !doubt.is_denied);
    for doubt in doubts.iter().take(UNKNOWN_MAX) {
        let UnknownNode {
            node,
            source,
            clusters,
        } = doubt.unknown;
        let hint = doubt.hint().map(|hint| format!("; hint: {hint}"));
        draft
            .plan
            .notices
            .extend(clusters.keys().next().map(|cluster| Notice {
                cluster: cluster.clone(),
                topic: format!("unknown-node/{node}"),
                is_retried: !doubt.is_denied,
                is_only_shown: !doubt.is_denied,
                text: format!(
                    "node {node} ({}:{}) is unknown here; {doubt}{}",
                    source.file,
                    source.line,
                    hint.unwrap_or_default()
                ),
            }));
    }
    let more = doubts.get(UNKNOWN_MAX..).unwrap_or_default();
    let first = more
        .first()
        .and_then(|doubt| doubt.unknown.clusters.keys().next());
    draft.plan.notices.extend(first.map(|cluster| Notice {
        cluster: cluster.clone(),
        topic: "unknown-nodes".to_owned(),
        is_retried: true,
        is_only_shown: true,
        text: format!(
            "{} more nodes are unknown here; `talos-order validate --online` lists them",
            more.len()
        ),
    }));
}
