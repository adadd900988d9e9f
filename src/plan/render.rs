//! A plan as text for people. Pure: colours and the width of a terminal come from outside.
//!
//! Two forms. The short one has a block for each image, under the first order that wants
//! it, and one line for what happens alike on several nodes. The detailed one has a line
//! for each step. In both a line starts with its sign, so that the text can be searched
//! and coloured by line: `+` adds, `~` replaces, `-` prunes, `?` verifies, `!` is blocked.

mod blocked;
mod blocks;
mod cleanup;
mod detailed;
mod grouped;
mod names;
mod pushes;
mod sheet;
mod steps;
mod sums;
mod totals;
mod why;

pub use self::totals::{PlanTotals, headline};
pub use super::bytes::Bytes;
use super::selection::Selection;
use super::step::Plan;

/// How a plan is shown.
#[derive(Debug, Clone)]
pub struct PlanView {
    /// Lines break before this column where they can.
    pub width: usize,
    /// A line for each step.
    pub detailed: bool,
    /// What of the plan is shown.
    pub selection: Selection,
}

impl Default for PlanView {
    fn default() -> Self {
        Self {
            width: 80,
            detailed: false,
            selection: Selection::default(),
        }
    }
}

/// The plan as text, ending with a line break.
pub fn render(plan: &Plan, view: &PlanView) -> String {
    let shown = view.selection.of(plan);
    let mut text = if view.detailed {
        detailed::render(&shown)
    } else {
        grouped::render(&shown, view.width, &view.selection)
    };
    if !view.selection.is_all() {
        // A plan does not say which order wants what is in sync.
        let in_sync = match view.selection.orders.is_empty() {
            true => "",
            false => "; what is in sync is not counted by order",
        };
        text.push_str(&format!(
            "\nShown: {} of {} steps, {} of {} blocked{in_sync}\n",
            shown.steps.len(),
            plan.steps.len(),
            shown.blocked.len(),
            plan.blocked.len(),
        ));
    }
    text
}
