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
mod rollouts;
mod sheet;
mod steps;
mod sums;
mod templates;
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
    /// What the plan was made for: those orders name their images first.
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

/// The plan as text, ending with a line break. What is not selected is counted.
pub fn render(plan: &Plan, view: &PlanView) -> String {
    let not_selected = plan.not_selected();
    if not_selected == 0 {
        return shown(plan, view);
    }
    let selected = Plan {
        blocked: plan.blocked().cloned().collect(),
        ..plan.clone()
    };
    let steps = if not_selected == 1 { "step" } else { "steps" };
    let text = shown(&selected, view);
    format!("{text}\nNot selected: {not_selected} {steps} of the whole plan\n")
}

fn shown(plan: &Plan, view: &PlanView) -> String {
    match view.detailed {
        true => detailed::render(plan),
        false => grouped::render(plan, view.width, &view.selection),
    }
}
