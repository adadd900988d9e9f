//! A current run as people see it: bars on a terminal, plain lines elsewhere.
//!
//! The executor sends events and counts bytes; everything about looks is here.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{out, style};
use crate::execute::{Event, Meter};
use crate::facts::{Fact, Outcome, StepId};
use crate::plan::render::Bytes;
use crate::plan::{Action, Plan};

/// How often bars are redrawn.
const TICK: Duration = Duration::from_millis(120);

/// What people call the steps of a plan.
pub(super) fn labels(plan: &Plan) -> HashMap<StepId, String> {
    let steps = plan.steps.iter();
    steps
        .map(|step| (step.id.clone(), label(&step.action)))
        .collect()
}

/// Shows events until the sender is gone. `labels` are those of the plan that is
/// worked on first.
pub(super) async fn show(mut events: UnboundedReceiver<Event>, labels: HashMap<StepId, String>) {
    let mut display = Display {
        bars: std::io::stderr().is_terminal().then(MultiProgress::new),
        running: HashMap::new(),
        labels,
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
    bar: Option<(ProgressBar, Arc<Meter>)>,
}

impl RunningStep {
    fn refresh(&self) {
        if let Some((bar, meter)) = &self.bar {
            let (done, total) = meter.read();
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }
}

/// What is on the screen.
struct Display {
    /// On a terminal only.
    bars: Option<MultiProgress>,
    running: HashMap<StepId, RunningStep>,
    labels: HashMap<StepId, String>,
    /// Steps that the next look replaces, with those that needed them: that they
    /// are not done is no news.
    outdated: HashSet<StepId>,
}

impl Display {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Started {
                step,
                action,
                meter,
            } => {
                let label = label(&action);
                if self.bars.is_none() {
                    out::note(&label);
                }
                let bar = self.bars.as_ref().zip(meter).map(|(bars, meter)| {
                    let bar = bars.add(ProgressBar::no_length().with_style(bar_style()));
                    bar.set_message(label.clone());
                    (bar, meter)
                });
                self.labels.insert(step.clone(), label);
                self.running.insert(step, RunningStep { bar });
            }
            Event::Replanned { changed, plan } => {
                self.labels.extend(labels(&plan));
                self.say(&replanned(&changed, plan.steps.len()));
            }
            Event::Finished { step, outcome } => {
                let before = self.running.remove(&step);
                if let Some((bar, _)) = before.and_then(|running| running.bar) {
                    bar.finish_and_clear();
                }
                if !self.is_news(&step, &outcome) {
                    return;
                }
                let line = self.finished(&step, &outcome);
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

    fn label<'a>(&'a self, step: &'a StepId) -> &'a str {
        self.labels.get(step).map_or(step.as_str(), String::as_str)
    }

    fn finished(&self, step: &StepId, outcome: &Outcome) -> String {
        let label = self.label(step);
        match outcome {
            Outcome::Done { fact } => match fact {
                Fact::Registered { .. } => format!("{label}: done"),
                Fact::Fetched {
                    download,
                    unpacked,
                    wire_bytes,
                } => {
                    let unpacked = unpacked
                        .as_ref()
                        .map(|raw| format!(", {} unpacked", Bytes(raw.size)))
                        .unwrap_or_default();
                    let wire = Bytes(*wire_bytes);
                    format!("{label}: {wire}{unpacked}, sha256 {}", download.sha256)
                }
                Fact::Unpacked { meta } => {
                    format!("{label}: {}, sha256 {}", Bytes(meta.size), meta.sha256)
                }
                Fact::Pushed {
                    entry,
                    copied: true,
                    wire_bytes,
                    millis,
                } => {
                    let sent = wire_bytes.map(|bytes| sent(bytes, *millis));
                    let sent = sent.unwrap_or_default();
                    format!(
                        "{label}: {}{sent}, digest verified there",
                        Bytes(entry.size)
                    )
                }
                Fact::Pushed { copied: false, .. } => format!("{label}: already there, adopted"),
                Fact::Verified { bytes } => format!("{label}: {} as recorded", Bytes(*bytes)),
                Fact::Removed { bytes } => format!("{label}: {} freed", Bytes(*bytes)),
            },
            Outcome::Failed { failure } => {
                let hint = failure
                    .hint
                    .as_ref()
                    .map(|hint| format!("\n  hint: {hint}"))
                    .unwrap_or_default();
                format!(
                    "{} {label}: {}{hint}",
                    style::error("failed:"),
                    failure.error
                )
            }
            Outcome::Skipped { needs } => {
                let needs = self.label(needs);
                format!("{} {label} (waits for {needs})", style::warning("skipped:"))
            }
            Outcome::Outdated { what } => {
                format!("{} {label}: {what}", style::warning("outdated:"))
            }
            Outcome::UnderWay => format!("{label}: {outcome}"),
            Outcome::Cancelled => format!("{} {label}", style::warning("stopped:")),
        }
    }
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

/// What went over the link, and how long that took.
fn sent(bytes: u64, millis: u64) -> String {
    let seconds = millis as f64 / 1000.0;
    format!(", {} sent in {seconds:.1} s", Bytes(bytes))
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
    )
    .expect("the template is valid")
}

fn label(action: &Action) -> String {
    match action {
        Action::Register { schematic, .. } => format!("register schematic {schematic}"),
        Action::Fetch { file, .. } => format!("fetch {file}"),
        Action::Unpack { file, .. } => format!("unpack {file}"),
        Action::Push { target, file, .. } => format!("push {file} to {}", target.node),
        Action::PruneCache { file, .. } => format!("prune {file}"),
        Action::ClearPartial { file, .. } => format!("prune part of {file}"),
        Action::PruneNode { target, file, .. } => format!("prune {file} on {}", target.node),
        Action::ClearPart { target, part, .. } => {
            format!("prune part of {} on {}", part.file(), target.node)
        }
        Action::VerifyNode { target, file, .. } => format!("verify {file} on {}", target.node),
        Action::VerifyCache { file, .. } => format!("verify {file} in the cache"),
    }
}
