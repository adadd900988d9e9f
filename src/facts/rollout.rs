//! How far images have gone through the rings of their orders, and what operators said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Release, RingName};

/// What is remembered of a release of an order. Losing it costs time: rings soak again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutMemory {
    /// The rings, by name.
    pub rings: BTreeMap<RingName, RingMemory>,
    /// The nodes that no ring covers may have it.
    pub is_rest_open: bool,
}

/// What is remembered of a ring of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RingMemory {
    /// Since when this controller's part of it has been in sync without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sync_since: Option<Timestamp>,
    /// It has begun: what is repaired in it later waits for no other ring.
    pub is_open: bool,
}

/// What operators said of the rollouts of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RolloutInstruction {
    /// No further ring begins.
    pub is_paused: bool,
    /// Nothing more of these releases is delivered.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub stopped: BTreeSet<Release>,
    /// These rings begin at once, for these releases: with `None`, all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub promoted: BTreeMap<Release, Promotion>,
}

/// How far a release is promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Promotion {
    /// To every ring.
    Everywhere,
    /// To this ring and those before it.
    UpTo(RingName),
}
