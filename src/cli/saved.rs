//! `plan --out FILE` and `apply FILE`: a plan that is reviewed before it is applied.

use std::io;
use std::path::{Path, PathBuf};

use super::table::one_line;
use super::{out, style};
use crate::app::{App, OrdersAt};
use crate::plan::Look;
use crate::plan::saved::{
    PlanChange, PlanOrigin, PlannedWork, SavedOptions, SavedPlan, SavedPlanError,
};
use crate::store;

/// So many changes are shown.
const CHANGES_SHOWN: usize = 20;

/// Why a file cannot be applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanFileError {
    /// It cannot be read.
    #[error("cannot read the plan {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// It is none that this program can use.
    #[error("cannot apply {}", path.display())]
    Unusable {
        path: PathBuf,
        source: SavedPlanError,
    },
    /// It was made for other files than these.
    #[error("cannot apply {}: it was made with {option} {saved}, but now it is {current}", path.display())]
    Elsewhere {
        path: PathBuf,
        option: &'static str,
        saved: String,
        current: String,
    },
}

impl PlanFileError {
    /// A hint for the user.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { .. } => None,
            Self::Unusable { .. } => {
                Some("save a plan with `talos-order plan --out FILE`".to_owned())
            }
            Self::Elsewhere { option, saved, .. } => {
                Some(format!("use the same files: {option} {saved}"))
            }
        }
    }
}

/// Saves a plan with what it was made from.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn save(
    path: &Path,
    app: &App,
    orders: &OrdersAt,
    revision: Option<&str>,
    options: SavedOptions,
    look: &Look,
) -> anyhow::Result<()> {
    let (configuration, orders) = app.whole_paths(orders);
    let origin = PlanOrigin {
        made_at: look.observed.now,
        configuration,
        orders,
        revision: revision.map(str::to_owned),
        options,
    };
    let mut text =
        serde_json::to_vec_pretty(&SavedPlan::new(&look.plan, &look.desired.nodes, origin))?;
    text.push(b'\n');
    store::saved::write(path, &text)?;
    let shown = path.display();
    out::note(&format!(
        "Plan saved; run `talos-order apply {shown}` to apply it"
    ));
    Ok(())
}

/// Reads a plan that is to be applied.
///
/// # Errors
/// When it cannot be used, or was made for another configuration or other orders.
pub(super) fn read(
    path: &Path,
    app: &App,
    orders: &OrdersAt,
) -> Result<SavedPlan<PlannedWork>, PlanFileError> {
    let text = store::saved::read(path).map_err(|source| PlanFileError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let saved = SavedPlan::read(&text).map_err(|source| PlanFileError::Unusable {
        path: path.to_owned(),
        source,
    })?;
    let (configuration, orders) = app.whole_paths(orders);
    let none = || "(none)".to_owned();
    let pairs = [
        (
            "--config",
            saved.configuration.clone().unwrap_or_else(none),
            configuration.unwrap_or_else(none),
        ),
        ("--orders", saved.orders.clone(), orders),
    ];
    for (option, saved, current) in pairs {
        if saved != current {
            return Err(PlanFileError::Elsewhere {
                path: path.to_owned(),
                option,
                saved: one_line(&saved),
                current,
            });
        }
    }
    Ok(saved)
}

/// What a run would do otherwise now than the saved plan.
///
/// # Errors
/// Never, as a plan can be written.
pub(super) fn changes(
    saved: Option<&SavedPlan<PlannedWork>>,
    now: &Look,
) -> io::Result<Vec<PlanChange>> {
    let Some(saved) = saved else {
        return Ok(Vec::new());
    };
    Ok(saved.changes(&now.plan, &now.desired.nodes)?)
}

/// Tells why a saved plan is not applied: what a run would do otherwise now.
pub(super) fn tell(
    path: &Path,
    saved: &SavedPlan<PlannedWork>,
    revision: Option<&str>,
    changes: &[PlanChange],
) {
    let shown = path.display();
    out::note(&format!(
        "{} {shown} is not what a run would do now; nothing was done",
        style::error("error:")
    ));
    let or_unknown = |revision: Option<&str>| one_line(revision.unwrap_or("unknown"));
    let (before, after) = (or_unknown(saved.revision.as_deref()), or_unknown(revision));
    if before != after {
        out::note(&format!("  orders: {before} → {after}"));
    }
    let program = concat!("talos-order ", env!("CARGO_PKG_VERSION"));
    if saved.program != program {
        let before = one_line(&saved.program);
        out::note(&format!("  program: {before} → {program}"));
    }
    for change in changes.iter().take(CHANGES_SHOWN) {
        out::note(&format!("  {change}"));
    }
    let more = changes.len().saturating_sub(CHANGES_SHOWN);
    if more > 0 {
        out::note(&format!("  … and {more} more"));
    }
    out::note(&format!(
        "  hint: run `talos-order plan --out {shown}` to plan again"
    ));
}
