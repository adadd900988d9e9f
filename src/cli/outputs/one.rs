//! One position on one node: for a shell, and for Terraform's data source `external`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::conclude::outputs::{ImageOutput, OutputImage, OutputPlace, Outputs, TemplateOutput};
use crate::model::visible;

/// More than any query has, in bytes.
const MAX_BYTES: u64 = 64 << 10;

/// How many of several matches are named.
const SHOWN: usize = 5;

/// What the data source asks for.
#[derive(Debug, Default)]
pub(super) struct Query {
    order: Option<String>,
    position: Option<String>,
    node: Option<String>,
}

impl Query {
    /// Reads the query from standard input: a JSON object of strings.
    ///
    /// # Errors
    /// When it is something else, or has a key that is not known.
    pub(super) fn read() -> anyhow::Result<Self> {
        let mut text = String::new();
        std::io::stdin()
            .take(MAX_BYTES)
            .read_to_string(&mut text)
            .map_err(|why| anyhow::anyhow!("cannot read the query from standard input: {why}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let expected = "expected a JSON object like {\"order\": \"workers\", \"position\": \
                        \"worker\", \"node\": \"pve-01\"} on standard input";
        let found: BTreeMap<String, String> = serde_json::from_str(text)
            .map_err(|why| anyhow::anyhow!("the query cannot be read: {why}; {expected}"))?;
        let mut query = Self::default();
        for (key, value) in found {
            let place = match key.as_str() {
                "order" => &mut query.order,
                "position" => &mut query.position,
                "node" => &mut query.node,
                _ => anyhow::bail!(
                    "the query has the unknown key {}; expected order, position and node",
                    visible(&key)
                ),
            };
            *place = Some(value);
        }
        Ok(query)
    }

    pub(super) fn is_all(&self) -> bool {
        self.order.is_none() && self.position.is_none() && self.node.is_none()
    }

    /// What of the outputs it asks for; by whole names, without patterns.
    pub(super) fn applied(&self, mut outputs: Outputs) -> Outputs {
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        let has = |place: &OutputPlace| {
            fits(&self.order, &place.order)
                && fits(&self.position, &place.position)
                && fits(&self.node, &place.node)
        };
        outputs.images.retain(|one| has(&one.place));
        outputs.templates.retain(|one| has(&one.place));
        outputs.unknown.retain(|one| {
            let (position, node) = (one.position.as_deref(), one.node.as_deref());
            fits(&self.order, &one.order)
                && position.is_none_or(|position| fits(&self.position, position))
                && node.is_none_or(|node| fits(&self.node, node))
        });
        outputs
    }
}

/// The image and the template of one position on one node.
pub(super) struct Picked<'a> {
    place: &'a OutputPlace,
    image: Option<&'a ImageOutput>,
    template: Option<&'a TemplateOutput>,
}

impl<'a> Picked<'a> {
    /// The only one that there is.
    ///
    /// # Errors
    /// When there is none or more than one, with what there is.
    pub(super) fn of(outputs: &'a Outputs) -> anyhow::Result<Self> {
        let images = outputs.images.iter().map(|one| &one.place);
        let templates = outputs.templates.iter().map(|one| &one.place);
        let places: BTreeSet<&OutputPlace> = images.chain(templates).collect();
        let place = match places.iter().collect::<Vec<_>>()[..] {
            [place] => *place,
            [] => match outputs.unknown().first() {
                Some(unknown) => anyhow::bail!("{unknown}"),
                None => anyhow::bail!("nothing matches"),
            },
            ref several => {
                let more = match several.len().saturating_sub(SHOWN) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let shown = several.iter().take(SHOWN);
                let shown: Vec<String> = shown.map(ToString::to_string).collect();
                anyhow::bail!(
                    "this form is for one position on one node, and {}{more} match; select by \
                     order, position and node",
                    shown.join(", ")
                );
            }
        };
        if outputs.images.len() > 1 || outputs.templates.len() > 1 {
            anyhow::bail!("there are two outputs of {place}, and this form has room for one");
        }
        Ok(Self {
            place,
            image: outputs.images.first(),
            template: outputs.templates.first(),
        })
    }

    /// # Errors
    /// That it is not ready, and why.
    pub(super) fn check_ready(&self) -> anyhow::Result<()> {
        let image = self.image.map(|one| &one.readiness);
        let template = self.template.map(|one| &one.readiness);
        for (what, readiness) in [("image", image), ("template", template)] {
            if let Some(readiness) = readiness.filter(|readiness| !readiness.ready) {
                let place = self.place;
                let reason = readiness.reason.as_deref().unwrap_or("unknown");
                anyhow::bail!("the {what} of {place} is not ready: {reason}");
            }
        }
        Ok(())
    }

    /// The names and values; an empty one is not known, or there is none.
    fn values(&self) -> [(&'static str, String); 17] {
        let some = |value: Option<&String>| value.cloned().unwrap_or_default();
        let (image, template) = (self.image, self.template);
        let of_image = image.map(|one| &one.image);
        let source: Option<&OutputImage> = of_image.or(template.map(|one| &one.image));
        let size = image.and_then(|one| one.size_bytes);
        let vmid = template.and_then(|one| one.vmid);
        let ready = |is: Option<bool>| is.map(|is| is.to_string()).unwrap_or_default();
        [
            ("order", self.place.order.clone()),
            ("position", self.place.position.clone()),
            ("node", self.place.node.clone()),
            ("volume", some(image.and_then(|one| one.volume.as_ref()))),
            ("path", some(image.and_then(|one| one.path.as_ref()))),
            ("file", some(image.and_then(|one| one.file.as_ref()))),
            ("sha256", some(image.and_then(|one| one.sha256.as_ref()))),
            (
                "size_bytes",
                size.map(|size| size.to_string()).unwrap_or_default(),
            ),
            ("version", some(source.map(|one| &one.version))),
            ("schematic", some(source.map(|one| &one.schematic))),
            ("installer", some(source.map(|one| &one.installer))),
            ("ready", ready(image.map(|one| one.readiness.ready))),
            ("template_name", some(template.map(|one| &one.name))),
            (
                "template_vmid",
                vmid.map(|id| id.to_string()).unwrap_or_default(),
            ),
            ("template_storage", some(template.map(|one| &one.storage))),
            (
                "template_tags",
                template.map(|one| one.tags.join(";")).unwrap_or_default(),
            ),
            (
                "template_ready",
                ready(template.map(|one| one.readiness.ready)),
            ),
        ]
    }

    /// The answer of the data source: a flat map of strings.
    pub(super) fn external(&self) -> BTreeMap<&'static str, String> {
        let reason = self.image.and_then(|one| one.readiness.reason.clone());
        let template = self.template.and_then(|one| one.readiness.reason.clone());
        let reasons = [
            ("reason", reason.unwrap_or_default()),
            ("template_reason", template.unwrap_or_default()),
        ];
        self.values().into_iter().chain(reasons).collect()
    }

    /// Assignments for a shell. Only what is ready has them, so that is not among them.
    pub(super) fn env(&self) -> String {
        let values = self.values().into_iter();
        let values = values.filter(|(name, _)| !name.ends_with("ready"));
        let lines = values.map(|(name, value)| {
            let name = name.to_ascii_uppercase();
            format!("TALOS_{name}={}\n", shell_words::quote(&value))
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_a_map_of_strings_with_known_keys() {
        let query = Query::parse(r#"{"order": "a", "node": "b"}"#).unwrap();
        assert_eq!((query.order.as_deref(), query.position), (Some("a"), None));
        assert!(Query::parse("{}").unwrap().is_all());
        for (text, why) in [
            (r#"{"ordr": "a"}"#, "unknown key ordr; expected order"),
            (r#"{"order": 1}"#, "expected a JSON object like"),
            ("[]", "expected a JSON object like"),
            ("", "expected a JSON object like"),
        ] {
            let error = Query::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
