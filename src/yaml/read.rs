//! From a subtree to a plain serde struct, with every misfit reported.
//!
//! serde stops at the first error. So a subtree is read again with the node at
//! misfit masked (as if it were not written) until it fits; since every key of a
//! shape may be absent, it always does in the end. A null is as good as absent.

use serde::de::DeserializeOwned;

use super::decode::NodeDecoder;
use super::report::ProblemReport;
use super::tree::YamlNode;

/// The most misfits reported for one subtree; more would only be noise.
const MAX_MISFITS: usize = 20;

/// Reads a subtree into a shape. Whatever does not fit is reported and left at
/// its default.
pub(crate) fn read<T: DeserializeOwned + Default>(
    node: &YamlNode,
    report: &mut ProblemReport<'_>,
) -> T {
    let mut masked = report.refused().clone();
    for _ in 0..MAX_MISFITS {
        let decoder = NodeDecoder {
            node,
            masked: &masked,
        };
        match T::deserialize(decoder) {
            Ok(value) => return value,
            Err(misfit) => {
                let at = misfit.node.unwrap_or(node.id);
                report.push(misfit.into_problem(report.document(), node));
                if at == node.id || !masked.insert(at) {
                    break;
                }
            }
        }
    }
    T::default()
}
