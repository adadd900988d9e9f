//! The verbs that only look: `validate`, `schematic`, `versions`.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;

use super::args::{Common, Output};
use super::exit::Exit;
use super::{paint, pass};
use crate::app::{App, Mode};
use crate::model::{Minor, TalosVersion};
use crate::orders;
use crate::plan::VersionKnowledge;

/// Checks configuration and orders; touches neither network nor nodes.
pub(super) fn validate(common: &Common, output: Output) -> anyhow::Result<Exit> {
    let app = App::offline(common.config.as_deref())?;
    let orders = app.orders(common.orders.as_deref())?;
    let positions: usize = orders
        .orders
        .iter()
        .map(|order| order.positions.len())
        .sum();
    let problems: Vec<_> = orders.problems().collect();
    let mut out = anstream::stdout().lock();
    match output {
        Output::Json => {
            let answer = serde_json::json!({
                "valid": problems.is_empty(),
                "files": orders.files,
                "orders": orders.orders.len(),
                "positions": positions,
                "problems": problems,
            });
            serde_json::to_writer_pretty(&mut out, &answer)?;
            writeln!(out)?;
        }
        Output::Text => {
            pass::report_problems(&orders);
            writeln!(
                out,
                "{} orders with {positions} usable positions in {} files, {} problems",
                orders.orders.len(),
                orders.files,
                problems.len()
            )?;
        }
    }
    Ok(if problems.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Prints id and canonical YAML of a schematic.
pub(super) fn schematic(file: &Path, output: Output) -> anyhow::Result<Exit> {
    let mut text = String::new();
    let name = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
        "<stdin>".to_owned()
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        file.display().to_string()
    };
    let schematic = match orders::parse_schematic(&name, &text) {
        Ok(schematic) => schematic,
        Err(problems) => {
            for problem in problems {
                anstream::eprintln!("{} {problem}", paint::error("error:"));
            }
            return Ok(Exit::Failed);
        }
    };
    let (id, canonical) = (schematic.id(), schematic.canonical_yaml());
    let mut out = anstream::stdout().lock();
    match output {
        Output::Json => {
            let answer = serde_json::json!({ "id": id, "schematic": canonical });
            serde_json::to_writer_pretty(&mut out, &answer)?;
            writeln!(out)?;
        }
        Output::Text => write!(out, "{id}\n{canonical}")?,
    }
    Ok(Exit::Done)
}

/// Lists the known versions, newest first.
pub(super) async fn versions(
    common: &Common,
    minor: Option<Minor>,
    all: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    let knowledge = app.versions().await?;
    let mut out = anstream::stdout().lock();
    match knowledge {
        VersionKnowledge::Known {
            versions,
            source,
            fetched_at,
            failures,
        } => {
            for failure in &failures {
                anstream::eprintln!("{} {failure}", paint::warning("warning:"));
            }
            let listed: Vec<&TalosVersion> = versions
                .iter()
                .rev()
                .filter(|version| all || version.is_ga())
                .filter(|version| minor.is_none_or(|minor| version.minor() == minor))
                .collect();
            match output {
                Output::Json => {
                    let answer = serde_json::json!({
                        "source": source,
                        "fetched_at": fetched_at,
                        "versions": listed,
                    });
                    serde_json::to_writer_pretty(&mut out, &answer)?;
                    writeln!(out)?;
                }
                Output::Text => {
                    for version in listed {
                        writeln!(out, "{version}")?;
                    }
                }
            }
            Ok(Exit::Done)
        }
        VersionKnowledge::Unknown { failures } => {
            for failure in failures {
                anstream::eprintln!("{} {failure}", paint::error("error:"));
            }
            Ok(Exit::Failed)
        }
        VersionKnowledge::NotNeeded => Ok(Exit::Done),
    }
}
