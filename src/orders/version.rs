//! Which version a position asks for.

use super::file::{VersionKind, VersionShape};
use crate::model::{Minor, VersionPolicy};
use crate::yaml::{At, ProblemReport, TextOr};

/// The policy, or `None` where it was refused.
pub(super) fn policy(
    shape: Option<&At<TextOr<VersionShape>>>,
    report: &mut ProblemReport<'_>,
) -> Option<VersionPolicy> {
    match shape {
        None => Some(VersionPolicy::Latest),
        Some(At {
            place,
            value: TextOr::Text(text),
        }) => short(
            &At {
                place: *place,
                value: text.clone(),
            },
            report,
        ),
        Some(At {
            place,
            value: TextOr::Map(shape),
        }) => long(*place, shape, report),
    }
}

/// `version: v1.11.3` or `version: latest`.
fn short(text: &At<String>, report: &mut ProblemReport<'_>) -> Option<VersionPolicy> {
    if text.value == "latest" {
        return Some(VersionPolicy::Latest);
    }
    if report.document().is_number(text.place)
        && let Ok(minor) = text.value.parse::<Minor>()
    {
        report.at_with_hint(
            text.place,
            format!(
                "expected a version as text, found the number {}",
                text.value
            ),
            format!(
                "for the newest {minor} release write \
                 `version: {{type: latest-in-minor, minor: \"{}\"}}`",
                text.value
            ),
        );
        return None;
    }
    if !report.is_quoted(text, "version") {
        return None;
    }
    report
        .parse_among(text, ["latest"])
        .map(VersionPolicy::Exact)
}

fn long(
    place: crate::yaml::NodeRef,
    shape: &VersionShape,
    report: &mut ProblemReport<'_>,
) -> Option<VersionPolicy> {
    let kind = shape
        .kind
        .as_ref()
        .map_or(VersionKind::Latest, |at| at.value);
    let (value, minor) = (shape.value.as_ref(), shape.minor.as_ref());
    let word = match kind {
        VersionKind::Exact => "exact",
        VersionKind::Latest => "latest",
        VersionKind::LatestInMinor => "latest-in-minor",
    };
    let strangers = [
        ("value", value, kind != VersionKind::Exact, "exact"),
        (
            "minor",
            minor,
            kind != VersionKind::LatestInMinor,
            "latest-in-minor",
        ),
    ];
    let mut fits = true;
    for (key, text, strange, home) in strangers {
        if let Some(text) = text
            && strange
        {
            fits = false;
            report.at_with_hint(
                text.place,
                format!("`{key}` cannot be combined with `type: {word}`"),
                format!("with `{key}`, write `type: {home}`"),
            );
        }
    }
    let policy = match kind {
        VersionKind::Latest => Some(VersionPolicy::Latest),
        VersionKind::Exact => match value {
            Some(text) if report.is_quoted(text, "value") => {
                report.parse(text).map(VersionPolicy::Exact)
            }
            Some(_) => None,
            None => {
                report.missing(
                    place,
                    "value",
                    "`type: exact` needs one, such as `value: v1.11.3`",
                );
                None
            }
        },
        VersionKind::LatestInMinor => match minor {
            Some(text) if report.is_quoted(text, "minor") => {
                report.parse(text).map(VersionPolicy::LatestInMinor)
            }
            Some(_) => None,
            None => {
                report.missing(
                    place,
                    "minor",
                    "`type: latest-in-minor` needs one, such as `minor: v1.11`",
                );
                None
            }
        },
    };
    policy.filter(|_| fits)
}
