//! A schematic's canonical text: its fields in the factory's order, empty ones
//! left out, written as go-yaml writes them.
//!
//! The order and the omissions follow `pkg/schematic` of
//! siderolabs/image-factory: a Go struct whose fields are `omitempty`, except
//! for `customization`, an overlay's `image` and `name`, and a META value's
//! `key` and `value`.

use std::cmp::Ordering;

use serde_json::Value;
use sha2::Digest as _;

use super::emitter::{EmittedNode, emit};
use crate::model::{Bootloader, Customization, EnrollKeys, Overlay, Schematic, SchematicId};

/// The canonical text of a schematic, whose SHA-256 is the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The YAML, with a line end.
    pub text: String,
    /// False if factories in use may write this schematic differently; then the
    /// id is a guess, and the factory's answer decides.
    pub certain: bool,
}

impl Canonical {
    /// The canonical text of a schematic.
    pub fn of(schematic: &Schematic) -> Self {
        let mut certain = !contested_choice(&schematic.customization);
        let tree = tree(schematic, &mut certain);
        let (text, certain_text) = emit(&tree);
        Self {
            text,
            certain: certain && certain_text,
        }
    }

    /// The SHA-256 of the text.
    pub fn id(&self) -> SchematicId {
        SchematicId::from_bytes(sha2::Sha256::digest(&self.text).into())
    }
}

/// What to send to a factory to have a schematic registered.
///
/// The canonical text where it is certain. Otherwise the same as JSON, which
/// is YAML too: some texts that go-yaml writes it reads back differently, and
/// in JSON every string is quoted.
pub fn document(schematic: &Schematic) -> String {
    let canonical = Canonical::of(schematic);
    if canonical.certain {
        canonical.text
    } else {
        json(schematic).to_string()
    }
}

/// The same schematic as JSON: every string quoted, so that no reader of YAML
/// can take it for something else.
pub(super) fn json(schematic: &Schematic) -> Value {
    as_json(&tree(schematic, &mut true))
}

/// `if-safe` is the default, and a factory that models it as an enumeration
/// leaves it out, like every zero.
fn contested_choice(customization: &Customization) -> bool {
    customization.secureboot.enroll_keys == Some(EnrollKeys::IfSafe)
}

/// Collects the entries of a mapping and leaves out the empty ones.
#[derive(Default)]
struct Fields(Vec<(String, EmittedNode)>);

impl Fields {
    fn always(mut self, key: &str, value: EmittedNode) -> Self {
        self.0.push((key.to_owned(), value));
        self
    }

    fn unless_empty(self, key: &str, value: Option<EmittedNode>) -> Self {
        match value {
            Some(EmittedNode::Map(entries)) if entries.is_empty() => self,
            Some(value) => self.always(key, value),
            None => self,
        }
    }

    fn strings(self, key: &str, values: &[String]) -> Self {
        let list = values.iter().map(|value| text(value)).collect();
        self.unless_empty(key, (!values.is_empty()).then_some(EmittedNode::List(list)))
    }

    fn done(self) -> EmittedNode {
        EmittedNode::Map(self.0)
    }
}

fn text(value: &str) -> EmittedNode {
    EmittedNode::Text(value.to_owned())
}

fn non_empty(value: Option<&String>) -> Option<EmittedNode> {
    value.filter(|value| !value.is_empty()).map(|v| text(v))
}

fn tree(schematic: &Schematic, certain: &mut bool) -> EmittedNode {
    Fields::default()
        .unless_empty("owner", non_empty(schematic.owner.as_ref()))
        .unless_empty(
            "overlay",
            schematic.overlay.as_ref().and_then(|o| overlay(o, certain)),
        )
        .always("customization", customization(&schematic.customization))
        .done()
}

fn overlay(overlay: &Overlay, certain: &mut bool) -> Option<EmittedNode> {
    if overlay.image.is_empty() && overlay.name.is_empty() && overlay.options.is_empty() {
        return None;
    }
    let options = overlay.options.iter().map(|(k, v)| (k.as_str(), v));
    Some(
        Fields::default()
            .always("image", text(&overlay.image))
            .always("name", text(&overlay.name))
            .unless_empty("options", Some(mapping(options, certain)))
            .done(),
    )
}

fn customization(custom: &Customization) -> EmittedNode {
    let meta = custom.meta.iter().map(|meta| {
        Fields::default()
            .always("key", EmittedNode::Bare(meta.key.to_string()))
            .always("value", text(&meta.value))
            .done()
    });
    let extensions = Fields::default()
        .strings("officialExtensions", &custom.official_extensions)
        .done();
    let secureboot = &custom.secureboot;
    let well_known = secureboot.include_well_known_certificates;
    let secureboot = Fields::default()
        .unless_empty(
            "enrollKeys",
            secureboot.enroll_keys.map(|keys| text(keys.as_str())),
        )
        .unless_empty(
            "includeWellKnownCertificates",
            well_known.then(|| EmittedNode::Bare("true".to_owned())),
        )
        .done();
    let disk_image = Fields::default()
        .unless_empty(
            "sectorSize",
            custom
                .disk_image
                .sector_size
                .filter(|size| *size != 0)
                .map(|size| EmittedNode::Bare(size.to_string())),
        )
        .done();
    Fields::default()
        .unless_empty(
            "embeddedMachineConfiguration",
            non_empty(custom.embedded_machine_configuration.as_ref()),
        )
        .strings("extraKernelArgs", &custom.extra_kernel_args)
        .unless_empty(
            "meta",
            (!custom.meta.is_empty()).then(|| EmittedNode::List(meta.collect())),
        )
        .unless_empty("systemExtensions", Some(extensions))
        .unless_empty(
            "bootloader",
            // The factory's own choice is the zero of its enumeration (`none`
            // there) and is left out; it refuses the word `auto`.
            custom
                .bootloader
                .filter(|loader| *loader != Bootloader::Auto)
                .map(|loader| text(loader.as_str())),
        )
        .unless_empty("secureboot", Some(secureboot))
        .unless_empty("diskImage", Some(disk_image))
        .done()
}

/// Any value of an overlay option.
fn any(value: &Value, certain: &mut bool) -> EmittedNode {
    match value {
        Value::Null => EmittedNode::Bare("null".to_owned()),
        Value::Bool(value) => EmittedNode::Bare(value.to_string()),
        Value::Number(number) => EmittedNode::Bare(match number.as_f64() {
            Some(float) if number.is_f64() => go_float(float),
            _ => number.to_string(),
        }),
        Value::String(value) => text(value),
        Value::Array(values) => EmittedNode::List(values.iter().map(|v| any(v, certain)).collect()),
        Value::Object(map) => mapping(map.iter().map(|(k, v)| (k.as_str(), v)), certain),
    }
}

/// A mapping in the order of go-yaml, which puts `a2` before `a10`.
fn mapping<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
    certain: &mut bool,
) -> EmittedNode {
    let mut sorted: Vec<(String, EmittedNode)> = Vec::new();
    for (key, value) in entries {
        // What counts as a letter or a digit beyond ASCII differs from Go's tables.
        *certain &= key.is_ascii();
        // Inserted one by one: the order is not transitive for every set of keys,
        // and the sorts of the standard library may panic on such an order.
        let place = sorted
            .iter()
            .rposition(|(other, _)| natural_order(other, key) != Ordering::Greater)
            .map_or(0, |at| at + 1);
        let value = any(value, certain);
        sorted.insert(place, (key.to_owned(), value));
    }
    EmittedNode::Map(sorted)
}

/// go-yaml's order of keys: letters after everything else, numbers by value.
fn natural_order(left: &str, right: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut after_digit = false;
    for at in 0..left.len().min(right.len()) {
        let (l, r) = (left[at], right[at]);
        if l == r {
            after_digit = l.is_ascii_digit();
            continue;
        }
        return match (l.is_alphabetic(), r.is_alphabetic()) {
            (true, true) => l.cmp(&r),
            (true, false) if after_digit => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if after_digit => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => numbers(&left, &right, at),
        };
    }
    left.len().cmp(&right.len())
}

/// Compares two numbers that differ first at `at`.
fn numbers(left: &[char], right: &[char], at: usize) -> Ordering {
    let (l, r) = (left[at], right[at]);
    // Zeros lead only if only zeros stands before them.
    let significant = (l == '0' || r == '0')
        && left[..at]
            .iter()
            .rev()
            .take_while(|c| c.is_ascii_digit())
            .any(|&c| c != '0');
    let read = |text: &[char]| {
        let digits = text[at..].iter().map_while(|c| c.to_digit(10));
        let count = digits.clone().count();
        let value = digits.fold(i64::from(significant), |sum, digit| {
            sum.wrapping_mul(10).wrapping_add(i64::from(digit))
        });
        (value, count)
    };
    read(left).cmp(&read(right)).then(l.cmp(&r))
}

/// A float as Go's `%g` with the fewest digits that read back the same:
/// exponents below -4 and from 6 on are written as such.
fn go_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        format!("{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

fn as_json(node: &EmittedNode) -> Value {
    match node {
        EmittedNode::Map(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), as_json(value)))
                .collect(),
        ),
        EmittedNode::List(items) => Value::Array(items.iter().map(as_json).collect()),
        EmittedNode::Text(text) => Value::String(text.clone()),
        // Not parsed as JSON: serde_json reads floats to within a digit only.
        EmittedNode::Bare(bare) => bare
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| bare.parse::<i64>().map(Value::from))
            .or_else(|_| bare.parse::<f64>().map(Value::from))
            .or_else(|_| bare.parse::<bool>().map(Value::from))
            .unwrap_or(Value::Null),
    }
}
