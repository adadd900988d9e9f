//! The JSON Schemas that are published: of the files that a user writes, and of what
//! `-o json` prints.
//!
//! Those of answers are made of the same types as the answers. They describe what this
//! version writes, so a key that is always there is required; a later version may add
//! others.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::apply::{ApplyAnswer, PlanAnswer};
use super::diff::DiffAnswer;
use super::forms::SchemaOf;
use super::inspect::{SchematicAnswer, VersionsAnswer};
use super::notify::ProviderLine;
use super::rollout::RolloutsAnswer;
use super::validate::ValidateAnswer;
use crate::conclude::manifest::Manifest;
use crate::conclude::objects::{ImageObject, NodeObject, OrderObject};
use crate::conclude::outputs::Outputs;
use crate::conclude::{EventRecord, FleetAnswer, RunRecord, StatusAnswer, WaitAnswer};
use crate::notifications::WebhookBody;
use crate::{config, orders};

/// The schema of a file or of an answer.
pub(super) fn schema(of: SchemaOf) -> Value {
    match of {
        SchemaOf::Config => config::json_schema(),
        SchemaOf::Orders => orders::json_schema(),
        SchemaOf::Apply => answer::<ApplyAnswer<'_>>("apply"),
        SchemaOf::Diff => answer::<DiffAnswer>("diff"),
        SchemaOf::Events => answer::<EventRecord>("events"),
        SchemaOf::GetImages => answer::<Vec<ImageObject>>("get images"),
        SchemaOf::GetNodes => answer::<Vec<NodeObject>>("get nodes"),
        SchemaOf::GetOrders => answer::<Vec<OrderObject>>("get orders"),
        SchemaOf::History => answer::<Vec<RunRecord>>("history"),
        SchemaOf::Manifest => answer::<Manifest>("manifest"),
        SchemaOf::Outputs => answer::<Outputs>("outputs"),
        SchemaOf::Notification => answer::<WebhookBody>("notification"),
        SchemaOf::NotifyList => answer::<Vec<ProviderLine>>("notify list"),
        SchemaOf::Plan => answer::<PlanAnswer<'_>>("plan"),
        SchemaOf::Rollout => answer::<RolloutsAnswer>("rollout"),
        SchemaOf::Schematic => answer::<SchematicAnswer>("schematic"),
        SchemaOf::Status => answer::<StatusAnswer<'_>>("status"),
        SchemaOf::StatusFleet => answer::<FleetAnswer>("status --fleet"),
        SchemaOf::Validate => answer::<ValidateAnswer<'_>>("validate"),
        SchemaOf::Versions => answer::<VersionsAnswer<'_>>("versions"),
        SchemaOf::Wait => answer::<WaitAnswer<'_>>("wait"),
    }
}

fn answer<T: JsonSchema>(name: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = generator.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), format!("talos-order {name}").into());
    schema.to_value()
}
