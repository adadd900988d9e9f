//! The customization of an image, in the factory's own words.

use serde::Deserialize;

use super::file::{CustomizationShape, EnrollKeysWord, ExtensionsShape, MetaShape, OverlayShape};
use super::options;
use crate::model::{
    Bootloader, Customization, DiskImage, EnrollKeys, MetaValue, Overlay, Problem, Schematic,
    SecureBootOptions,
};
use crate::yaml::{At, Document, ListOr, ProblemReport, SourceText, read, read_apart};

/// A schematic file, as one gives it to the factory.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchematicShape {
    owner: Option<At<String>>,
    overlay: Option<At<OverlayShape>>,
    customization: Option<At<CustomizationShape>>,
}

/// Reads a schematic file: the text that one would send to the factory.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_schematic(
    file_name: &str,
    bytes: impl AsRef<[u8]>,
) -> Result<Schematic, Vec<Problem>> {
    let source =
        SourceText::from_bytes(file_name, bytes.as_ref()).map_err(|problem| vec![*problem])?;
    let doc = Document::parse(source).map_err(|problem| vec![*problem])?;
    let mut report = ProblemReport::new(&doc);
    let shape: SchematicShape = if doc.root.is_null() {
        SchematicShape::default()
    } else {
        read(&doc.root, &mut report)
    };
    let mut schematic = schematic(
        shape.customization.as_ref(),
        shape.overlay.as_ref(),
        &mut report,
    );
    // An Enterprise factory adds it, so a file that it wrote has one.
    schematic.owner = shape
        .owner
        .filter(|owner| report.is_exact(owner))
        .map(|owner| owner.value);
    if report.is_empty() {
        Ok(schematic)
    } else {
        Err(report.finish())
    }
}

/// The schematic that a customization and an overlay make; without either, the
/// empty one.
pub(super) fn schematic(
    customization: Option<&At<CustomizationShape>>,
    overlay_shape: Option<&At<OverlayShape>>,
    report: &mut ProblemReport<'_>,
) -> Schematic {
    let none = CustomizationShape::default();
    let shape = customization.map_or(&none, |at| &at.value);
    let secureboot = shape.secureboot.as_ref();
    Schematic {
        owner: None,
        overlay: overlay_shape.and_then(|at| overlay(at, report)),
        customization: Customization {
            embedded_machine_configuration: shape
                .embedded_machine_configuration
                .as_ref()
                .map(|at| at.value.clone()),
            extra_kernel_args: kernel_args(shape.extra_kernel_args.as_deref(), report),
            meta: meta(shape.meta.as_deref().unwrap_or_default(), report),
            official_extensions: extensions(shape.system_extensions.as_ref(), report),
            bootloader: shape
                .bootloader
                .as_ref()
                .and_then(|text| bootloader(text, report)),
            secureboot: SecureBootOptions {
                enroll_keys: secureboot
                    .and_then(|options| options.enroll_keys)
                    .map(enroll_keys),
                include_well_known_certificates: secureboot
                    .and_then(|options| options.include_well_known_certificates)
                    .unwrap_or(false),
            },
            disk_image: DiskImage {
                sector_size: shape
                    .disk_image
                    .as_ref()
                    .and_then(|options| options.sector_size.as_ref())
                    .and_then(|at| sector_size(at, report)),
            },
        },
    }
}

/// The factory reads the names without regard to case and calls its own choice `none`;
/// in the canonical form they are written small, and `none` is left out.
fn bootloader(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<Bootloader> {
    let word = At {
        place: text.place,
        value: text.value.to_ascii_lowercase(),
    };
    if word.value == "none" {
        return Some(Bootloader::Auto);
    }
    report.parse_among(&word, Bootloader::ALL.map(Bootloader::as_str))
}

fn enroll_keys(word: EnrollKeysWord) -> EnrollKeys {
    match word {
        EnrollKeysWord::Off => EnrollKeys::Off,
        EnrollKeysWord::Manual => EnrollKeys::Manual,
        EnrollKeysWord::IfSafe => EnrollKeys::IfSafe,
        EnrollKeysWord::Force => EnrollKeys::Force,
    }
}

fn sector_size(at: &At<u32>, report: &mut ProblemReport<'_>) -> Option<u32> {
    if ![512, 4096].contains(&at.value) {
        report.at(
            at.place,
            format!("{} is not a sector size; expected 512 or 4096", at.value),
        );
        return None;
    }
    Some(at.value)
}

fn overlay(at: &At<OverlayShape>, report: &mut ProblemReport<'_>) -> Option<Overlay> {
    let shape = &at.value;
    let mut text = |key: &str, value: Option<&At<String>>, example: &str| match value {
        Some(text) => report.is_exact(text).then(|| text.value.clone()),
        None => {
            report.missing(at.place, key, format!("such as `{key}: {example}`"));
            None
        }
    };
    let image = text("image", shape.image.as_ref(), "siderolabs/sbc-raspberrypi");
    let name = text("name", shape.name.as_ref(), "rpi_generic");
    let options = shape.options.as_ref().map(|at| options::read(at, report));
    Some(Overlay {
        image: image?,
        name: name?,
        options: options.unwrap_or_default(),
    })
}

fn kernel_args(args: Option<&[At<String>]>, report: &mut ProblemReport<'_>) -> Vec<String> {
    let mut used = Vec::new();
    for arg in args.unwrap_or_default() {
        if !report.fits_a_line(arg) {
            continue;
        }
        if arg.value.trim().is_empty() {
            report.at(arg.place, "the argument is empty");
            continue;
        }
        used.push(arg.value.clone());
    }
    used
}

fn meta(shapes: &[At<MetaShape>], report: &mut ProblemReport<'_>) -> Vec<MetaValue> {
    let mut values: Vec<MetaValue> = Vec::new();
    for shape in shapes {
        let key = match &shape.value.key {
            Some(text) => meta_key(text, report),
            None => {
                report.missing(shape.place, "key", "0 to 255, such as `key: 0xa`");
                None
            }
        };
        if shape.value.value.is_none() {
            report.missing(shape.place, "value", "write `value: \"\"` for an empty one");
        }
        let (Some(key), Some(value)) = (key, shape.value.value.clone()) else {
            continue;
        };
        if values.iter().any(|other| other.key == key) {
            report.at(
                shape.place,
                format!("the META key 0x{key:x} is given twice"),
            );
            continue;
        }
        values.push(MetaValue { key, value });
    }
    values
}

/// A key of one byte, as `10`, `0xa` or `"0xa"`.
fn meta_key(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<u8> {
    if let Some(message) = read_apart(&text.value) {
        report.at(text.place, message);
        return None;
    }
    let plain = text.value.strip_prefix('+').unwrap_or(&text.value);
    let (radix, digits) = match plain.get(..2) {
        Some("0x" | "0X") => (16, &plain[2..]),
        Some("0o" | "0O") => (8, &plain[2..]),
        Some("0b" | "0B") => (2, &plain[2..]),
        _ => (10, plain),
    };
    // The standard library takes a sign behind the base, too.
    let unsigned = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    let key = u8::from_str_radix(digits, radix).ok();
    key.filter(|_| unsigned).or_else(|| {
        report.at(
            text.place,
            format!(
                "{:?} is not a META key; expected 0 to 255, also as 0xa",
                text.value
            ),
        );
        None
    })
}

fn extensions(
    shape: Option<&At<ListOr<ExtensionsShape>>>,
    report: &mut ProblemReport<'_>,
) -> Vec<String> {
    let list: &[At<String>] = match shape.map(|at| &at.value) {
        Some(ListOr::List(list)) => list,
        Some(ListOr::Map(map)) => map.official_extensions.as_deref().unwrap_or_default(),
        None => &[],
    };
    let mut names: Vec<String> = Vec::new();
    for text in list {
        if !report.fits_a_line(text) {
            continue;
        }
        let name = text.value.as_str();
        if !name.trim().is_empty() && !report.is_exact(text) {
            continue;
        }
        if name.trim().is_empty() || name.contains(char::is_whitespace) {
            report.at_with_hint(
                text.place,
                format!("{:?} is not the name of an extension", text.value),
                "one name per entry, such as siderolabs/qemu-guest-agent",
            );
        } else if !name.split('/').all(|part| !part.is_empty()) || !name.contains('/') {
            let example = if name.contains('/') {
                "qemu-guest-agent"
            } else {
                name
            };
            report.at_with_hint(
                text.place,
                format!("{:?} is not the name of an official extension", text.value),
                format!("it starts with its owner, such as siderolabs/{example}"),
            );
        } else if names.iter().any(|other| other == name) {
            report.at(
                text.place,
                format!("the extension {name} is already in the list"),
            );
        } else {
            names.push(name.to_owned());
        }
    }
    names
}
