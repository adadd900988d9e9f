//! The positions of an order with what they stand for now, and why.

use super::report::Report;
use crate::facts::{VersionKnowledge, VersionSource};
use crate::model::{
    FileName, Order, Position, Problem, PushTarget, Schematic, SchematicId, SchematicSource,
    VersionPolicy,
};
use crate::plan::Resolved;

/// A position of an order.
#[derive(Debug, Clone)]
pub struct PositionNow<'a> {
    /// Its name.
    pub name: &'a str,
    /// The image as the order asks for it: `nocloud-amd64.raw.xz, SecureBoot`.
    pub wanted: String,
    /// The version that the order asks for.
    pub asked: String,
    /// The version that it stands for.
    pub version: Option<String>,
    /// Why this one, or why none.
    pub why: String,
    /// True if something is wrong with it.
    pub is_trouble: bool,
    /// The id of its schematic.
    pub schematic: Option<SchematicId>,
    /// The schematic, where the order describes it.
    pub customization: Option<&'a Schematic>,
    /// Its files in the cache: the download, and the unpacked form where it is wanted.
    pub files: Vec<FileName>,
    /// Where it is delivered to, with its name there.
    pub targets: Vec<(PushTarget, FileName)>,
}

/// The positions of an order, those included that were refused.
pub fn positions<'a>(report: &'a Report, order: &'a Order) -> Vec<PositionNow<'a>> {
    let usable = order.positions.iter();
    let mut found: Vec<(usize, PositionNow<'_>)> = usable
        .map(|position| (position.index, of_position(report, order, position)))
        .collect();
    found.extend(order.rejected.iter().map(|rejected| {
        let told = |problem: &Problem| match &problem.hint {
            Some(hint) => format!("{} ({hint})", problem.headline()),
            None => problem.headline(),
        };
        let problems: Vec<String> = rejected.problems.iter().map(told).collect();
        (
            rejected.index,
            without_image(&rejected.name, problems.join("; "), true),
        )
    }));
    found.extend(order.skipped.iter().map(|skipped| {
        let why = format!("product {} is not handled here", skipped.product);
        (skipped.index, without_image(&skipped.name, why, false))
    }));
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, position)| position).collect()
}

fn without_image(name: &str, why: String, is_trouble: bool) -> PositionNow<'_> {
    PositionNow {
        name,
        wanted: String::new(),
        asked: String::new(),
        version: None,
        why,
        is_trouble,
        schematic: None,
        customization: None,
        files: Vec::new(),
        targets: Vec::new(),
    }
}

fn of_position<'a>(report: &Report, order: &Order, position: &'a Position) -> PositionNow<'a> {
    let look = &report.look;
    let of_order = order.position_ref(position);
    let mut wants = look.desired.positions.iter();
    let outcome = wants.find(|want| want.position == of_order);
    let outcome = outcome.map(|want| &want.outcome);
    let resolved = outcome.and_then(|outcome| outcome.as_ref().ok());
    let (why, is_trouble) = match outcome {
        None => ("it is new since the last run".to_owned(), false),
        Some(Err(why)) => (why.to_string(), true),
        Some(Ok(resolved)) => (
            why_this(position, resolved, &look.observed.catalog.versions),
            false,
        ),
    };
    let (customization, id) = match &position.schematic {
        SchematicSource::Id(id) => (None, Some(*id)),
        SchematicSource::Customization(schematic) => (Some(&**schematic), None),
    };
    let artifacts = resolved.map(|resolved| [Some(&resolved.download), resolved.unpacked.as_ref()]);
    let artifacts = artifacts.into_iter().flatten().flatten();
    let secure = if position.secureboot {
        ", SecureBoot"
    } else {
        ""
    };
    PositionNow {
        name: &position.name,
        wanted: format!(
            "{}-{}.{}{secure}",
            position.platform, position.arch, position.format
        ),
        asked: asked(&position.version),
        version: resolved.map(|resolved| resolved.version.to_string()),
        why,
        is_trouble,
        schematic: id.or_else(|| resolved.map(|resolved| resolved.download.schematic)),
        customization,
        files: artifacts
            .filter_map(|artifact| Some(look.desired.artifacts.get(artifact)?.file.clone()))
            .collect(),
        targets: resolved.map(|one| one.targets.clone()).unwrap_or_default(),
    }
}

fn asked(policy: &VersionPolicy) -> String {
    match policy {
        VersionPolicy::Exact(version) => version.to_string(),
        VersionPolicy::Latest => "latest".to_owned(),
        VersionPolicy::LatestInMinor(minor) => format!("latest of {minor}"),
    }
}

fn why_this(position: &Position, resolved: &Resolved, known: &VersionKnowledge) -> String {
    let source = match resolved.version_source {
        VersionSource::Order => return "the order names this version".to_owned(),
        VersionSource::Factory => "the Image Factory",
        VersionSource::Github => "GitHub",
    };
    let what = match &position.version {
        VersionPolicy::Exact(_) => "this version".to_owned(),
        VersionPolicy::Latest => "the newest release".to_owned(),
        VersionPolicy::LatestInMinor(minor) => format!("the newest release of {minor}"),
    };
    match known {
        VersionKnowledge::Known {
            fetched_at,
            failures,
            ..
        } if !failures.is_empty() => {
            format!("{what} in the list of {source} of {fetched_at:.0}; newer could not be had")
        }
        _ => format!("{what} in the list of {source}"),
    }
}
