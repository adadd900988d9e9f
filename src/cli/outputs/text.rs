//! The outputs for people: a table of images, and one of templates.

use crate::cli::get::{Cell, WIDE, cell, table};
use crate::cli::table::{one_line, short};
use crate::conclude::outputs::{ImageOutput, Outputs, Readiness, TemplateOutput};
use crate::plan::render::Bytes;

pub(super) fn tables(outputs: &Outputs, is_wide: bool) -> String {
    let images: Vec<Vec<Cell>> = outputs.images.iter().map(image_cells).collect();
    let templates: Vec<Vec<Cell>> = outputs.templates.iter().map(template_cells).collect();
    let tables = [table(&images, is_wide), table(&templates, is_wide)];
    let shown: Vec<String> = tables.into_iter().filter(|text| !text.is_empty()).collect();
    shown.join("\n")
}

fn or_unknown(text: Option<&String>) -> String {
    text.map_or_else(|| "unknown".to_owned(), |text| one_line(text))
}

fn readiness(readiness: &Readiness) -> String {
    match (&readiness.reason, readiness.ready) {
        (_, true) => "yes".to_owned(),
        (Some(reason), false) => format!("no: {}", one_line(reason)),
        (None, false) => "no".to_owned(),
    }
}

fn image_cells(image: &ImageOutput) -> Vec<Cell> {
    let place = &image.place;
    let volume = image.volume.as_ref().or(image.path.as_ref());
    let size = image.size_bytes.map(|size| Bytes(size).to_string());
    vec![
        cell("ORDER", 0, &place.order),
        cell("POSITION", 2, &place.position),
        cell("NODE", 0, &place.node),
        cell("VERSION", 1, &image.image.version),
        cell("IMAGE", 0, or_unknown(volume)),
        cell("PATH", WIDE, or_unknown(image.path.as_ref())),
        cell("SHA256", WIDE, or_unknown(image.sha256.as_ref())),
        cell("SIZE", WIDE, or_unknown(size.as_ref())),
        cell("SCHEMATIC", WIDE, short(&image.image.schematic)),
        cell("INSTALLER", WIDE, &image.image.installer),
        cell("READY", 0, readiness(&image.readiness)),
    ]
}

fn template_cells(template: &TemplateOutput) -> Vec<Cell> {
    let place = &template.place;
    let vmid = template.vmid.map(|id| id.to_string());
    vec![
        cell("ORDER", 0, &place.order),
        cell("POSITION", 2, &place.position),
        cell("NODE", 0, &place.node),
        cell("VERSION", 1, &template.image.version),
        cell("TEMPLATE", 0, &template.name),
        cell("VMID", 0, or_unknown(vmid.as_ref())),
        cell("STORAGE", 3, &template.storage),
        cell("TAGS", 4, template.tags.join(",")),
        cell("READY", 0, readiness(&template.readiness)),
    ]
}
