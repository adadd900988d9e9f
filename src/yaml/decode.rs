//! From a subtree to a plain serde struct, with every misfit reported.
//!
//! serde stops at the first error. So a subtree is read again with the node at
//! fault masked (as if it were not written) until it fits; since every key of a
//! shape may be absent, it always does in the end. A null is as good as absent.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::at;
use super::fault::{Fault, FaultKind};
use super::report::Report;
use super::tree::{Entry, Kind, Node, NodeRef};

/// What a boolean is called in messages.
pub(super) const BOOL: &str = "true or false";

/// The most misfits reported for one subtree; more would only be noise.
const MAX_FAULTS: usize = 20;

/// Reads a subtree into a shape. Whatever does not fit is reported and left at
/// its default.
pub fn read<T: DeserializeOwned + Default>(node: &Node, report: &mut Report<'_>) -> T {
    let mut masked = report.refused().clone();
    for _ in 0..MAX_FAULTS {
        let decoder = Decoder {
            node,
            masked: &masked,
        };
        match T::deserialize(decoder) {
            Ok(value) => return value,
            Err(fault) => {
                let at = fault.node.unwrap_or(node.id);
                report.push(fault.into_problem(report.document(), node));
                if at == node.id || !masked.insert(at) {
                    break;
                }
            }
        }
    }
    T::default()
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    node: &'a Node,
    masked: &'a HashSet<NodeRef>,
}

impl<'a> Decoder<'a> {
    fn of(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    fn wrong(self, expected: impl Into<String>) -> Fault {
        Fault::new(
            self.node.id,
            FaultKind::WrongType {
                expected: expected.into(),
            },
        )
    }

    /// Fails with the first thing wrong with a map's keys that was not told yet.
    fn unblemished(self) -> Result<(), Fault> {
        let Kind::Map { blemishes, .. } = &self.node.kind else {
            return Ok(());
        };
        let untold = blemishes.iter().find(|(id, _)| !self.masked.contains(id));
        untold.map_or(Ok(()), |(id, message)| {
            Err(Fault::new(*id, FaultKind::Other(message.clone())))
        })
    }

    fn unsigned(self, max: u64) -> Result<u64, Fault> {
        if let Kind::Number { text } = &self.node.kind
            && let Some(message) = read_apart(text)
        {
            return Err(Fault::new(self.node.id, FaultKind::Other(message)));
        }
        let value = match &self.node.kind {
            Kind::Number { text } => integer(text).and_then(|value| u64::try_from(value).ok()),
            _ => None,
        };
        value
            .filter(|value| *value <= max)
            .ok_or_else(|| match max {
                // The technical limit of a type says nothing to a person.
                0x1_0000.. => self.wrong("a whole number of 0 or more"),
                _ => self.wrong(format!("a whole number from 0 to {max}")),
            })
    }
}

/// Why a number is refused that readers of YAML read apart: with a zero in front it
/// is octal to some, and decimal to others.
pub fn read_apart(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let rest = digits.strip_prefix('0')?;
    let whole = rest.trim_start_matches('_').trim_start_matches('0');
    if !rest.starts_with(|c: char| c.is_ascii_digit() || c == '_')
        || !rest.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    {
        return None;
    }
    let whole = whole.replace('_', "");
    let decimal = if whole.is_empty() { "0" } else { &whole };
    let octal = u64::from_str_radix(&whole, 8).ok();
    let octal = octal
        .map(|value| format!(" or {value}"))
        .unwrap_or_default();
    Some(format!(
        "the number {text} begins with 0; some programs read it as octal, others as decimal: \
         write {decimal}{octal}"
    ))
}

/// The value of a whole number as YAML writes it.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits),
    };
    let value = i128::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    Some(sign * value)
}

macro_rules! unsigned {
    ($($method:ident $visit:ident $type:ty,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let value = self.unsigned(u64::try_from(<$type>::MAX).unwrap_or(u64::MAX))?;
            visitor.visit_u64::<Fault>(value).map_err(|fault| fault.at(self.node.id))
        }
    )+};
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.unblemished()?;
        let visited = match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool { value, .. } => visitor.visit_bool(*value),
            Kind::Text(text) => visitor.visit_borrowed_str(text),
            Kind::Number { text } => match integer(text) {
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
            Kind::List(elements) => visitor.visit_seq(Elements {
                decoder: self,
                rest: elements.iter(),
            }),
            Kind::Map { entries, .. } => visitor.visit_map(Entries {
                decoder: self,
                rest: entries.iter(),
                value: None,
                fields: None,
            }),
        };
        visited.map_err(|fault: Fault| fault.at(self.node.id))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Bool { value, .. } => visitor.visit_bool(*value),
            _ => Err(self.wrong(BOOL)),
        }
    }

    unsigned! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.text() {
            Some(text) => visitor
                .visit_borrowed_str(text)
                .map_err(|fault: Fault| fault.at(self.node.id)),
            None => Err(self.wrong("text")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_string(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
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
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == at::MARKER {
            visitor.visit_seq(WithPlace {
                decoder: self,
                given: 0,
            })
        } else {
            self.deserialize_seq(visitor)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::List(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Map { .. } => self.deserialize_any(visitor),
            _ => Err(self.wrong("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.unblemished()?;
        match &self.node.kind {
            Kind::Map { entries, .. } => visitor
                .visit_map(Entries {
                    decoder: self,
                    rest: entries.iter(),
                    value: None,
                    fields: Some(fields),
                })
                .map_err(|fault: Fault| fault.at(self.node.id)),
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
    ) -> Result<V::Value, Fault> {
        let by_kind = variants.first().is_some_and(|name| name.starts_with('@'));
        let variant = match &self.node.kind {
            _ if !by_kind => self.node.text().ok_or_else(|| self.wrong("a word"))?,
            Kind::List(_) => "@list",
            Kind::Map { .. } => "@map",
            Kind::Null | Kind::Bool { .. } | Kind::Number { .. } | Kind::Text(_) => "@text",
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
            .map_err(|fault: Fault| fault.at(self.node.id))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple identifier
    }
}

struct Elements<'a> {
    decoder: Decoder<'a>,
    rest: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let masked = self.decoder.masked;
        match self.rest.find(|node| !masked.contains(&node.id)) {
            Some(node) => seed.deserialize(self.decoder.of(node)).map(Some),
            None => Ok(None),
        }
    }
}

struct Entries<'a> {
    decoder: Decoder<'a>,
    rest: std::slice::Iter<'a, Entry>,
    value: Option<&'a Node>,
    /// The keys of a struct; `None` for a free map.
    fields: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for entry in self.rest.by_ref() {
            if self.decoder.masked.contains(&entry.value.id) {
                continue;
            }
            if let Some(accepted) = self.fields {
                if !accepted.contains(&entry.key.as_str()) {
                    let kind = FaultKind::UnknownKey { accepted };
                    return Err(Fault::new(entry.value.id, kind));
                }
                if entry.value.is_null() {
                    continue;
                }
            }
            self.value = Some(&entry.value);
            let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let node = self.value.take().unwrap_or(self.decoder.node);
        seed.deserialize(self.decoder.of(node))
    }
}

/// The two halves of an [`At`](super::At): the node's identity and its value.
struct WithPlace<'a> {
    decoder: Decoder<'a>,
    given: u8,
}

impl<'de> SeqAccess<'de> for WithPlace<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
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
    decoder: Decoder<'a>,
    variant: &'a str,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.decoder)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.decoder.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.decoder.deserialize_struct("", fields, visitor)
    }
}

/// Reading a node's identity for an [`At`](super::At).
pub(super) fn node_ref<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NodeRef, D::Error> {
    let id = u64::deserialize(deserializer)?;
    usize::try_from(id)
        .map(NodeRef)
        .map_err(serde::de::Error::custom)
}
