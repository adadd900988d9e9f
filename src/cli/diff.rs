//! `diff`: how far cache, nodes and manifests are from what the orders want.

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::Common;
use super::changes::{self, ManifestChange};
use super::exit::Exit;
use super::forms::OutputForm;
use super::kept::error_of;
use super::{filter, notices, out, style};
use crate::app::{App, Mode};
use crate::conclude::difference::{Differences, PlaceDifference};
use crate::conclude::{Scope, SourceLine};
use crate::controller::Session;
use crate::model::Trigger;
use crate::plan::{Look, Resolved, RunOptions, Selection};
use crate::source::Freshness;

/// What `diff -o json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct DiffAnswer {
    /// The places that differ.
    differences: Vec<PlaceDiff>,
    /// The manifests that differ.
    manifests: Vec<ManifestChange>,
    /// What cannot be compared, with the reason.
    unknown: Vec<String>,
}

/// A place that differs.
#[derive(Serialize, JsonSchema)]
struct PlaceDiff {
    /// Which one: the cache, or a directory of a node.
    place: String,
    /// The difference, as a unified diff.
    diff: String,
}

/// Observes and compares. Changes nothing.
pub(super) async fn run(
    common: &Common,
    selection: &Selection,
    output: OutputForm,
) -> anyhow::Result<Exit> {
    let app = App::start(common.config.as_deref(), Mode::ReadOnly)?;
    // What is suspended and kept is part of the answer.
    app.readable_state()?;
    let at = app.fetch_orders(common.orders.as_deref(), Freshness::Now);
    let at = at.await?;
    notices::source(at.source());
    let reconciler = app.reconciler()?;
    if !selection.is_all() {
        app.survey(&app.state().memory()).await?;
        let orders = app.orders(&at)?;
        filter::check(selection, &app, &orders)?;
    }
    let options = RunOptions {
        selection: selection.clone(),
        ..app.run_options(false, false)
    };
    let session = Session::begin(&app, &at, Trigger::Manual, &[Scope::All], options).await;
    let never = CancellationToken::new();
    let looked = session.look(&reconciler, &never, notices::problems).await;
    let (inputs, look) = looked.map_err(error_of)?;
    notices::versions(&look.observed.catalog.versions, look.observed.now);
    let found = Differences::of(&look);
    let mut manifests = changes::of(&reconciler.manifests(&inputs, &look, None))?;
    manifests.retain(|change| is_shown(&look, selection, &change.order));
    let answer = DiffAnswer {
        differences: found.places.iter().map(PlaceDiff::of).collect(),
        manifests,
        unknown: found.unknown,
    };
    let is_same = answer.differences.is_empty() && answer.manifests.is_empty();
    let doubt = inputs.source.as_ref().and_then(SourceLine::doubt);
    let is_known = answer.unknown.is_empty() && inputs.orders.is_complete() && doubt.is_none();
    match output.data() {
        Some(form) => out::value(form, &answer)?,
        None => {
            let places = answer.differences.iter().map(|place| place.diff.as_str());
            let manifests = answer.manifests.iter().map(|change| change.diff.as_str());
            let text: String = places.chain(manifests).map(style::diff).collect();
            out::text(&text)?;
            for unknown in &answer.unknown {
                let word = style::error("unknown:");
                out::note(&format!("{word} {unknown}"));
            }
            if is_same && is_known {
                out::note("no differences");
            }
        }
    }
    Ok(match (is_known, is_same) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::Changes,
        (true, true) => Exit::Done,
    })
}

/// True if an order was asked for, and wants something on a node that was asked for.
fn is_shown(look: &Look, selection: &Selection, order: &str) -> bool {
    let mut wants = look.desired.positions.iter();
    let mut has_node = || {
        wants.any(|want| {
            let mut nodes = want.outcome.iter().flat_map(Resolved::nodes);
            let mut is_asked = || nodes.any(|node| selection.has_node(node.as_str()));
            want.position.order.as_str() == order && is_asked()
        })
    };
    selection.has_order(order) && (selection.nodes.is_empty() || has_node())
}

impl PlaceDiff {
    fn of(place: &PlaceDifference) -> Self {
        let text =
            |lines: &[String]| -> String { lines.iter().map(|line| format!("{line}\n")).collect() };
        let name = &place.place;
        // Not `TextDiff`, for the reason that the diff of manifests gives: its code would be
        // in the program a second time.
        let diff = similar::udiff::unified_diff(
            similar::Algorithm::Myers,
            &text(&place.actual),
            &text(&place.desired),
            3,
            Some((&format!("{name} (actual)"), &format!("{name} (desired)"))),
        );
        Self {
            place: name.clone(),
            diff,
        }
    }
}
