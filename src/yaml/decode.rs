//! A node of the tree as a serde deserializer, which fails at the first misfit and says
//! at which node that is. A null is as good as absent.

use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::at;
use super::misfit::{BOOL, Misfit, MisfitKind};
use super::numbers::{integer, read_apart};
use super::tree::{NodeRef, YamlEntry, YamlKind, YamlNode};

#[derive(Clone, Copy)]
pub(super) struct NodeDecoder<'a> {
    pub node: &'a YamlNode,
    /// The nodes that are read as if they were not written.
    pub masked: &'a HashSet<NodeRef>,
}

impl<'a> NodeDecoder<'a> {
    fn of(self, node: &'a YamlNode) -> Self {
        Self { node, ..self }
    }

    fn wrong(self, expected: impl Into<String>) -> Misfit {
        let expected = expected.into();
        Misfit::new(self.node.id, MisfitKind::WrongType { expected })
    }

    /// Fails with the first thing wrong with a map's keys that was not told yet.
    fn check_keys(self) -> Result<(), Misfit> {
        let YamlKind::Map { bad_keys, .. } = &self.node.kind else {
            return Ok(());
        };
        let untold = bad_keys.iter().find(|(id, _)| !self.masked.contains(id));
        untold.map_or(Ok(()), |(id, message)| {
            Err(Misfit::new(*id, MisfitKind::Other(message.clone())))
        })
    }

    fn unsigned(self, max: u64) -> Result<u64, Misfit> {
        if let YamlKind::Number { text } = &self.node.kind
            && let Some(message) = read_apart(text)
        {
            return Err(Misfit::new(self.node.id, MisfitKind::Other(message)));
        }
        let value = match &self.node.kind {
            YamlKind::Number { text } => integer(text).and_then(|value| u64::try_from(value).ok()),
            _ => None,
        };
        value
            .filter(|value| *value <= max)
            .ok_or_else(|| match max {
                // The technical limit of a type says nothing to the user.
                0x1_0000.. => self.wrong("a whole number of 0 or more"),
                _ => self.wrong(format!("a whole number from 0 to {max}")),
            })
    }
}

macro_rules! unsigned {
    ($($method:ident $visit:ident $type:ty,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            let value = self.unsigned(u64::try_from(<$type>::MAX).unwrap_or(u64::MAX))?;
            visitor.visit_u64::<Misfit>(value).map_err(|misfit| misfit.at(self.node.id))
        }
    )+};
}

impl<'de> Deserializer<'de> for NodeDecoder<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.check_keys()?;
        let visited = match &self.node.kind {
            YamlKind::Null => visitor.visit_unit(),
            YamlKind::Bool { value, .. } => visitor.visit_bool(*value),
            YamlKind::Text(text) => visitor.visit_borrowed_str(text),
            YamlKind::Number { text } => match integer(text) {
                Some(value) => match (u64::try_from(value), i64::try_from(value)) {
                    (Ok(value), _) => visitor.visit_u64(value),
                    (_, Ok(value)) => visitor.visit_i64(value),
                    _ => visitor.visit_borrowed_str(text),
                },
                None => match text.replace('_', "").parse::<f64>() {
                    Ok(value) if value.is_finite() => visitor.visit_f64(value),
                    _ => visitor.visit_borrowed_str(text),
                },
            },
            YamlKind::List(elements) => visitor.visit_seq(Elements {
                decoder: self,
                rest: elements.iter(),
            }),
            YamlKind::Map { entries, .. } => visitor.visit_map(Entries {
                decoder: self,
                rest: entries.iter(),
                value: None,
                fields: None,
            }),
        };
        visited.map_err(|misfit: Misfit| misfit.at(self.node.id))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            YamlKind::Bool { value, .. } => visitor.visit_bool(*value),
            _ => Err(self.wrong(BOOL)),
        }
    }

    unsigned! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.text() {
            Some(text) => visitor
                .visit_borrowed_str(text)
                .map_err(|misfit: Misfit| misfit.at(self.node.id)),
            None => Err(self.wrong("text")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if name == at::MARKER {
            visitor.visit_seq(WithPlace {
                decoder: self,
                given: 0,
            })
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            YamlKind::List(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            YamlKind::Map { .. } => self.deserialize_any(visitor),
            _ => Err(self.wrong("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.check_keys()?;
        match &self.node.kind {
            YamlKind::Map { entries, .. } => visitor
                .visit_map(Entries {
                    decoder: self,
                    rest: entries.iter(),
                    value: None,
                    fields: Some(fields),
                })
                .map_err(|misfit: Misfit| misfit.at(self.node.id)),
            _ => Err(self.wrong("a map")),
        }
    }

    /// A choice of words; or, where the variants are named `@text`, `@list` and
    /// `@map`, a choice that the kind of the node makes.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let by_kind = variants.first().is_some_and(|name| name.starts_with('@'));
        let variant = match &self.node.kind {
            _ if !by_kind => self.node.text().ok_or_else(|| self.wrong("a word"))?,
            YamlKind::List(_) => "@list",
            YamlKind::Map { .. } => "@map",
            YamlKind::Null
            | YamlKind::Bool { .. }
            | YamlKind::Number { .. }
            | YamlKind::Text(_) => "@text",
        };
        if by_kind && (!variants.contains(&variant) || self.node.is_null()) {
            let kinds: Vec<&str> = variants
                .iter()
                .map(|name| match *name {
                    "@text" => "text",
                    "@list" => "a list",
                    _ => "a map",
                })
                .collect();
            return Err(self.wrong(kinds.join(" or ")));
        }
        visitor
            .visit_enum(Choice {
                decoder: self,
                variant,
            })
            .map_err(|misfit: Misfit| misfit.at(self.node.id))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple identifier
    }
}

struct Elements<'a> {
    decoder: NodeDecoder<'a>,
    rest: std::slice::Iter<'a, YamlNode>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let masked = self.decoder.masked;
        match self.rest.find(|node| !masked.contains(&node.id)) {
            Some(node) => seed.deserialize(self.decoder.of(node)).map(Some),
            None => Ok(None),
        }
    }
}

struct Entries<'a> {
    decoder: NodeDecoder<'a>,
    rest: std::slice::Iter<'a, YamlEntry>,
    value: Option<&'a YamlNode>,
    /// The keys of a struct; `None` for a free map.
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        for entry in self.rest.by_ref() {
            if self.decoder.masked.contains(&entry.value.id) {
                continue;
            }
            if let Some(accepted) = self.fields {
                if !accepted.contains(&entry.key.as_str()) {
                    let kind = MisfitKind::UnknownKey { accepted };
                    return Err(Misfit::new(entry.value.id, kind));
                }
                if entry.value.is_null() {
                    continue;
                }
            }
            self.value = Some(&entry.value);
            let key: StrDeserializer<'_, Misfit> = entry.key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let node = self.value.take().unwrap_or(self.decoder.node);
        seed.deserialize(self.decoder.of(node))
    }
}

/// The two halves of an [`At`](super::At): the node's identity and its value.
struct WithPlace<'a> {
    decoder: NodeDecoder<'a>,
    given: u8,
}

impl<'de> SeqAccess<'de> for WithPlace<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        self.given += 1;
        match self.given {
            1 => {
                let id = self.decoder.node.id.0 as u64;
                seed.deserialize(id.into_deserializer()).map(Some)
            }
            2 => seed.deserialize(self.decoder).map(Some),
            _ => Ok(None),
        }
    }
}

struct Choice<'a> {
    decoder: NodeDecoder<'a>,
    variant: &'a str,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.decoder.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.decoder.deserialize_struct("", fields, visitor)
    }
}
