//! The images that are wanted in the cache for nodes that a run is not for.

use super::desired::{Desired, ElsewhereImages};
use super::resolve::{Naming, resolve};
use crate::facts::Catalog;
use crate::model::OrderSet;

/// Those of some orders, which are for the cache only.
pub fn images_elsewhere(orders: &OrderSet, catalog: &Catalog, naming: &Naming) -> ElsewhereImages {
    let Desired {
        artifacts,
        positions,
        ..
    } = resolve(orders, catalog, naming);
    let mut positions = positions.iter();
    let unresolved = positions.find(|want| want.outcome.is_err());
    ElsewhereImages {
        files: artifacts
            .into_iter()
            .map(|(artifact, want)| (artifact, want.file))
            .collect(),
        doubt: unresolved.map(|want| format!("{} could not be resolved", want.position)),
    }
}
