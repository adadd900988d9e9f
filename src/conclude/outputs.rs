//! What the runs produced, for the tools that come next: the images on nodes, and the
//! templates that are made from them.
//!
//! Made of manifests alone, so it says what the last runs saw. What has changed since
//! counts where it makes an answer wrong: an order that wants something else now, or
//! something that an operator has suspended.

mod changed;
mod form;
mod records;
mod rows;
#[cfg(test)]
mod tests;

pub use form::{
    ImageOutput, OutputImage, OutputPlace, Outputs, Readiness, TemplateOutput, UnknownOutput,
};
pub use records::{OrderManifest, OutputRecords};
use rows::OrderRows;

/// Everything that the manifests say, in the order of orders and positions.
pub fn assemble(records: &OutputRecords<'_>) -> Outputs {
    let mut outputs = Outputs::default();
    for order in records.orders {
        OrderRows::new(order, records, &mut outputs).add();
    }
    outputs
}
