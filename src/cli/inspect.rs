//! `schematic` and `versions`, which only look.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::args::Common;
use super::exit::Exit;
use super::forms::OutputForm;
use super::{notices, out, style};
use crate::app::{App, Mode};
use crate::facts::{VersionKnowledge, VersionSource};
use crate::model::{Minor, TalosVersion, visible_path};
use crate::orders;
use crate::plan::desired::minors;
use crate::schematic::Canonical;

/// What `schematic -o json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct SchematicAnswer {
    /// The ID that the factory gives it.
    id: String,
    /// Its canonical YAML, byte for byte.
    schematic: String,
}

/// What `versions -o json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct VersionsAnswer<'a> {
    /// When they were listed.
    fetched_at: Timestamp,
    /// By whom.
    source: VersionSource,
    /// The versions, the newest first.
    versions: Vec<&'a TalosVersion>,
}

/// Prints id and canonical YAML of a schematic.
pub(super) fn schematic(file: &Path, output: OutputForm) -> anyhow::Result<Exit> {
    let (name, bytes) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(orders::MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        ("<stdin>".to_owned(), bytes)
    } else {
        let name = visible_path(file);
        let bytes = orders::read_file(file).with_context(|| format!("cannot read {name}"))?;
        (name, bytes)
    };
    let schematic = match orders::parse_schematic(&name, &bytes) {
        Ok(schematic) => schematic,
        Err(problems) => {
            for problem in problems {
                out::note(&format!("{} {problem}", style::error("error:")));
            }
            return Ok(Exit::Failed);
        }
    };
    let canonical = Canonical::of(&schematic);
    let (id, canonical) = (canonical.id(), canonical.text);
    match output.data() {
        Some(form) => {
            let answer = SchematicAnswer {
                id: id.to_string(),
                schematic: canonical,
            };
            out::value(form, &answer)?;
        }
        None => out::data(&format!("{id}\n{canonical}"))?,
    }
    Ok(Exit::Done)
}

/// Lists the known versions, newest first.
pub(super) async fn versions(
    common: &Common,
    minor: Option<Minor>,
    all: bool,
    output: OutputForm,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let asked_at = app.now();
    let knowledge = app.versions().await?;
    notices::versions(&knowledge, asked_at);
    match knowledge {
        VersionKnowledge::Known {
            versions,
            source,
            fetched_at,
            failures: _,
        } => {
            let listed: Vec<&TalosVersion> = versions
                .iter()
                .rev()
                .filter(|version| all || version.is_ga())
                .filter(|version| minor.is_none_or(|minor| version.minor() == minor))
                .collect();
            if listed.is_empty()
                && let Some(minor) = minor
            {
                let of_minor = |version: &&TalosVersion| version.minor() == minor;
                let error = style::error("error:");
                if versions.iter().any(|version| of_minor(&version)) {
                    out::note(&format!(
                        "{error} {minor} has no general release yet; --all lists its pre-releases"
                    ));
                } else {
                    let lines = minors(versions.iter().filter(|version| all || version.is_ga()));
                    out::note(&format!("{error} there is no minor line {minor}"));
                    out::note(&format!("  hint: there are {lines}"));
                }
                return Ok(Exit::Failed);
            }
            match output.data() {
                Some(form) => {
                    let answer = VersionsAnswer {
                        fetched_at,
                        source,
                        versions: listed,
                    };
                    out::value(form, &answer)?;
                }
                None => {
                    let lines = listed.iter().map(|version| format!("{version}\n"));
                    out::text(&lines.collect::<String>())?;
                }
            }
            Ok(Exit::Done)
        }
        VersionKnowledge::Unknown { failures } => {
            for failure in failures {
                out::note(&format!("{} {failure}", style::error("error:")));
            }
            Ok(Exit::Failed)
        }
        VersionKnowledge::NotNeeded => Ok(Exit::Done),
    }
}
