//! What a run did, in one line.

use super::{out, style};
use crate::conclude::{Report, Verdict};
use crate::facts::{Fact, Outcome};
use crate::plan::render::Bytes;

pub(super) fn summary(report: &Report) -> String {
    let mut done = Counts::default();
    for outcome in report.outcomes.values() {
        done.add(outcome);
    }
    let written = report.manifests.values().filter(|r| matches!(r, Ok(true)));
    let written = written.count();
    let plan = &report.look.plan;
    let mut parts = Vec::new();
    for (count, what) in [
        (
            done.fetched,
            format!("fetched ({})", Bytes(done.fetched_bytes)),
        ),
        (done.unpacked, "unpacked".to_owned()),
        (done.pushed, format!("pushed ({})", done.pushed_sizes())),
        (done.adopted, "adopted".to_owned()),
        (done.templates, templates(done.templates, "created")),
        // Whoever makes one switches to it.
        (
            done.templates_switched.saturating_sub(done.templates),
            templates(
                done.templates_switched.saturating_sub(done.templates),
                "switched",
            ),
        ),
        (
            done.templates_removed,
            templates(done.templates_removed, "pruned"),
        ),
        (done.removed, "pruned".to_owned()),
        (done.failed, "failed".to_owned()),
        (done.skipped, "pending".to_owned()),
        (plan.blocked().count(), "blocked".to_owned()),
        (plan.not_selected(), "not selected".to_owned()),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if written > 0 {
        parts.push(format!("{} written", out::counted(written, "manifest")));
    }
    // Counted before the run: behind a first delivery, `0 in sync` would mislead.
    let in_sync = plan.in_sync.len();
    if in_sync > 0 || parts.is_empty() {
        parts.push(format!("{in_sync} in sync"));
    }
    let stopped = |outcome: &Outcome| matches!(outcome, Outcome::Cancelled);
    let stopped = report.outcomes.values().any(stopped);
    let word = match report.verdict {
        Verdict::Converged => style::heading("Done:"),
        Verdict::Retry if stopped => style::warning("Interrupted:"),
        Verdict::Retry => style::warning("Incomplete:"),
        Verdict::Stalled => style::error("Action required:"),
        Verdict::Failed => style::error("Failed:"),
    };
    let hint = match (report.verdict, plan.next_window()) {
        (Verdict::Retry, _) => "; run again to continue".to_owned(),
        (Verdict::Converged, Some((_, opens))) => format!("; the next window opens {opens}"),
        (Verdict::Converged, None) if plan.waits_for_promotion() => {
            "; the next ring begins when the image is promoted to it".to_owned()
        }
        (Verdict::Converged, None) if plan.waits_for_ring() => {
            "; more rings follow in later runs".to_owned()
        }
        _ => String::new(),
    };
    format!("{word} {}{hint}", parts.join(", "))
}

fn templates(count: usize, what: &str) -> String {
    let noun = if count == 1 { "template" } else { "templates" };
    format!("{noun} {what}")
}

#[derive(Default)]
struct Counts {
    fetched: usize,
    fetched_bytes: u64,
    unpacked: usize,
    pushed: usize,
    pushed_bytes: u64,
    /// Bytes that went over links for that, as far as it is known.
    sent_bytes: u64,
    adopted: usize,
    templates: usize,
    templates_switched: usize,
    templates_removed: usize,
    removed: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn pushed_sizes(&self) -> String {
        match self.sent_bytes {
            0 => Bytes(self.pushed_bytes).to_string(),
            sent => format!("{}, {} sent", Bytes(self.pushed_bytes), Bytes(sent)),
        }
    }

    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done { fact } => match fact {
                Fact::Registered { .. } | Fact::Verified { .. } => {}
                Fact::TemplateSwitched => self.templates_switched += 1,
                Fact::TemplateCreated { .. } => self.templates += 1,
                Fact::TemplateRemoved => self.templates_removed += 1,
                Fact::Fetched { wire_bytes, .. } => {
                    self.fetched += 1;
                    self.fetched_bytes += wire_bytes;
                }
                Fact::Unpacked { .. } => self.unpacked += 1,
                Fact::Pushed {
                    entry,
                    copied: true,
                    wire_bytes,
                    ..
                } => {
                    self.pushed += 1;
                    self.pushed_bytes += entry.size;
                    self.sent_bytes += wire_bytes.unwrap_or(0);
                }
                Fact::Pushed { copied: false, .. } => self.adopted += 1,
                Fact::Removed { .. } => self.removed += 1,
            },
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Skipped { .. }
            | Outcome::Outdated { .. }
            | Outcome::UnderWay
            | Outcome::Left { .. }
            | Outcome::Cancelled => {
                self.skipped += 1;
            }
        }
    }
}
