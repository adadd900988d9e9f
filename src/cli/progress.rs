//! A current run as people see it: bars on a terminal, plain lines elsewhere.
//!
//! The executor sends events and counts bytes; everything about looks is here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{out, style};
use crate::conclude::StepRecord;
use crate::execute::{Event, Meter};
use crate::facts::{Failure, Outcome, StepId};
use crate::model::OrderId;

/// How often bars are redrawn.
const TICK: Duration = Duration::from_millis(120);

/// Shows events until the sender is gone.
pub(super) async fn show(mut events: UnboundedReceiver<Event>) {
    let mut display = Display {
        bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        running: HashMap::new(),
        outdated: HashSet::new(),
    };
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => display.handle(event),
                None => break,
            },
            _ = tick.tick(), if display.bars.is_some() => {
                display.running.values().for_each(RunningStep::refresh);
            }
        }
    }
}

struct RunningStep {
    /// With the text of the step.
    bar: Option<(ProgressBar, Arc<Meter>, String)>,
}

impl RunningStep {
    fn refresh(&self) {
        if let Some((bar, meter, text)) = &self.bar {
            let (done, total) = meter.read();
            if let Some(total) = total {
                if bar.length().is_none() {
                    bar.set_style(bar_style());
                }
                bar.set_length(total);
            }
            bar.set_position(done);
            bar.set_message(match meter.waits_for() {
                Some(what) => format!("{text} ({what})"),
                None => text.clone(),
            });
        }
    }
}

/// What is on the screen.
struct Display {
    /// On a terminal only.
    bars: Option<MultiProgress>,
    running: HashMap<StepId, RunningStep>,
    /// Steps that the next look replaces, with those that needed them: that they
    /// are not done is no news.
    outdated: HashSet<StepId>,
}

impl Display {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Started { step, meter } => {
                let text = step.text().to_string();
                if self.bars.is_none() {
                    out::note(&text);
                }
                let bar = self.bars.as_ref().zip(meter).map(|(bars, meter)| {
                    let bar = bars.add(ProgressBar::no_length().with_style(count_style()));
                    bar.set_message(text.clone());
                    (bar, meter, text)
                });
                self.running.insert(step, RunningStep { bar });
            }
            Event::Replanned { changed, plan } => {
                self.say(&replanned(&changed, plan.steps.len()));
            }
            Event::Recalled { orders } => self.say(&recalled(&orders)),
            Event::ManifestChanged { .. } => {}
            Event::Finished { step, outcome } => {
                let before = self.running.remove(&step);
                if let Some((bar, ..)) = before.and_then(|running| running.bar) {
                    bar.finish_and_clear();
                }
                if !self.is_news(&step, &outcome) {
                    return;
                }
                let line = finished(&step, &outcome);
                self.say(&line);
            }
        }
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| out::note(line)),
            None => out::note(line),
        }
    }

    fn is_news(&mut self, step: &StepId, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Outdated { .. } => {
                self.outdated.insert(step.clone());
                true
            }
            Outcome::Skipped { needs } if self.outdated.contains(needs) => {
                self.outdated.insert(step.clone());
                false
            }
            _ => {
                self.outdated.remove(step);
                true
            }
        }
    }
}

/// That the run ends before its plan is done, and why.
fn recalled(orders: &BTreeSet<OrderId>) -> String {
    let names: Vec<&str> = orders.iter().map(OrderId::as_str).collect();
    let (noun, names) = match names.len() {
        1 => ("order", names.join(", ")),
        _ => ("orders", names.join(", ")),
    };
    format!("Rollouts of {noun} {names} have a new instruction; no further step begins")
}

/// That the run goes on with another plan, and why.
fn replanned(changed: &[String], steps: usize) -> String {
    let more = match changed.len() {
        0 | 1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    let why = changed.first().map_or("", String::as_str);
    let steps = out::counted(steps, "step");
    format!("Observed state changed ({why}{more}); planned again: {steps}")
}

/// A step that is over, in its line; what may help is on its own line.
pub(super) fn finished(step: &StepId, outcome: &Outcome) -> String {
    let line = style::step(&StepRecord::new(None, step, None, outcome));
    match outcome {
        Outcome::Failed {
            failure: Failure {
                hint: Some(hint), ..
            },
        } => format!("{line}\n  hint: {hint}"),
        _ => line,
    }
}

/// Of a step of which nobody knows yet how much it is: a bar would say that it is done.
fn count_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}  {bytes} {bytes_per_sec}").expect("the template is valid")
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
    )
    .expect("the template is valid")
}
