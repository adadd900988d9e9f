//! The positions that want something, shared by everything that they want.
//!
//! A position on a hundred nodes is a hundred deliveries that name it, and a set of
//! one is mostly empty room: one set serves them all.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::model::PositionRef;

/// A set of positions that is cheap to hand on; read like a [`BTreeSet`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WantedBy(Option<Arc<BTreeSet<PositionRef>>>);

/// What nobody wants.
static NOBODY: BTreeSet<PositionRef> = BTreeSet::new();

impl WantedBy {
    /// Wanted by one position.
    pub fn one(position: PositionRef) -> Self {
        BTreeSet::from([position]).into()
    }

    /// True if both are the very same set in memory; others may be equal too.
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl Deref for WantedBy {
    type Target = BTreeSet<PositionRef>;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or(&NOBODY)
    }
}

impl From<BTreeSet<PositionRef>> for WantedBy {
    fn from(positions: BTreeSet<PositionRef>) -> Self {
        // Nobody has one form only, or equal values would differ.
        Self((!positions.is_empty()).then(|| Arc::new(positions)))
    }
}

impl FromIterator<PositionRef> for WantedBy {
    fn from_iter<I: IntoIterator<Item = PositionRef>>(positions: I) -> Self {
        positions.into_iter().collect::<BTreeSet<_>>().into()
    }
}

impl Extend<PositionRef> for WantedBy {
    fn extend<I: IntoIterator<Item = PositionRef>>(&mut self, positions: I) {
        let mut all = match self.0.take() {
            Some(own) => Arc::unwrap_or_clone(own),
            None => BTreeSet::new(),
        };
        all.extend(positions);
        *self = all.into();
    }
}

impl<'a> IntoIterator for &'a WantedBy {
    type Item = &'a PositionRef;
    type IntoIter = std::collections::btree_set::Iter<'a, PositionRef>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for WantedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl JsonSchema for WantedBy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WantedBy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeSet::<PositionRef>::json_schema(generator)
    }
}

impl Serialize for WantedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
