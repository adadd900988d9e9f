//! A running pass as people see it: bars on a terminal, plain lines elsewhere.
//!
//! The executor sends events and counts bytes; everything about looks is here.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::paint;
use crate::execute::{Event, Fact, Meter, Outcome};
use crate::plan::render::Bytes;
use crate::plan::{Action, StepId};

/// How often bars are redrawn.
const TICK: Duration = Duration::from_millis(120);

/// Shows events until the sender is gone.
pub(super) async fn show(mut events: UnboundedReceiver<Event>) {
    let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
    let mut running: HashMap<StepId, Running> = HashMap::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => handle(event, bars.as_ref(), &mut running),
                None => break,
            },
            _ = tick.tick(), if bars.is_some() => running.values().for_each(Running::refresh),
        }
    }
}

struct Running {
    label: String,
    bar: Option<(ProgressBar, Arc<Meter>)>,
}

impl Running {
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

fn handle(event: Event, bars: Option<&MultiProgress>, running: &mut HashMap<StepId, Running>) {
    match event {
        Event::Started {
            step,
            action,
            meter,
        } => {
            let label = label(&action);
            if bars.is_none() {
                anstream::eprintln!("{label}");
            }
            let bar = bars.zip(meter).map(|(bars, meter)| {
                let bar = bars.add(ProgressBar::no_length().with_style(style()));
                bar.set_message(label.clone());
                (bar, meter)
            });
            running.insert(step, Running { label, bar });
        }
        Event::Finished { step, outcome } => {
            let before = running.remove(&step);
            if let Some((bar, _)) = before.as_ref().and_then(|running| running.bar.as_ref()) {
                bar.finish_and_clear();
            }
            let label = before.map_or_else(|| step.to_string(), |running| running.label);
            let line = finished(&label, &outcome);
            match bars {
                Some(bars) => bars.suspend(|| anstream::eprintln!("{line}")),
                None => anstream::eprintln!("{line}"),
            }
        }
    }
}

fn style() -> ProgressStyle {
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
        Action::PruneCache { file, .. } => format!("remove {file}"),
        Action::ClearPartial { file, .. } => format!("remove part of {file}"),
        Action::PruneNode { target, file, .. } => format!("remove {file} from {}", target.node),
        Action::VerifyNode { target, file, .. } => format!("verify {file} on {}", target.node),
        Action::VerifyCache { file, .. } => format!("verify {file} in the cache"),
    }
}

fn finished(label: &str, outcome: &Outcome) -> String {
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
            } => {
                format!("{label}: {}, digest checked there", Bytes(entry.size))
            }
            Fact::Pushed { copied: false, .. } => format!("{label}: there already, adopted"),
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
                paint::error("failed:"),
                failure.error
            )
        }
        Outcome::Skipped { needs } => {
            format!(
                "{} {label}: {needs} did not succeed",
                paint::warning("skipped:")
            )
        }
        Outcome::Outdated { what } => format!("{label}: {what}; looking again"),
        Outcome::Cancelled => format!("{} {label}", paint::warning("stopped:")),
    }
}
