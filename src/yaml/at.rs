//! Values for shapes: with their place, or in one of two forms.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::tree::NodeRef;

/// The name by which the decoder knows that a place is asked for.
pub(super) const MARKER: &str = "$at";

/// A value and where it stands. In a schema it is just the value.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub place: NodeRef,
    pub value: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pair<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<At<T>, A::Error> {
                let lacking = || A::Error::custom("only this crate's own reader knows places");
                let AtRef(place) = access.next_element()?.ok_or_else(lacking)?;
                let value = access.next_element()?.ok_or_else(lacking)?;
                Ok(At { place, value })
            }
        }

        deserializer.deserialize_tuple_struct(MARKER, 2, Pair(PhantomData))
    }
}

struct AtRef(NodeRef);

impl<'de> Deserialize<'de> for AtRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = u64::deserialize(deserializer)?;
        let id = usize::try_from(id).map_err(Error::custom)?;
        Ok(Self(NodeRef(id)))
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A map, or a text that stands for one.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum TextOr<T> {
    /// The short form.
    #[serde(rename = "@text")]
    Text(String),
    /// The long form.
    #[serde(rename = "@map")]
    Map(T),
}

/// A map, or a list that stands for one.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum ListOr<T> {
    /// The short form.
    #[serde(rename = "@list")]
    List(Vec<At<String>>),
    /// The long form.
    #[serde(rename = "@map")]
    Map(T),
}
